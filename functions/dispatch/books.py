"""Keeps the ledger of a delivery under work: its claim, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from functions.core.delivery import Delivery
from functions.core.ledger import Entry, Ledger, LedgerUnavailable, Overtaken, State
from functions.core.settings import Route
from functions.dispatch.lookup import past
from functions.dispatch.outcome import DeadLetter, Dispatched, Outcome, Told, Wait
from functions.dispatch.request import DispatchRequest

SETTLE_SECONDS: Final = 25.0
"""What must be left of the invocation for one more try to write an outcome."""

_SETTLE_TRIES: Final = 4
_SETTLE_PAUSE_SECONDS: Final = 2.0
_MIN_WAIT_SECONDS: Final = 1.0


@dataclass(slots=True)
class Work:
    """A delivery under work.

    Attributes:
        delivery: What is delivered.
        route: Where to.
        request: What GitHub is to be asked.
        entry: What the ledger says; follows each write.
        holder: This attempt.
        time_left: Gives the seconds until the function is stopped.
        facts: What the log line is to tell of the call.
    """

    delivery: Delivery
    route: Route
    request: DispatchRequest
    entry: Entry
    holder: str
    time_left: Callable[[], float]
    facts: dict[str, Any] = field(default_factory=dict)


class Books:
    """Writes down what happens to a delivery.

    Args:
        ledger: Where to.
        clock: Seconds since the epoch.
        sleep: Waits for some seconds.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep

    def claim(self, work: Work) -> None:
        """Write down that a call to GitHub begins.

        Raises:
            Overtaken: Somebody else has moved the delivery.
            LedgerUnavailable: The claim may stand, and lapses.
        """
        now = self._clock()
        claimed = replace(
            _without_doubt(work.entry),
            state=State.CLAIMED,
            holder=work.holder,
            attempts=work.entry.attempts + 1,
            claimed_at=round(now, 3),
            booked_at=0.0,
            decided=0,
            past=past(work.entry),
        )
        work.entry = self._ledger.move(work.delivery, claimed, now)

    def settle(self, work: Work, outcome: Outcome) -> Outcome:
        """Write an outcome down, and give it back.

        What GitHub did is done, so where the ledger fails for long the outcome stands without it, and the
        log line says so (`unsettled`); the claim lapses. So does a wait. What was only found out can be
        found out again: it does not stand without the ledger.

        Raises:
            Overtaken: Somebody else has moved the delivery, and nothing was called.
            LedgerUnavailable: The ledger fails, and nothing was called.
        """
        stands = work.entry.state is State.CLAIMED or isinstance(outcome, Wait)
        work.entry = settled(work.entry, outcome, work.holder)
        tries_left = _SETTLE_TRIES
        while True:
            tries_left -= 1
            try:
                work.entry = self._ledger.move(work.delivery, work.entry, self._clock())
                break
            except (Overtaken, LedgerUnavailable) as error:
                may_try = tries_left and work.time_left() >= SETTLE_SECONDS
                if isinstance(error, Overtaken) or not may_try:
                    if not stands:
                        raise
                    work.facts["unsettled"] = type(error).__name__
                    break
            self._sleep(_SETTLE_PAUSE_SECONDS)
        return outcome

    def wait(self, work: Work, reason: str, seconds: float, told: Told | None = None) -> Outcome:
        """Write down that a delivery waits, and why."""
        return self.settle(work, Wait(told or Told(), reason, max(_MIN_WAIT_SECONDS, seconds)))

    def book(self, work: Work, reason: str, turn: float, told: Told | None = None) -> Outcome:
        """Write down that a delivery waits for its turn, in epoch seconds."""
        work.entry = replace(work.entry, booked_at=round(turn, 3))
        return self.wait(work, reason, turn - self._clock(), told)


def settled(entry: Entry, outcome: Outcome, holder: str) -> Entry:
    """Give the entry that tells of an outcome."""
    state = _state(entry, outcome)
    changed = replace(
        entry,
        state=state,
        holder=holder,
        reason=getattr(outcome, "reason", ""),
        detail=outcome.told.detail,
        run_id=getattr(outcome, "run_id", None) or 0,
        run_url=getattr(outcome, "run_url", None) or "",
    )
    if state in {State.UNKNOWN, State.DEAD_LETTERED}:
        return changed  # What is in doubt stays so.
    return _without_doubt(changed)


def _without_doubt(entry: Entry) -> Entry:
    return replace(entry, doubt_since=0.0, doubt_until=0.0, looks=0, seen="")


def _state(entry: Entry, outcome: Outcome) -> State:
    match outcome:
        case Dispatched():
            return State.DISPATCHED
        case DeadLetter():
            return State.DEAD_LETTERED
        case Wait():
            return State.UNKNOWN if entry.in_doubt else State.WAITING
        case _:
            return State.SUPERSEDED
