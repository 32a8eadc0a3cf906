"""The local run's console in a real browser: the dashboard's own widget, by the deployed function."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import Shoot, browser, colour_scheme, page, shoot, troubles
from tests.browser.looks import hard_to_read, too_wide
from tests.pipeline.conftest import Pipeline

__all__ = ["browser", "colour_scheme", "page", "shoot", "troubles"]  # the fixtures that are used here

SECONDS = 30_000


def hostile() -> str:
    """Give a model's name that would run a script if it were markup."""
    return f"<img src=x onerror=alert({uuid.uuid4().int % 10**9})>"


def test_a_delivery_arrives_by_itself(pipeline: Pipeline, page: Page) -> None:
    """What is sent while the page is open is seen on it: the delivery, and the run that it started."""
    page.goto(pipeline.ready["console_url"])
    model = f"model-{uuid.uuid4().hex[:12]}"
    page.evaluate("window.sameDocument = true")
    delivery = pipeline.send(model, 8)
    row = page.locator("#widget tr").filter(has_text=model)
    expect(row).to_contain_text("dispatched", timeout=SECONDS)
    expect(row.get_by_text(delivery[:8])).to_have_attribute("title", delivery)
    expect(page.locator("#runs li").filter(has_text=model)).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_a_dead_letter_is_read_and_replayed(
    pipeline: Pipeline, page: Page, shoot: Shoot, colour_scheme: str
) -> None:
    """A dead letter appears with its reason; Replay asks, sends and tells, and its run appears."""
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.goto(pipeline.ready["console_url"])
    model = hostile()
    pipeline.github(
        "POST", "faults", {"preset": "unprocessable", "times": 1, "match": model.split("(")[1][:9]}
    )
    delivery = pipeline.send(model, 8)
    letters = page.locator("#widget table").nth(1)
    row = letters.locator("tr").filter(has_text=delivery[:8])
    expect(row).to_contain_text("dead-lettered github-refused", timeout=SECONDS)
    expect(row).to_contain_text(model)
    row.get_by_role("button", name="Details").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Unexpected inputs provided")
    shoot(f"console-{colour_scheme}-details")
    page.keyboard.press("Escape")
    shoot(f"console-{colour_scheme}")
    assert hard_to_read(page) == []
    row.get_by_role("button", name="Replay").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"Replay delivery {delivery}?")
    page.get_by_role("button", name="Replay", exact=True).last.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("1 sent again")
    page.keyboard.press("Escape")
    expect(page.locator("#runs li").filter(has_text=model)).to_be_visible(timeout=SECONDS)
    expect(row).to_be_hidden(timeout=SECONDS)
    assert dialogs == []


def test_cancel_replays_nothing(pipeline: Pipeline, page: Page) -> None:
    """Whoever is asked and says no has done nothing."""
    model = f"model-{uuid.uuid4().hex[:12]}"
    pipeline.github("POST", "faults", {"preset": "unprocessable", "times": 1, "match": model})
    delivery = pipeline.send(model, 8)
    page.goto(pipeline.ready["console_url"])
    row = page.locator("#widget table").nth(1).locator("tr").filter(has_text=delivery[:8])
    row.get_by_role("button", name="Replay").click(timeout=SECONDS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert pipeline.dead_letter(delivery) is not None
    assert pipeline.runs(model) == []


def test_the_console_fits_a_telephone(pipeline: Pipeline, page: Page, shoot: Shoot) -> None:
    """It may be read on a telephone: nothing but the table itself scrolls sideways."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(pipeline.ready["console_url"])
    expect(page.locator("#widget table").first).to_be_visible(timeout=SECONDS)
    shoot("console-narrow")
    assert too_wide(page) == []


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/widget", b"{}", {"Origin": "http://evil.example"}, 403),
        ("/runs", b"{}", {}, 403),
        ("/widget", b"[]", {}, 400),
        ("/widget", b"{", {}, 400),
        ("/widget", b" " * 10_001, {}, 400),
    ],
)
def test_other_pages_can_not_press_buttons(
    pipeline: Pipeline, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    """Only the console's own page may replay; whatever else comes is refused in words."""
    reply = pipeline.console("POST", path, body, headers)
    assert reply.status == status
    assert reply.body
    assert pipeline.console("GET", "/nothing", None, {}).status == 404
