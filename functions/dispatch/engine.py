"""The delivery engine: decides, attempt by attempt, what becomes of a delivery.

It knows what needs no call to GitHub; the call is `calls`' business, and putting the outcome into effect on
the queues is `settlement`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from functions.core.delivery import Delivery, MalformedMessage
from functions.core.ledger import Entry, Ledger, LedgerUnavailable, Overtaken, State
from functions.core.settings import Route
from functions.dispatch.books import Work, settled
from functions.dispatch.calls import UNKNOWN_OUTCOME, Calls
from functions.dispatch.gate import GateUnavailable
from functions.dispatch.outcome import DeadLetter, Duplicate, Outcome, Superseded, Told, Wait
from functions.dispatch.request import Unshapeable, shape

REPLAY_SECONDS: Final = 60.0
"""A message that was put onto the queue so much later than ingest took it is a replayed dead letter."""

MAX_DEATHS: Final = 5
"""How often an attempt may die between its claim and its outcome before a person must look."""

QUEUED_SECONDS: Final = 13 * 24 * 3600.0
"""How long a delivery may lie on the queue, paused or not: SQS drops it after 14 days."""

_UNAVAILABLE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Message:
    """A message as SQS delivers it.

    Attributes:
        body: What should be a delivery.
        sent_at: When it was put onto the queue, in seconds since the epoch; for a redriven dead letter,
            when it was redriven.
        force: Whether the person who replays it wants it sent although a newer fact was.
    """

    body: str
    sent_at: float
    force: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one delivery.

    Attributes:
        delivery: The delivery, or None where the message is not one.
        outcome: What becomes of the delivery.
        facts: What else the log line tells: the attempt's number, the gate, GitHub's quota and time.
    """

    delivery: Delivery | None
    outcome: Outcome
    facts: Mapping[str, Any] = field(default_factory=dict)


class Engine:
    """Attempts deliveries.

    Args:
        routes: Today's routes by name.
        ledger: What happened to each delivery.
        calls: Makes calls to GitHub.
        max_age_seconds: How long to keep trying a delivery; it begins anew after a pause.
        clock: Seconds since the epoch.
        holder: Gives a new name to each attempt.
    """

    def __init__(
        self,
        *,
        routes: Mapping[str, Route],
        ledger: Ledger,
        calls: Calls,
        max_age_seconds: float,
        clock: Callable[[], float],
        holder: Callable[[], str],
    ) -> None:
        self._routes = routes
        self._ledger = ledger
        self._calls = calls
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._holder = holder

    def attempt(self, message: Message, time_left: Callable[[], float]) -> Attempt:
        """Try to dispatch the delivery in a message.

        Args:
            message: The message.
            time_left: Gives the seconds until the function is stopped; `calls.ATTEMPT_SECONDS` are needed.
        """
        try:
            delivery = Delivery.from_message(message.body)
        except MalformedMessage as error:
            told = Told(detail=f"The message was refused: {error}.")
            return Attempt(None, DeadLetter(told, "malformed"))
        facts: dict[str, Any] = {}
        try:
            return Attempt(delivery, self._decide(delivery, message, time_left, facts), facts)
        except (LedgerUnavailable, GateUnavailable) as error:
            told = Told(detail=f"The ledger could not be asked ({error}).")
            return Attempt(delivery, Wait(told, "ledger-unavailable", _UNAVAILABLE_SECONDS), facts)
        except Overtaken:
            return Attempt(delivery, Wait(Told(), "claimed", 1.0), facts)

    def _decide(
        self, delivery: Delivery, message: Message, time_left: Callable[[], float], facts: dict[str, Any]
    ) -> Outcome:
        now = self._clock()
        entry = self._ledger.get(delivery.id).recovered(now)
        known = _known(entry, message, now)
        if known:
            return known
        unfit = self._unfit(delivery, entry, message)
        if unfit:
            return self._record(delivery, entry, unfit)
        route = self._routes[delivery.route]
        try:
            request = shape(delivery, route)
        except Unshapeable as error:
            return self._record(delivery, entry, DeadLetter(Told(detail=error.detail), error.reason))
        if entry.state is State.DEAD_LETTERED:  # A person has looked.
            entry = replace(entry, deaths=0, decided=int(entry.reason == UNKNOWN_OUTCOME))
        work = Work(delivery, route, request, entry, self._holder(), time_left, facts)
        try:
            return self._calls.make(work)
        finally:
            facts["attempt"] = work.entry.attempts

    def _unfit(self, delivery: Delivery, entry: Entry, message: Message) -> DeadLetter | Superseded | None:
        """Say why a delivery is not to be sent, if so."""
        if delivery.route not in self._routes:
            detail = f"There is no route '{delivery.route}' any more. Add it again and replay, or purge."
            return DeadLetter(Told(detail=detail), "unknown-route")
        late = message.sent_at - delivery.accepted_at / 1000 > REPLAY_SECONDS
        if (late or entry.state is State.DEAD_LETTERED) and not message.force:
            newest = self._ledger.newest(delivery)
            if newest > delivery.event.occurred_at:
                return Superseded(Told(detail=f"What happened at {newest} was dispatched in its place."))
        tried = self._tried_in_vain(message)
        if tried:
            doubt = "GitHub may have started a run." if entry.in_doubt else ""
            detail = f"It could not be dispatched within {tried}. {doubt} {entry.detail}"
            return DeadLetter(Told(detail=" ".join(detail.split())), "expired")
        if entry.deaths >= MAX_DEATHS and entry.state is not State.DEAD_LETTERED:
            detail = (
                f"Its attempts died {entry.deaths} times between claim and outcome (time-out, memory). "
                f"GitHub was called up to {entry.attempts} times. {entry.detail}"
            )
            return DeadLetter(Told(detail=detail.strip()), "crashed")
        return None

    def _tried_in_vain(self, message: Message) -> str:
        """Say for how long a delivery was tried, where that is too long; else nothing.

        After a pause each has its full time again, as far as the queue keeps it.
        """
        age = self._clock() - message.sent_at
        if age > QUEUED_SECONDS:
            return f"{QUEUED_SECONDS / 86400:g} days on the queue"
        if age > self._max_age_seconds and self._clock() - self._calls.paused_until() > self._max_age_seconds:
            return f"{self._max_age_seconds / 3600:g} hours"
        return ""

    def _record(self, delivery: Delivery, entry: Entry, outcome: Outcome) -> Outcome:
        entry = settled(entry, outcome, self._holder())
        self._ledger.move(delivery, entry, self._clock())
        return outcome


def _known(entry: Entry, message: Message, now: float) -> Outcome | None:
    """Say what the ledger knows already, where that is all there is to it."""
    match entry.state:
        case State.DISPATCHED:
            return Duplicate(Told(), entry.state, entry.run_id or None, entry.run_url or None)
        case State.SUPERSEDED if not message.force:
            return Duplicate(Told(), entry.state)
        case State.CLAIMED:
            told = Told(detail="Another attempt is under way, or died.")
            return Wait(told, "claimed", max(1.0, entry.lapses_at - now + 1))
        case State.DEAD_LETTERED if message.sent_at <= entry.updated_at:
            # The same message again: it was not buried, or not deleted.
            return DeadLetter(Told(detail=entry.detail), entry.reason)
        case _:
            return None
