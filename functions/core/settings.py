"""What the functions are told. The stack checks it at synth and writes it into each bundle.

It travels as a file in the bundle because a Lambda environment holds 4 KB in all, and a file costs
no call to read. Nothing here is secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

FILE_NAME: Final = "relay.json"


@dataclass(frozen=True, slots=True)
class Target:
    """What a route starts: a workflow on a branch or tag, or whatever listens to a repository's event.

    Attributes:
        owner: User or organisation.
        repository: Its repository.
        workflow_id: File name or number; empty for a repository's event.
        ref: Branch or tag; empty for a repository's event, whose workflows run on the default branch.
        event_type: Of the `repository_dispatch`; empty for a workflow.
        client_payload: Of the `repository_dispatch`: JSON in whose texts `${…}` is filled in.
    """

    owner: str
    repository: str
    workflow_id: str = ""
    ref: str = ""
    event_type: str = ""
    client_payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def starts(self) -> tuple[str, str, str]:
        """What two targets have in common whose runs can't be told apart by where they are listed."""
        return self.owner, self.repository, self.workflow_id


@dataclass(frozen=True, slots=True)
class Route:
    """Which events go to which target, and what a workflow is told.

    An empty `models`, `jobs`, `to_stages` or `aliases` takes everything. `on_unknown` says what to do where
    it can't be found out whether GitHub started a run: `retry`, or `hold` it among the dead letters.
    """

    name: str
    events: tuple[str, ...]
    models: tuple[str, ...]
    to_stages: tuple[str, ...]
    aliases: tuple[str, ...]
    target: Target
    inputs: Mapping[str, str]
    on_unknown: str = "retry"
    jobs: tuple[str, ...] = ()

    @property
    def templates(self) -> Mapping[str, Any]:
        """What the target is told, before anything is filled in: a workflow's inputs, or the payload."""
        return self.target.client_payload if self.target.event_type else self.inputs


@dataclass(frozen=True, slots=True)
class GitHubSettings:
    """Where GitHub's API is, which version of it to speak, and how often to call it at the most.

    Attributes:
        proxy: The HTTP proxy on the way there; empty for none.
        credential: `token` where the bundle has nothing to sign with for a GitHub App; otherwise `any`.
        certificates: What else vouches for it besides the public authorities: PEM; empty for nothing.
    """

    api_url: str
    api_version: str
    max_per_minute: int = 60
    max_per_hour: int = 500
    proxy: str = ""
    certificates: str = ""
    credential: str = "any"


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """Who may send, from where, and how much (`max_body_bytes`, before any decoding of JSON)."""

    senders: tuple[str, ...]
    allowed_cidrs: tuple[str, ...]
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Everything that the functions are told."""

    routes: tuple[Route, ...]
    github: GitHubSettings
    ingest: IngestSettings
    max_age_hours: int

    def to_json(self) -> str:
        """Write the file's text; the same settings always give the same text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RelaySettings:
        """Read `to_json`'s text. It was checked when it was written, so it is not checked again."""
        fields = json.loads(text)
        ingest = fields["ingest"]
        return cls(
            routes=tuple(_route(route) for route in fields["routes"]),
            github=GitHubSettings(**fields["github"]),
            ingest=IngestSettings(
                senders=tuple(ingest["senders"]),
                allowed_cidrs=tuple(ingest["allowed_cidrs"]),
                max_body_bytes=ingest["max_body_bytes"],
            ),
            max_age_hours=fields["max_age_hours"],
        )


def load(root: Path = Path(__file__).parents[2]) -> RelaySettings:
    """Read the settings from the bundle that this module is part of."""
    return RelaySettings.from_json((root / FILE_NAME).read_text(encoding="utf-8"))


def _route(fields: Mapping[str, Any]) -> Route:
    return Route(
        name=fields["name"],
        events=tuple(fields["events"]),
        models=tuple(fields["models"]),
        to_stages=tuple(fields["to_stages"]),
        aliases=tuple(fields["aliases"]),
        target=Target(**fields["target"]),
        inputs=fields["inputs"],
        on_unknown=fields["on_unknown"],
        jobs=tuple(fields["jobs"]),
    )
