"""The GitHub that a local run calls: the simulator, the real one, or whatever was named."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from functions.core.settings import Route
from infra.settings import StackSettings
from modelrelay.local.github import GitHub, GitHubServer, Workflow

_REAL_API: Final = "https://api.github.com"
_MADE_UP_TOKEN: Final = "made-up-token"  # noqa: S105 - opens the simulator alone
ANOTHER_TOKEN: Final = "another-made-up-token"  # noqa: S105 - for trying how a token is replaced
_FIRST_WORKFLOW_ID: Final = 1001


@dataclass(frozen=True, slots=True)
class GitHubTarget:
    """Where a local run sends its dispatches.

    Attributes:
        api_url: The API's base address.
        token: What to call it with.
        page_url: Where a person sees the runs.
        simulator: The simulator, if it is one.
    """

    api_url: str
    token: str
    page_url: str
    simulator: GitHubServer | None


def open_target(api_url: str | None, settings: StackSettings, running: ExitStack) -> GitHubTarget:
    """Give the GitHub that was named, the real one where `GITHUB_TOKEN` is set, or a simulator.

    Args:
        api_url: The base address that was named, if any.
        settings: The routes, whose workflows the simulator shall have.
        running: Closes the simulator at the end.
    """
    token = os.environ.get("GITHUB_TOKEN")
    if api_url or token:
        first = settings.functions.routes[0].target
        page = f"https://github.com/{first.owner}/{first.repository}/actions"
        url = (api_url or _REAL_API).rstrip("/")
        return GitHubTarget(url, token or _MADE_UP_TOKEN, url if api_url else page, None)
    github = GitHub(_workflows(settings.functions.routes), tokens=[_MADE_UP_TOKEN, ANOTHER_TOKEN])
    server = running.enter_context(GitHubServer(github))
    return GitHubTarget(server.url, _MADE_UP_TOKEN, server.url, server)


def _workflows(routes: tuple[Route, ...]) -> list[Workflow]:
    """Make a workflow for each one that a route starts, and for each event one that listens to it."""
    groups: dict[tuple[str, ...], list[Route]] = {}
    for route in routes:
        target = route.target
        key = (target.owner, target.repository, target.workflow_id, target.event_type)
        groups.setdefault(key, []).append(route)
    return [
        _listening(group, number) if group[0].target.event_type else _dispatched(group, number)
        for number, group in enumerate(groups.values(), _FIRST_WORKFLOW_ID)
    ]


def _dispatched(routes: list[Route], number: int) -> Workflow:
    """Make the workflow that these routes dispatch, declaring the inputs that they send."""
    target = routes[0].target
    is_number = target.workflow_id.isdecimal()
    return Workflow(
        owner=target.owner,
        repository=target.repository,
        id=int(target.workflow_id) if is_number else number,
        file=f"workflow-{target.workflow_id}.yml" if is_number else target.workflow_id,
        name=_title(target.workflow_id),
        refs=tuple({route.target.ref: None for route in routes}),
        inputs=tuple({name: None for route in routes for name in route.inputs}),
    )


def _listening(routes: list[Route], number: int) -> Workflow:
    """Make a workflow that listens to the event of these routes, and shows the deliveries' ids if it is told.

    Where it is told no id, GitHub titles its runs by the event's type.
    """
    target = routes[0].target
    file = f"on-{re.sub(r'[^A-Za-z0-9._-]+', '-', target.event_type)}.yml"
    has_id = any("delivery_id" in route.target.client_payload for route in routes)
    return Workflow(
        owner=target.owner,
        repository=target.repository,
        id=number,
        file=file,
        name=_title(file),
        run_name="${{ github.event.client_payload.delivery_id }}" if has_id else "",
        has_dispatch_trigger=False,
        event_types=(target.event_type,),
    )


def _title(workflow_id: str) -> str:
    return workflow_id.rpartition(".")[0].replace("-", " ").capitalize() or f"Workflow {workflow_id}"
