"""The delivery engine: decides, attempt by attempt, what becomes of a delivery.

It decides and calls GitHub; putting the decision into effect on the queues is `settlement`'s business.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from functions.core.delivery import Delivery, MalformedMessage
from functions.core.ledger import LEASE_SECONDS, Entry, Ledger, LedgerUnavailable, NotOurs, State
from functions.core.settings import Route
from functions.dispatch.credentials import Credentials, NoCredential
from functions.dispatch.github import Answer, GitHub, NoAnswer
from functions.dispatch.outcome import (
    CREDENTIAL_SECONDS,
    NO_ANSWER,
    NOBODY_KNOWS,
    DeadLetter,
    Dispatched,
    Duplicate,
    Outcome,
    Superseded,
    Told,
    Wait,
    judge,
)
from functions.dispatch.request import DispatchRequest, Unshapeable, shape

BACKOFF_BASE_SECONDS: Final = 2.0
BACKOFF_CAP_SECONDS: Final = 900.0

REPLAY_SECONDS: Final = 60.0
"""A message that was put onto the queue so much later than ingest took it is a replayed dead letter."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as SQS delivers it.

    Attributes:
        body: What should be a delivery.
        receives: How often it has been received, this time included.
        sent_at: When it was put onto the queue, in seconds since the epoch; for a redriven dead letter,
            when it was redriven.
    """

    body: str
    receives: int
    sent_at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one delivery.

    Attributes:
        delivery: The delivery, or None where the message is not one.
        route: The route as configured today, if it still exists.
        outcome: What becomes of the delivery.
        unsettled: Why the ledger does not tell of it, if it doesn't.
    """

    delivery: Delivery | None
    route: Route | None
    outcome: Outcome
    unsettled: str = ""


class Engine:
    """Attempts deliveries.

    Args:
        routes: Today's routes by name.
        ledger: What happened to each delivery.
        github: GitHub's API.
        credentials: What to call it with.
        max_age_seconds: How long to keep trying a delivery.
        clock: Seconds since the epoch.
        jitter: Gives numbers from 0 to 1; spreads the retries of many deliveries.
    """

    def __init__(
        self,
        *,
        routes: Mapping[str, Route],
        ledger: Ledger,
        github: GitHub,
        credentials: Credentials,
        max_age_seconds: float,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._routes = routes
        self._ledger = ledger
        self._github = github
        self._credentials = credentials
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._jitter = jitter

    def attempt(self, message: Message) -> Attempt:
        """Try to dispatch the delivery in a message."""
        try:
            delivery = Delivery.from_message(message.body)
        except MalformedMessage as error:
            detail = f"The message was refused: {error}."
            return Attempt(None, None, DeadLetter(Told(detail=detail), "malformed"))
        route = self._routes.get(delivery.route)
        holder = secrets.token_hex(8)
        try:
            claim = self._ledger.claim(delivery, holder, self._clock())
            if claim.holder != holder:
                return Attempt(delivery, route, self._not_claimed(claim))
            outcome = self._decide(delivery, route, message)
        except LedgerUnavailable as error:
            told = Told(detail=f"The ledger could not be asked ({error}).")
            return Attempt(delivery, route, Wait(told, "ledger-unavailable", LEASE_SECONDS + 1))
        return Attempt(delivery, route, outcome, self._settle(delivery, claim, outcome))

    def _settle(self, delivery: Delivery, claim: Entry, outcome: Outcome) -> str:
        """Write the outcome down, and say what was wrong with that.

        What happened at GitHub has happened, so a failure here changes nothing: the claim lapses.
        """
        try:
            self._ledger.settle(delivery, claim, _state(outcome), self._clock(), **_facts(outcome))
        except (NotOurs, LedgerUnavailable) as error:
            return type(error).__name__
        return ""

    def _not_claimed(self, entry: Entry) -> Outcome:
        if entry.state is not State.CLAIMED:
            return Duplicate(Told(), entry.state, entry.run_id, entry.run_url or None)
        told = Told(detail="Another attempt is under way, or died.")
        return Wait(told, "claimed", max(1.0, entry.lapses_at - self._clock() + 1))

    def _decide(self, delivery: Delivery, route: Route | None, message: Message) -> Outcome:
        if route is None:
            detail = f"There is no route '{delivery.route}' any more. Add it again and replay, or purge."
            return DeadLetter(Told(detail=detail), "unknown-route")
        if message.sent_at - delivery.accepted_at / 1000 > REPLAY_SECONDS:
            newest = self._ledger.newest(delivery)
            if newest > delivery.event.occurred_at:
                return Superseded(Told(detail=f"What happened at {newest} was dispatched in its place."))
        if self._clock() - message.sent_at > self._max_age_seconds:
            hours = self._max_age_seconds / 3600
            return DeadLetter(Told(detail=f"It could not be dispatched within {hours:g} hours."), "expired")
        return self._dispatch(delivery, route, message)

    def _dispatch(self, delivery: Delivery, route: Route, message: Message) -> Outcome:
        try:
            answer = self._call(shape(delivery, route))
        except Unshapeable as error:
            return DeadLetter(Told(detail=error.detail), error.reason)
        except NoCredential as error:
            return Wait(Told(detail=error.detail), error.reason, CREDENTIAL_SECONDS)
        except NoAnswer as error:
            reason = NO_ANSWER if error.sent else "unreachable"
            told = Told(detail=f"GitHub did not answer ({error}).")
            return Wait(told, reason, self._backoff(message.receives))
        tags = delivery.event.tags.values()
        return judge(answer, self._clock(), lambda: self._backoff(message.receives), tags)

    def _call(self, request: DispatchRequest) -> Answer:
        """Call GitHub; where it rejects the token, once more with the secret read anew."""
        answer = self._github.dispatch(request, self._credentials.token())
        if answer.status != 401:  # noqa: PLR2004 - the HTTP status
            return answer
        self._credentials.forget()
        return self._github.dispatch(request, self._credentials.token())

    def _backoff(self, receives: int) -> float:
        """Grow exponentially with the receives, half of it by chance, and never above the cap."""
        ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(receives - 1, 20))
        return ceiling * (0.5 + self._jitter() / 2)


def _state(outcome: Outcome) -> State:
    match outcome:
        case Dispatched():
            return State.DISPATCHED
        case Superseded():
            return State.SUPERSEDED
        case DeadLetter():
            return State.DEAD_LETTERED
        case Wait(reason=reason) if reason in NOBODY_KNOWS:
            return State.UNKNOWN
        case _:
            return State.WAITING


def _facts(outcome: Outcome) -> dict[str, str | int]:
    facts = {
        "reason": getattr(outcome, "reason", ""),
        "detail": outcome.told.detail,
        "run_id": getattr(outcome, "run_id", None),
        "run_url": getattr(outcome, "run_url", None),
    }
    return {name: value for name, value in facts.items() if value}
