"""What a sender is: a path, a credential, and a way to read its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Sender:
    """One kind of sender.

    Attributes:
        name: Its name in the configuration and, after a slash, its path.
        verify: Tells whether a request was made with one of the secrets. With no secret it never was.
        parse: Reads a verified request; raises `Malformed`.
    """

    name: str
    verify: Callable[[Request, Sequence[str]], bool]
    parse: Callable[[Request], Event | Ignored]

    @property
    def title(self) -> str:
        """The name as stack outputs write it: `databricks-jobs` is `DatabricksJobs`."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def secret_variable(self) -> str:
        """The environment variable in which the stack tells ingest the name of this sender's secret."""
        return f"{self.name.upper().replace('-', '_')}_SECRET_ID"
