"""The delivery engine: decides, attempt by attempt, what becomes of a delivery.

It decides and calls GitHub; putting the decision into effect on the queues is `settlement`'s business.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from functions.core.delivery import Delivery, MalformedMessage
from functions.core.settings import Route
from functions.dispatch.credentials import Credentials, NoCredential
from functions.dispatch.github import Answer, GitHub, NoAnswer
from functions.dispatch.outcome import (
    CREDENTIAL_SECONDS,
    DeadLetter,
    Outcome,
    Told,
    Wait,
    judge,
    without_prose,
)
from functions.dispatch.request import DispatchRequest, Unshapeable, shape

BACKOFF_BASE_SECONDS: Final = 2.0
BACKOFF_CAP_SECONDS: Final = 900.0


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
    """

    delivery: Delivery | None
    route: Route | None
    outcome: Outcome


class Engine:
    """Attempts deliveries.

    Args:
        routes: Today's routes by name.
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
        github: GitHub,
        credentials: Credentials,
        max_age_seconds: float,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._routes = routes
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
            return Attempt(
                None, None, DeadLetter(Told(detail=f"The message was refused: {error}."), "malformed")
            )
        route = self._routes.get(delivery.route)
        if route is None:
            detail = f"There is no route '{delivery.route}' any more. Add it again and replay, or purge."
            return Attempt(delivery, None, DeadLetter(Told(detail=detail), "unknown-route"))
        return Attempt(delivery, route, self._dispatch(delivery, route, message))

    def _dispatch(self, delivery: Delivery, route: Route, message: Message) -> Outcome:
        if self._clock() - message.sent_at > self._max_age_seconds:
            hours = self._max_age_seconds / 3600
            return DeadLetter(Told(detail=f"It could not be dispatched within {hours:g} hours."), "expired")
        try:
            request = shape(delivery, route)
            answer = self._call(request)
        except Unshapeable as error:
            return DeadLetter(Told(detail=error.detail), error.reason)
        except NoCredential as error:
            return Wait(Told(detail=error.detail), error.reason, CREDENTIAL_SECONDS)
        except NoAnswer as error:
            reason = "no-answer" if error.sent else "unreachable"
            return Wait(
                Told(detail=f"GitHub did not answer ({error})."), reason, self._backoff(message.receives)
            )
        outcome = judge(answer, self._clock(), lambda: self._backoff(message.receives))
        return replace(outcome, told=without_prose(outcome.told, delivery.event.tags.values()))

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
