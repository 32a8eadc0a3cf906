"""The GitHub that a local run calls: the simulator, the real one, or whatever was named."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from functions.core.settings import Route
from infra.settings import StackSettings
from modelrelay.local.github import GitHub, GitHubServer, Workflow

_REAL_API: Final = "https://api.github.com"
_MADE_UP_TOKEN: Final = "made-up-token"  # noqa: S105 - opens the simulator alone
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
    github = GitHub(_workflows(settings.functions.routes), tokens=[_MADE_UP_TOKEN])
    server = running.enter_context(GitHubServer(github))
    return GitHubTarget(server.url, _MADE_UP_TOKEN, server.url, server)


def _workflows(routes: tuple[Route, ...]) -> list[Workflow]:
    """Make a workflow for each one that a route starts, declaring the inputs that its routes send."""
    by_workflow: dict[tuple[str, str, str], list[Route]] = {}
    for route in routes:
        target = route.target
        by_workflow.setdefault((target.owner, target.repository, target.workflow_id), []).append(route)
    return [
        Workflow(
            owner=owner,
            repository=repository,
            id=int(workflow_id) if workflow_id.isdecimal() else _FIRST_WORKFLOW_ID + number,
            file=f"workflow-{workflow_id}.yml" if workflow_id.isdecimal() else workflow_id,
            name=_title(workflow_id),
            refs=tuple({route.target.ref: None for route in group}),
            inputs=tuple({name: None for route in group for name in route.inputs}),
        )
        for number, ((owner, repository, workflow_id), group) in enumerate(by_workflow.items())
    ]


def _title(workflow_id: str) -> str:
    return workflow_id.rpartition(".")[0].replace("-", " ").capitalize() or f"Workflow {workflow_id}"
