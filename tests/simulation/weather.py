"""What goes wrong, when, and how: the seed's decisions about calls to AWS and about the functions' lives.

What it decides about calls to GitHub is in `skies`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from tests.simulation.plan import START, Phase, Plan
from tests.simulation.refusals import refusal
from tests.simulation.scheduler import NEVER
from tests.simulation.wire import Fate

_READ_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 1.0
_FLAKY: Final = 0.2
_DEATHS: Final = (0.2, 0.4, 0.9)
_MOST_WAITS: Final = 40
"""An invocation that is to die does so at one of so many of its calls."""

_THROTTLING: Final = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "secretsmanager": "ThrottlingException",
}


class Weather:
    """Tells which phases hold, and decides what becomes of calls to AWS and of invocations.

    Args:
        plan: The world's plan.
        clock: Virtual time.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._plan = plan
        self._clock = clock
        self._random = Random(f"{plan.seed}/weather")
        self._at_hand = {kind: [p for p in plan.phases if p.kind == kind] for kind in _kinds(plan)}

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - START

    @property
    def fine(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.elapsed >= self._plan.horizon

    def phase(self, kind: str) -> Phase | None:
        """Give the phase of a kind that holds now."""
        now = self.elapsed
        return next((p for p in self._at_hand.get(kind, ()) if p.starts <= now < p.ends), None)

    def aws(self, service: str, operation: str) -> Fate:
        """Decide what becomes of a try of a call to AWS."""
        if not self.fine and self._random.random() < self._risk(service):
            return self._fault(service, operation)
        there, back = self._random.uniform(0.001, 0.02), self._random.uniform(0.001, 0.02)
        return Fate("", there, there + back)

    def dies_at(self) -> float:
        """Decide at which of its waits an invocation dies, if it does."""
        phase = self.phase("deaths")
        risk = _DEATHS[phase.style % len(_DEATHS)] if phase else self._plan.deaths
        if self.fine or self._random.random() >= risk:
            return NEVER
        return self._random.randint(1, self._random.choice([8, _MOST_WAITS]))

    def _risk(self, service: str) -> float:
        if self.phase(service):
            return 0.95
        return _FLAKY if self.phase("flaky") else self._plan.faults

    def _fault(self, service: str, operation: str) -> Fate:
        """Choose one of the ways in which a call goes wrong."""
        url = f"https://{service}.eu-west-1.amazonaws.com"
        soon, later = self._random.uniform(0.005, 0.1), self._random.uniform(0.01, _READ_SECONDS)
        failed = _error("InternalServerError", operation, 500)
        timed_out = ReadTimeoutError(endpoint_url=url)
        fates = [
            Fate("throttled", None, soon, _error(_THROTTLING[service], operation)),
            Fate("failed without effect", None, soon, failed),
            Fate("failed with effect", soon, soon, failed),
            Fate("timed out, lost", None, _READ_SECONDS, timed_out),
            Fate("timed out, done", later, _READ_SECONDS, timed_out),
            Fate("timed out, done later", _READ_SECONDS + later, _READ_SECONDS, timed_out),
            Fate("slow", later * 0.9, later),
            Fate("no connection", None, soon, EndpointConnectionError(endpoint_url=url)),
            Fate("no connection", None, _CONNECT_SECONDS, ConnectTimeoutError(endpoint_url=url)),
        ]
        if service == "dynamodb" and operation not in {"get_item", "query"}:
            fates.append(Fate("conflict", None, soon, _conflict(operation)))
        return self._random.choice(fates)


def _kinds(plan: Plan) -> list[str]:
    return list(dict.fromkeys(phase.kind for phase in plan.phases))


def _error(code: str, operation: str, status: int = 400) -> ClientError:
    return refusal(code, "simulated", operation, status)


def _conflict(operation: str) -> ClientError:
    """Refuse a write because a transaction is under way on its item."""
    if operation != "transact_write_items":
        return _error("TransactionConflictException", operation)
    reasons = [{"Code": "TransactionConflict", "Message": "simulated"}, {"Code": "None"}]
    message = "Transaction cancelled [TransactionConflict, None]"
    return refusal("TransactionCanceledException", message, operation, CancellationReasons=reasons)
