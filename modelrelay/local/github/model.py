"""The things that pass between a client and GitHub, and the things that GitHub remembers."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

TOKEN_SECONDS = 3600
_INPUTS, _PAYLOAD = "inputs", "github.event.client_payload"
_EXPRESSION = re.compile(r"\$\{\{\s*(inputs|github\.event\.client_payload)\.([\w-]+)\s*\}\}")


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived; the body is kept byte for byte."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return a header's value whatever the case of its name; empty when it was not sent."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")

    @property
    def token(self) -> str:
        """The credential of a `Bearer` or `token` Authorization header, else empty."""
        scheme, _, token = self.header("authorization").partition(" ")
        return token.strip() if scheme.lower() in {"bearer", "token"} else ""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Decode the body, which must be JSON."""
        return json.loads(self.body)

    def with_defaults(self, headers: Mapping[str, str]) -> "Answer":
        """Add headers, of which those that the answer has already win."""
        return replace(self, headers={**headers, **self.headers})


class RefusedError(Exception):
    """Raised wherever GitHub refuses a request; carries the refusal to the one place that answers."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered {answer.status}")
        self.answer = answer


@dataclass(frozen=True)
class Workflow:
    """A workflow file that can be dispatched, or that listens to its repository's events.

    `inputs` are the names that it declares; None accepts any, which spares a test the list. The first of
    `refs` is the default branch. `event_types` are those of `on: repository_dispatch`; None listens to any.
    `run_name` is its `run-name:`, in which `${{ inputs.NAME }}` is filled in, and for an event
    `${{ github.event.client_payload.NAME }}`. `content` is its file's text; None makes one up from the rest.
    """

    owner: str
    repository: str
    id: int
    file: str
    name: str
    state: str = "active"
    refs: tuple[str, ...] = ("main",)
    inputs: tuple[str, ...] | None = None
    run_name: str = "${{ inputs.delivery_id }}"
    has_dispatch_trigger: bool = True
    event_types: tuple[str, ...] | None = ()
    content: str | None = None

    @property
    def slug(self) -> str:
        """The repository as `owner/name`."""
        return f"{self.owner}/{self.repository}"

    def knows_ref(self, ref: str) -> bool:
        """Tell whether a branch or tag exists, given by its short or its full name."""
        return any(ref in {known, f"refs/heads/{known}", f"refs/tags/{known}"} for known in self.refs)

    def listens_to(self, event_type: str) -> bool:
        """Tell whether an event of its repository starts it; a disabled workflow hears none."""
        return self.state == "active" and (self.event_types is None or event_type in self.event_types)

    def title(self, inputs: Mapping[str, Any], event_type: str = "") -> str:
        """Fill in `run-name:` from a dispatch's inputs, or from an event's payload, never from both.

        When that leaves nothing, GitHub shows the event's type, or the workflow's name.
        """
        source = _PAYLOAD if event_type else _INPUTS
        filled = _EXPRESSION.sub(
            lambda found: _text(inputs.get(found[2])) if found[1] == source else "", self.run_name
        )
        return filled.strip() or event_type or self.name


@dataclass(frozen=True)
class Actor:
    """Who started a run: a person, or an App as `SLUG[bot]` of the type `Bot`."""

    login: str
    type: str = "User"


@dataclass
class App:
    """A GitHub App and its one installation. A test may change it while the simulation goes on.

    `public_key` is in PEM form. `owner` is the account where the App is installed, for all its
    repositories; None is the owner of the first workflow. A token is answered 401 until it is
    `replication_seconds` old.
    """

    client_id: str
    installation_id: int
    public_key: str
    owner: str | None = None
    id: int = 271_828
    slug: str = "model-relay"
    permissions: Mapping[str, str] = field(default_factory=lambda: {"actions": "write"})
    suspended: bool = False
    replication_seconds: float = 0.0

    @property
    def actor(self) -> Actor:
        """As whom it starts runs."""
        return Actor(f"{self.slug}[bot]", "Bot")


@dataclass(frozen=True)
class Minted:
    """An installation token: for which repositories (each by a workflow), for what, and until when."""

    token: str
    repositories: tuple[Workflow, ...]
    is_scoped: bool
    permissions: Mapping[str, str]
    minted_at: float

    @property
    def expires_at(self) -> float:
        """When it ends."""
        return self.minted_at + TOKEN_SECONDS


@dataclass(frozen=True)
class Run:
    """A run that was dispatched; `request` is the decoded body that asked for it.

    `event_type` is that of the `repository_dispatch` which started it, whose `client_payload` are the
    `inputs`; empty where the workflow itself was dispatched.
    """

    id: int
    number: int
    workflow: Workflow
    actor: Actor
    ref: str
    inputs: Mapping[str, Any]
    created_at: float
    status: str
    display_title: str
    html_url: str
    request: Any
    event_type: str = ""

    @property
    def event(self) -> str:
        """What started it, by GitHub's name."""
        return "repository_dispatch" if self.event_type else "workflow_dispatch"


@dataclass(frozen=True)
class Edition:
    """Which GitHub is simulated: the API versions that it speaks and where it differs in a dispatch."""

    versions: tuple[str, ...]
    retired: tuple[str, ...] = ()
    prefix: str = ""
    max_inputs: int = 25
    gives_run_details: bool = True


GITHUB_COM = Edition(versions=("2022-11-28", "2026-03-10"))
GHES_3_17 = Edition(versions=("2022-11-28",), prefix="/api/v3", max_inputs=10, gives_run_details=False)


@dataclass(frozen=True)
class Settings:
    """What a simulation may choose.

    `per_hour` is the primary limit of each credential. `max_per_minute` counts POSTs; None turns the
    secondary limit off, and `secondary_status` is what it answers. `listing_lag` hides runs younger
    than so many seconds from listings. `keep` bounds the runs and the request log.
    """

    edition: Edition = GITHUB_COM
    per_hour: int = 5_000
    max_per_minute: int | None = None
    secondary_status: int = 403
    listing_lag: float = 0.0
    keep: int = 10_000


def _text(value: Any) -> str:
    """Write a value as an expression of a workflow does."""
    match value:
        case str():
            return value
        case None:
            return ""
        case dict():
            return "Object"
        case list():
            return "Array"
    return json.dumps(value)
