"""The workflows that a local run's simulator gets from the routes."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from functions.core.settings import GitHubSettings, IngestSettings, RelaySettings, Route, Target
from infra.environments import Environment
from infra.settings import Relay, StackSettings
from modelrelay.local.github import Workflow
from modelrelay.local.target import GitHubTarget, open_target

from .client import Client

SHOWN = "${{ github.event.client_payload.delivery_id }}"
UNSHOWN: Mapping[str, Any] = {"model": "${model_name}"}
TOLD: Mapping[str, Any] = {"delivery_id": "${delivery_id}"}


def event(event_type: str, payload: Mapping[str, Any] = UNSHOWN, repository: str = "models") -> Target:
    """Give the target of a route that dispatches an event."""
    return Target("acme", repository, event_type=event_type, client_payload=payload)


def settings(*targets: Target) -> StackSettings:
    """Give settings with a route to each target."""
    routes = tuple(
        Route(f"r{number}", ("alias-set",), (), (), (), target, {f"input_{number}": "x"})
        for number, target in enumerate(targets)
    )
    github, ingest = GitHubSettings("https://api.github.com", "2026-03-10"), IngestSettings((), (), 1)
    return StackSettings(RelaySettings(routes, github, ingest, 24), Relay(), Environment())


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """Close what a test opens; nobody has named a token."""
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    with ExitStack() as stack:
        yield stack


def simulated(running: ExitStack, *targets: Target) -> GitHubTarget:
    """Open the simulator for these targets."""
    return open_target(None, settings(*targets), running)


def workflows(opened: GitHubTarget) -> tuple[Workflow, ...]:
    """Return the workflows of the simulator."""
    assert opened.simulator
    return opened.simulator._line.github.workflows


def test_each_event_has_a_workflow_that_listens(running: ExitStack) -> None:
    """A workflow listens to one event, can't be dispatched itself, and shows the delivery's id if told."""
    opened = simulated(running, event("model promoted/v2", TOLD), event("demoted"))
    first, second = workflows(opened)
    assert (first.slug, first.file, first.event_types) == (
        "acme/models",
        "on-model-promoted-v2.yml",
        ("model promoted/v2",),
    )
    assert (first.run_name, second.run_name) == (SHOWN, "")
    assert (second.file, second.event_types) == ("on-demoted.yml", ("demoted",))
    assert not first.has_dispatch_trigger
    assert first.id != second.id


def test_routes_of_the_same_event_share_a_workflow(running: ExitStack) -> None:
    """One event starts one run, whichever of its routes sent it; another repository's has its own."""
    opened = simulated(running, event("x"), event("x", TOLD), event("y"), event("x", repository="others"))
    found = [(each.slug, each.event_types, each.run_name) for each in workflows(opened)]
    assert found == [
        ("acme/models", ("x",), SHOWN),
        ("acme/models", ("y",), ""),
        ("acme/others", ("x",), ""),
    ]


def test_workflows_of_routes_stay_beside_events(running: ExitStack) -> None:
    """A route to a workflow has it declared with its inputs and refs, and it hears no event."""
    deploy = Target("acme", "models", "deploy-it.yml", "main")
    numbered = Target("acme", "models", "77", "live")
    other_ref = Target("acme", "models", "deploy-it.yml", "live")
    opened = simulated(running, deploy, event("x"), other_ref, numbered)
    first, listening, last = workflows(opened)
    assert (first.file, first.name, first.refs) == ("deploy-it.yml", "Deploy it", ("main", "live"))
    assert (first.inputs, first.event_types) == (("input_0", "input_2"), ())
    assert (last.file, last.name, last.id) == ("workflow-77.yml", "Workflow 77", 77)
    assert (listening.file, listening.name) == ("on-x.yml", "On x")


def test_event_of_a_route_starts_its_run(running: ExitStack) -> None:
    """What a route sends to the local simulator becomes one run, under the delivery's id."""
    opened = simulated(running, event("x", TOLD), event("y", TOLD))
    assert opened.simulator
    client = Client(opened.simulator)
    running.callback(client.pool.clear)
    body = {"event_type": "x", "client_payload": {"delivery_id": "d-1"}}
    headers = {"Authorization": f"Bearer {opened.token}"}
    assert client.send("POST", "/repos/acme/models/dispatches", body, headers=headers).status == 204
    assert [(run.workflow.file, run.display_title) for run in client.server.runs()] == [("on-x.yml", "d-1")]
