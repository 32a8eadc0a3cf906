"""The simulator's page, as a person meets it in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Dialog, Page, expect

from modelrelay.local.github import PRESETS, GitHub, GitHubServer
from tests.simulator.client import TOKEN, WORKFLOWS, Client

from .conftest import Shoot
from .looks import hard_to_read, luminance, texts, too_wide

HOSTILE = "<img src=x onerror=alert(1)>"
LONG = "a_catalog_with_a_long_name.and_its_schema.then_the_model_" + "x" * 80


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a simulator that runs for one test."""
    with GitHubServer(GitHub(WORKFLOWS, tokens=[TOKEN])) as server:
        client = Client(server)
        yield client
        client.pool.clear()


def busy(client: Client, page: Page, model: str) -> None:
    """Show a page with some of everything: runs, a fault that is on, and requests of which one failed."""
    client.dispatch({"model": model, "delivery_id": "default.Airline_Delay.8"})
    client.dispatch({"model": "churn", "delivery_id": model})
    client.server.inject(replace(PRESETS["outage"], times=0))
    client.dispatch({"model": "churn"})
    page.goto(client.server.url)
    expect(page.locator(".run")).to_have_count(2)
    for summary in page.locator("summary").all():
        summary.click()


def test_a_run_appears_by_itself(client: Client, page: Page) -> None:
    """A run that is started is shown without reloading the page."""
    page.goto(client.server.url)
    expect(page.get_by_text("No workflow has been started yet")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    client.dispatch({"model": "Airline_Delay", "delivery_id": "d-1"})
    run = page.locator(".run")
    expect(run).to_contain_text("Airline_Delay")
    expect(run.get_by_role("heading")).to_have_text("d-1")
    expect(page.get_by_text("No workflow has been started yet")).to_be_hidden()
    assert page.evaluate("window.sameDocument") is True


def test_a_hostile_name_stays_text(client: Client, page: Page) -> None:
    """A model that is named like markup is shown as it is named; it makes no element and runs no script."""
    dialogs: list[str] = []
    requests: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on("request", lambda request: requests.append(request.url))
    busy(client, page, HOSTILE)
    expect(page.locator(".inputs dd", has_text=HOSTILE)).to_have_count(2)
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    assert page.locator("img").count() == 0
    assert dialogs == []
    assert [url for url in requests if url.endswith("/x")] == []


def test_faults_are_switched_by_keyboard(client: Client, page: Page) -> None:
    """Without a mouse a fault is chosen, seen to be focused, switched on for one request, and off again."""
    page.goto(client.server.url)
    outage = page.get_by_role("button", name="outage")
    expect(outage).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(outage).to_be_focused()
    expect(outage).to_have_css("outline-style", "solid")
    page.keyboard.press("Space")
    expect(outage).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#active")).to_have_text("outage: 0 of 1 hit")
    page.keyboard.press("Enter")
    expect(outage).to_have_attribute("aria-pressed", "false")
    assert client.control("GET", "faults").json() == []


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_both_themes_are_readable(client: Client, page: Page, shoot: Shoot, colour_scheme: str) -> None:
    """In either theme every text stands out from what is behind it, and the theme is the reader's."""
    busy(client, page, "Airline_Delay")
    page.mouse.move(0, 0)
    expect(page.get_by_role("button", name="outage")).to_have_attribute("aria-pressed", "true")
    shoot(f"simulator-{colour_scheme}")
    shown = texts(page)
    assert {"GitHub simulator", "outage", "outage: 1 hit so far", "Airline_Delay", "503"} <= {
        each.text for each in shown
    }
    assert hard_to_read(page) == []
    assert all((luminance(each.background) > 0.5) == (colour_scheme == "light") for each in shown)


def test_nothing_scrolls_sideways_on_a_telephone(client: Client, page: Page, shoot: Shoot) -> None:
    """A page that is 360 pixels wide holds the longest names, and requests that are opened."""
    page.set_viewport_size({"width": 360, "height": 740})
    busy(client, page, LONG)
    shoot("simulator-narrow")
    assert too_wide(page) == []


def test_a_lost_connection_is_told(client: Client, page: Page, troubles: list[str]) -> None:
    """The page doesn't go on looking live when the simulator has ended."""
    page.goto(client.server.url)
    expect(page.locator("#line")).to_have_text("live")
    client.server.close()
    expect(page.locator("#line")).to_have_text("no connection")
    assert all("ERR_CONNECTION_REFUSED" in each for each in troubles)
    troubles.clear()
