"""A repository's workflows: what each is called, and what starts it.

Source: GitHub's "Workflow syntax for GitHub Actions", `on`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import yaml

from functions.core.settings import Route, Target
from modelrelay.operate.github import Access, GitHubError, Repository

ACTIVE: Final = "active"
FOLDER: Final = ".github/workflows/"
_DISPATCH: Final = "workflow_dispatch"
_EVENT: Final = "repository_dispatch"


class Unreadable(Exception):
    """A workflow's file could not be read or understood. Raised with the reason, for people."""


@dataclass(frozen=True, slots=True)
class Input:
    """What a workflow wants to be told.

    Attributes:
        required: Whether GitHub refuses a dispatch without it. One with a default is not required.
        options: What may be chosen from; empty where anything may be said.
    """

    type: str = "string"
    required: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Triggers:
    """What starts a workflow, as far as a route can.

    Attributes:
        inputs: Those of its `workflow_dispatch`; None where it has no such trigger.
        event_types: Those of its `repository_dispatch`, empty for any; None where it has no such trigger.
    """

    inputs: Mapping[str, Input] | None = None
    event_types: tuple[str, ...] | None = None

    def listens_to(self, event_type: str) -> bool:
        """Tell whether an event of its repository starts it."""
        return self.event_types is not None and (not self.event_types or event_type in self.event_types)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow as GitHub lists it.

    Attributes:
        id: Its number.
        file: Its file's name; empty for one of GitHub's own, which has none.
        path: Its file's path.
        name: What its file calls it.
        state: `active`, or why it is not.
        triggers: What starts it; None where its file could not be read.
        unread: Why not.
        routes: The routes that start it.
    """

    id: int
    file: str
    path: str
    name: str
    state: str
    triggers: Triggers | None = None
    unread: str = ""
    routes: tuple[str, ...] = ()

    def is_started_by(self, target: Target) -> bool:
        """Tell whether a route's target means this workflow."""
        if target.event_type:
            return (
                self.state == ACTIVE
                and self.triggers is not None
                and self.triggers.listens_to(target.event_type)
            )
        return target.workflow_id in {str(self.id), self.file}


def listing(access: Access, repository: Repository) -> list[Workflow]:
    """List a repository's workflows, without what starts them.

    Raises:
        GitHubError: GitHub refused or did not answer.
    """
    found = access.pages(repository, "/actions/workflows", "workflows")
    return [workflow_of(each) for each in found]


def find(access: Access, target: Target) -> Workflow:
    """Give a target's workflow, without what starts it.

    Raises:
        GitHubError: There is none, or GitHub did not answer.
    """
    repository = Repository(target.owner, target.repository)
    return workflow_of(access.get(repository, f"/actions/workflows/{quote(target.workflow_id, safe='')}"))


def workflow_of(content: Mapping[str, Any]) -> Workflow:
    """Read a workflow as GitHub writes it."""
    path = str(content.get("path", ""))
    return Workflow(
        id=int(content.get("id", 0)),
        file=path.removeprefix(FOLDER) if path.startswith(FOLDER) else "",
        path=path,
        name=str(content.get("name", "")),
        state=str(content.get("state", "")),
    )


def triggers_of(access: Access, repository: Repository, path: str, ref: str = "") -> Triggers:
    """Read what starts a workflow from its file, on a branch or tag; the default branch without one.

    Raises:
        GitHubError: GitHub has no such file or ref, does not show it, or did not answer.
        Unreadable: The file is no workflow.
    """
    query = {"ref": ref} if ref else {}
    content = access.get(repository, f"/contents/{quote(path)}", **query)
    try:
        text = base64.b64decode(content["content"]).decode()
    except (KeyError, TypeError, ValueError):
        raise Unreadable(f"GitHub shows no content of {path}.") from None
    return triggers(text)


def described(access: Access, repository: Repository, routes: tuple[Route, ...] = ()) -> list[Workflow]:
    """List a repository's workflows with what starts each, and the routes that start it.

    Raises:
        GitHubError: GitHub refused the listing or did not answer.
    """
    return [
        _with_routes(_read(access, repository, each), repository, routes)
        for each in listing(access, repository)
    ]


def triggers(text: str) -> Triggers:
    """Read a workflow's file.

    Raises:
        Unreadable: It is no workflow.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Unreadable("The file is not YAML.") from None
    if not isinstance(content, dict):
        raise Unreadable("The file is no workflow.")
    # YAML 1.1, which PyYAML reads, takes an unquoted `on` for true.
    on = content.get("on", content.get(True))
    events = on if isinstance(on, dict) else dict.fromkeys(on if isinstance(on, list) else [on])
    return Triggers(
        _inputs(events[_DISPATCH]) if _DISPATCH in events else None,
        _types(events[_EVENT]) if _EVENT in events else None,
    )


def _inputs(trigger: Any) -> dict[str, Input]:
    declared = trigger.get("inputs") if isinstance(trigger, dict) else None
    return {str(name): _input(each) for name, each in declared.items()} if isinstance(declared, dict) else {}


def _input(declared: Any) -> Input:
    said = declared if isinstance(declared, dict) else {}
    options = said.get("options")
    return Input(
        type=str(said.get("type", "string")),
        required=said.get("required") is True and said.get("default") is None,
        options=tuple(map(str, options)) if isinstance(options, list) else (),
    )


def _types(trigger: Any) -> tuple[str, ...]:
    types = trigger.get("types") if isinstance(trigger, dict) else None
    if isinstance(types, str):
        return (types,)
    return tuple(map(str, types)) if isinstance(types, list) else ()


def _read(access: Access, repository: Repository, workflow: Workflow) -> Workflow:
    triggers, unread = None, ""
    if not workflow.file:
        unread = "It is one of GitHub's own."
    else:
        try:
            triggers = triggers_of(access, repository, workflow.path)
        except Unreadable as error:
            unread = str(error)
        except GitHubError as error:
            unread = hidden(error)
    return replace(workflow, triggers=triggers, unread=unread)


def hidden(error: GitHubError) -> str:
    """Say why a file is not shown: a credential that may start workflows need not be able to read files."""
    if error.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        return "The credential may not read the file: that needs 'Contents: read'."
    return str(error)


def _with_routes(workflow: Workflow, repository: Repository, routes: tuple[Route, ...]) -> Workflow:
    slug = repository.slug.lower()
    ours = [each for each in routes if f"{each.target.owner}/{each.target.repository}".lower() == slug]
    return replace(workflow, routes=tuple(each.name for each in ours if workflow.is_started_by(each.target)))
