"""What trouble with GitHub means: for everybody (the gate is told), and for the delivery that met it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from functions.core.ledger import State
from functions.dispatch import lookup
from functions.dispatch.books import Books, Work
from functions.dispatch.credentials import Credentials, NoCredential
from functions.dispatch.gate import Gate
from functions.dispatch.gate_state import CREDENTIAL
from functions.dispatch.outcome import (
    NOT_PERMITTED,
    UNREADABLE,
    DeadLetter,
    Failed,
    Limited,
    Outcome,
    Rejected,
    Told,
    judge_silence,
    judge_trouble,
)
from functions.dispatch.transport import Answer, NoAnswer

BACKOFF_BASE_SECONDS: Final = 2.0
BACKOFF_CAP_SECONDS: Final = 900.0
UNAVAILABLE_SECONDS: Final = 30.0
"""How long to leave a service of AWS alone that does not answer."""

REPLICATION_SECONDS: Final = 3.0
"""A token that was minted just now may be unknown to some of GitHub's servers for some seconds."""


def unsent(trouble: Limited | Rejected | Failed) -> Limited | Rejected | Failed:
    """Give the trouble of a call that starts nothing, whatever GitHub did with it."""
    return replace(trouble, sent=False) if isinstance(trouble, Failed) else trouble


class Trouble:
    """Draws the consequences.

    Args:
        gate: Whether GitHub may be called.
        credentials: What to call it with.
        books: Keeps the ledger.
        clock: Seconds since the epoch.
        sleep: Waits for some seconds.
        jitter: Gives numbers from 0 to 1; spreads the retries of many deliveries.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        credentials: Credentials,
        books: Books,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._gate = gate
        self._credentials = credentials
        self._books = books
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def follow(self, work: Work, trouble: Limited | Rejected | Failed) -> Outcome:
        """Tell the gate, and put the delivery off."""
        match trouble:
            case Limited():
                # A look-up, or a token that is minted, is not what the pace is for.
                teaches = trouble.secondary and work.entry.state is State.CLAIMED
                tell = self._gate.overrun if teaches else self._gate.limited
                turn = tell(trouble.seconds)
                return self._books.book(work, trouble.reason, turn, trouble.told)
            case Rejected():
                return self._shut(work, trouble)
            case _:
                return self._put_off(work, trouble)

    def without_credential(self, work: Work, error: NoCredential) -> Outcome:
        """Tell what follows where there is nothing to call GitHub with."""
        told = Told(detail=error.detail)
        if error.reason.startswith(CREDENTIAL):
            return self._shut(work, Rejected(told, error.reason))
        return self._books.wait(work, error.reason, UNAVAILABLE_SECONDS, told)

    def without_answer(self, work: Work, error: NoAnswer) -> Outcome:
        """Tell what follows where GitHub did not answer a question that starts nothing."""
        return self._put_off(work, replace(judge_silence(error), sent=False))

    def without_token(self, work: Work, answer: Answer) -> Outcome:
        """Tell what follows where GitHub mints no token for the App."""
        trouble = judge_trouble(answer, self._clock())
        if trouble:
            return self.follow(work, unsent(trouble))
        told = Told(answer.status, request_id=answer.request_id)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return self._put_off(work, Failed(told, UNREADABLE, sent=False))
        words = str(answer.content.get("message", ""))
        if answer.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            detail = "GitHub does not know this App's installation_id, or it does not belong to client_id."
            return self._shut(work, Rejected(replace(told, detail=detail), "credential-app-unknown"))
        if "permissions" in words:
            detail = (
                "The App's installation lacks the permission 'Actions: write': grant it, and accept it there."
            )
            return self._shut(work, Rejected(replace(told, detail=detail), NOT_PERMITTED))
        detail = "The App's installation does not reach this repository. Add it there, or mend its name."
        return self._books.settle(work, DeadLetter(replace(told, detail=detail), "github-app-repository"))

    def _shut(self, work: Work, rejected: Rejected) -> Outcome:
        """Shut the gate until a person has acted; a 401 only if it comes again with the credential anew."""
        target = work.route.target
        if rejected.told.status == HTTPStatus.UNAUTHORIZED and not work.facts.get("again"):
            if self._credentials.fresh(target):
                self._sleep(REPLICATION_SECONDS)
            else:
                self._credentials.forget(target)
            return self._books.wait(work, rejected.reason, 0.0, rejected.told)
        turn = self._gate.rejected(rejected.reason, self._credentials.fingerprint())
        self._credentials.forget(target)
        return self._books.book(work, rejected.reason, turn, rejected.told)

    def _put_off(self, work: Work, failed: Failed) -> Outcome:
        """Try again later: not before the gate opens, nor before a look can tell what GitHub did."""
        silence = failed.sent and not lookup.goes_by_title(work.route)
        closed_until = self._gate.failed(work.entry.doubt_until + lookup.APART_SECONDS if silence else 0.0)
        now = self._clock()
        seconds = max(self._backoff(work), closed_until - now)
        if failed.sent:
            seconds = max(seconds, lookup.first_look_at(work.entry) - now)
        return self._books.wait(work, failed.reason, seconds, failed.told)

    def _backoff(self, work: Work) -> float:
        """Grow exponentially with the calls that were made, half of it by chance, and never above the cap."""
        doublings = min(max(work.entry.attempts - 1, 0), 20)
        ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0**doublings)
        return ceiling * (0.5 + self._jitter() / 2)
