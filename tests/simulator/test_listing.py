"""Listings of workflows and runs, and single runs."""

from typing import Any
from urllib.parse import urlencode

import pytest

from modelrelay.local.github import Settings

from .client import RUNS, Client, Clock
from .conftest import Start


def listed(client: Client, **query: str) -> list[Any]:
    """Return the titles that a listing shows, in its order."""
    found = client.send("GET", f"{RUNS}?{urlencode(query)}").json()
    return [run["display_title"] for run in found["workflow_runs"]]


def dispatch_hourly(client: Client, clock: Clock, count: int) -> None:
    """Dispatch d-0, d-1, … an hour apart, beginning at 2026-09-21T14:13:20Z."""
    for number in range(count):
        client.dispatch({"delivery_id": f"d-{number}"})
        clock.now += 3600


def test_workflows_are_listed_with_state_and_path(client: Client) -> None:
    """A listing of workflows shows what a check before the first dispatch needs."""
    found = client.send("GET", "/repos/acme/models/actions/workflows?per_page=2").json()
    assert found["total_count"] == 4
    assert [(each["path"], each["state"]) for each in found["workflows"]] == [
        (".github/workflows/deploy.yml", "active"),
        (".github/workflows/paused.yml", "disabled_manually"),
    ]


def test_runs_are_listed_newest_first_without_inputs(client: Client, clock: Clock) -> None:
    """A listing shows the title, by which a run is found again, but never the inputs."""
    dispatch_hourly(client, clock, 3)
    assert listed(client, event="workflow_dispatch") == ["d-2", "d-1", "d-0"]
    assert "inputs" not in client.send("GET", RUNS).json()["workflow_runs"][0]


def test_runs_of_another_event_or_workflow_are_not_listed(client: Client) -> None:
    """Only the runs of this workflow and of the asked-for event, branch and status appear."""
    client.send("POST", "/repos/acme/models/actions/workflows/open.yml/dispatches", {"ref": "v1"})
    assert listed(client) == []
    client.dispatch()
    assert listed(client, event="push") == listed(client, branch="v1") == []
    assert listed(client, status="queued", branch="main") == ["Deploy"]


@pytest.mark.parametrize(
    ("created", "titles"),
    [
        (">=2026-09-21T15:13:20Z", ["d-2", "d-1"]),
        (">2026-09-21T15:13:20Z", ["d-2"]),
        ("<=2026-09-21T15:13:20+00:00", ["d-1", "d-0"]),
        ("<2026-09-21T15:13:20Z", ["d-0"]),
        ("2026-09-21T15:13:20Z", ["d-1"]),
        ("2026-09-21T15:00:00Z..2026-09-21T16:00:00Z", ["d-1"]),
        ("2026-09-21T15:00:00Z..*", ["d-2", "d-1"]),
        ("*..2026-09-21T15:00:00Z", ["d-0"]),
        ("2026-09-21", ["d-2", "d-1", "d-0"]),
        ("2026-09-20..2026-09-21", ["d-2", "d-1", "d-0"]),
        (">2026-09-21", []),
    ],
)
def test_runs_are_filtered_by_creation(client: Client, clock: Clock, created: str, titles: list[str]) -> None:
    """The `created` filter takes comparisons, ranges and whole days."""
    dispatch_hourly(client, clock, 3)
    assert listed(client, created=created) == titles


def test_senseless_creation_filter_is_refused(client: Client) -> None:
    """A `created` that is no date is told, since an ignored filter would list the wrong runs."""
    assert client.send("GET", f"{RUNS}?created=soon").status == 422
    assert client.send("GET", f"{RUNS}?created=%3E%3D").status == 422


def test_pages_follow_each_other(client: Client, clock: Clock) -> None:
    """Pages cut the listing without gap or overlap, and the total stays."""
    dispatch_hourly(client, clock, 5)
    assert listed(client, per_page="2", page="2") == ["d-2", "d-1"]
    assert listed(client, per_page="2", page="4") == []
    assert client.send("GET", f"{RUNS}?per_page=2").json()["total_count"] == 5
    assert listed(client, per_page="zero", page="-1") == listed(client)


def test_listing_lags_behind(start: Start, clock: Clock) -> None:
    """A young run is missing in listings, though its own address shows it at once."""
    client = start(Settings(listing_lag=5))
    number = client.dispatch().json()["workflow_run_id"]
    assert listed(client) == []
    assert client.send("GET", f"/repos/acme/models/actions/runs/{number}").status == 200
    clock.now += 5
    assert listed(client) == ["Deploy"]


def test_filtered_listing_ends_after_a_thousand(start: Start) -> None:
    """GitHub shows at most 1,000 runs of a filtered listing."""
    client = start(Settings())
    for _ in range(1_001):
        client.dispatch()
    assert client.send("GET", f"{RUNS}?event=workflow_dispatch").json()["total_count"] == 1_000
    assert client.send("GET", RUNS).json()["total_count"] == 1_001


@pytest.mark.parametrize(
    "path", ["acme/models/actions/runs/1", "acme/models/actions/runs/x", "a/b/actions/workflows"]
)
def test_unknown_things_are_not_found(client: Client, path: str) -> None:
    """What isn't there is answered 404, like what may not be seen."""
    assert client.send("GET", f"/repos/{path}").status == 404


def test_run_is_not_shown_below_another_repository(client: Client) -> None:
    """A run belongs to its repository only."""
    number = client.dispatch().json()["workflow_run_id"]
    assert client.send("GET", f"/repos/acme/other/actions/runs/{number}").status == 404
