"""One exchange between a client and GitHub, with the faults that come between, and the log of them."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from modelrelay.local.github.apps import needed
from modelrelay.local.github.faults import Fault, Faults
from modelrelay.local.github.model import Answer, Request
from modelrelay.local.github.state import GitHub


@dataclass(frozen=True)
class Exchange:
    """A request and what became of it. It keeps no header of the request, hence no credential.

    `status` and `request_id` are None when the connection was dropped; `fault` names the fault that hit;
    `violation` tells that the caller had been asked to be silent.
    """

    at: float
    method: str
    path: str
    query: str
    body: Any
    status: int | None
    request_id: str | None
    fault: str | None
    violation: bool


@dataclass(frozen=True)
class Outcome:
    """What the client gets: an answer after some seconds, or None for a dropped connection."""

    answer: Answer | None
    delay: float = 0.0


class Line:
    """The line to GitHub: what goes through it may be answered, refused, delayed or lost."""

    def __init__(self, github: GitHub, faults: Faults | None = None) -> None:
        self.github = github
        self.faults = faults or Faults(github.clock)
        self.sent = 0
        self._log: deque[Exchange] = deque(maxlen=github.settings.keep)

    @property
    def exchanges(self) -> list[Exchange]:
        """The exchanges still kept, newest first."""
        return list(reversed(self._log))

    def send(self, request: Request) -> Outcome:
        """Carry a request to GitHub, unless a fault is in the way, and note it."""
        self.sent += 1
        before = self.github.violations
        fault = self.faults.strike(request)
        answer = self._pass(request, fault)
        self._note(request, answer, fault, violation=self.github.violations > before)
        return Outcome(answer, fault.delay if fault else 0.0)

    def reset(self) -> None:
        """Forget the runs, the faults and the log."""
        self.github.reset()
        self.faults.clear()
        self._log.clear()
        self.sent = 0

    def _pass(self, request: Request, fault: Fault | None) -> Answer | None:
        if fault is None:
            return self.github.handle(request)
        if fault.drop == "before":
            return None
        permission = "=".join(needed(request.method, request.path))
        instead = fault.answer(self.github.moved(request.path), permission)
        answer = self.github.handle(request, instead=instead, effect=fault.takes_effect)
        return None if fault.drop else answer

    def _note(self, request: Request, answer: Answer | None, fault: Fault | None, *, violation: bool) -> None:
        self._log.append(
            Exchange(
                at=self.github.clock(),
                method=request.method,
                path=request.path,
                query=request.query,
                body=_readable(request.body),
                status=answer.status if answer else None,
                request_id=answer.headers["x-github-request-id"] if answer else None,
                fault=(fault.name or "unnamed") if fault else None,
                violation=violation,
            )
        )


def _readable(body: bytes) -> Any:
    """Decode a body as JSON if it is JSON, else as text; an empty one is None."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
