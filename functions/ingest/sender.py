"""What a sender is: a path, a credential, and a way to read its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from functions.core.event import Event
from functions.ingest.http import Request


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine request that starts nothing. `why` is shown to the sender, `reason` is logged and counted.

    Each reason is a metric to pay for, so they are listed and never made of what a sender says.
    """

    reason: Literal["no-route", "test-delivery", "unknown-event"]
    why: str


UNKNOWN_EVENT = Ignored(
    "unknown-event", "This event is not one that Model Relay knows, so no route wants it."
)


@dataclass(frozen=True, slots=True)
class Sender:
    """One kind of sender.

    Attributes:
        name: Its name in the configuration and, after a slash, its path.
        events: Its own names for events, each with our kind.
        verify: Tells whether a request was made with one of the secrets, none of which is empty, at a moment
            in epoch seconds; raises `SecretUnusable`.
        parse: Reads a verified request that came at such a moment; raises `Malformed`.
        credential: The form of its secret: a `password`, or a `login`, which is
            `{"username": "…", "password": "…"}`.
        proof: The headers without which no request is genuine, in lower case. One that lacks any of them is
            refused before the secret is read, so that a flood of such requests costs no call.
    """

    name: str
    events: Mapping[str, str]
    verify: Callable[[Request, Sequence[str], float], bool]
    parse: Callable[[Request, float], Event | Ignored]
    credential: Literal["password", "login"] = "password"
    proof: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as stack outputs write it: `databricks-jobs` is `DatabricksJobs`."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def secret_variable(self) -> str:
        """The environment variable in which the stack tells ingest the name of this sender's secret."""
        return f"{self.name.upper().replace('-', '_')}_SECRET_ID"
