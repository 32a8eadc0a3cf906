"""A real browser, and a page in it that has to be free of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from modelrelay.cdk import ROOT

from .chromium import NoBrowserError, children, end, find, with_descendants

SCREENSHOTS = ROOT / ".build" / "screenshots"
WAIT_MILLISECONDS = 10_000
# Our pages ask nobody but this machine; a request to anybody else fails, and so does the test.
ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]

Shoot = Callable[[str], Path]
"""Writes a picture of the whole page to `.build/screenshots/NAME.png`."""


# Not for the whole session: Playwright's event loop counts as running until it is stopped, and no other
# test of the same process could run one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser without windows, which has ended for certain when the last test of this folder has."""
    try:
        program = find()
    except NoBrowserError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    before, started = children(), set()
    # Playwright wants a dictionary of more than strings.
    variables: dict[str, str | float | bool] = {**program.environment}
    try:
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(
                executable_path=program.path, env=variables, args=ARGUMENTS
            ) as launched,
        ):
            started = with_descendants(children() - before)
            yield launched
    finally:
        end(started)


@pytest.fixture
def colour_scheme() -> Literal["light", "dark"]:
    """What the reader's machine prefers; `@pytest.mark.parametrize("colour_scheme", ["dark"])` sets it."""
    return "light"


@pytest.fixture
def troubles() -> list[str]:
    """What has gone wrong in the page. A test that provokes an error looks at it here and clears the list."""
    return []


@pytest.fixture
def page(browser: Browser, colour_scheme: Literal["light", "dark"], troubles: list[str]) -> Iterator[Page]:
    """An empty page of a browser that remembers nothing; an error of console or scripts fails the test."""

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(message.text)

    context = browser.new_context(color_scheme=colour_scheme, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(WAIT_MILLISECONDS)
    context.on("console", note)
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert troubles == []


@pytest.fixture
def shoot(page: Page) -> Shoot:
    """Take a picture, for people to look at."""

    def take(name: str) -> Path:
        path = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return take
