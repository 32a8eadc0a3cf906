"""The calls to GitHub that a delivery needs: the look-up of an earlier one, and the dispatch.

    in doubt? ──► ticket, credential ──► look up ──┬─ found: settle
        │                                          ├─ too early, or it can't be told: wait, or hold
        │ no                                       │ not started
        └──► ticket, credential ◄──────────────────┘
                     │
                   claim ──► dispatch ──► tell the gate ──► settle

Where there is no ticket or no credential, the delivery waits. What was learned is told to the gate before the
outcome is settled in the ledger: who waits for the end of this call reads the ledger first and the gate then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from functions.core.ledger import CALL_SECONDS, Ledger, LedgerUnavailable, Overtaken
from functions.core.settings import Route
from functions.dispatch import lookup
from functions.dispatch.books import SETTLE_SECONDS, Books, Work
from functions.dispatch.credentials import Credentials, NoCredential, TokenRefused
from functions.dispatch.gate import Gate
from functions.dispatch.gate_state import BUSY, CREDENTIAL, PAUSED, START_SECONDS, Caller, Later, Ticket
from functions.dispatch.github import TIMEOUT_SECONDS, GitHub
from functions.dispatch.outcome import (
    UNREADABLE,
    DeadLetter,
    Dispatched,
    Failed,
    Judged,
    Outcome,
    Told,
    Wait,
    judge,
    judge_silence,
    judge_trouble,
    used_up,
)
from functions.dispatch.transport import Answer, NoAnswer
from functions.dispatch.trouble import Trouble, unsent

UNKNOWN_OUTCOME: Final = "unknown-outcome"
"""The dead letter's reason where a route holds what can't be found out."""

LOOKING: Final = "looking"
"""Why a delivery waits of which it must first be found out whether GitHub started its run."""

PATIENCE_SECONDS: Final = 3.0
"""How long to wait on the spot for a turn; for a later one the delivery goes back to the queue."""

BUSY_SECONDS: Final = 20.0
"""How long to wait on the spot for the end of another function's call."""

ATTEMPT_SECONDS: Final = START_SECONDS + CALL_SECONDS + SETTLE_SECONDS / 2
"""What must be left of the invocation when a ticket is asked for: start, claim, call, outcome."""

SUSPECT_SECONDS: Final = 30.0
"""How old a read of the secret may be while the gate is closed because of it."""

_LOOK_SECONDS: Final = 6.0
_LEAST_CALL_SECONDS: Final = 8.0

_Call = Callable[[Work, str, Ticket], Outcome | None]
"""What a ticket and a token are used for."""


class Calls:
    """Makes calls.

    Args:
        routes: Today's routes by name.
        ledger: Knows the runs of other deliveries.
        books: Keeps the ledger of this one.
        gate: Whether GitHub may be called.
        github: GitHub's API.
        credentials: What to call it with.
        trouble: Draws the consequences of what goes wrong.
        clock: Seconds since the epoch.
        sandbox: Names this function's process among those that run at the same time.
    """

    def __init__(
        self,
        *,
        routes: Mapping[str, Route],
        ledger: Ledger,
        books: Books,
        gate: Gate,
        github: GitHub,
        credentials: Credentials,
        trouble: Trouble,
        clock: Callable[[], float],
        sandbox: str,
    ) -> None:
        self._routes = routes
        self._ledger = ledger
        self._books = books
        self._gate = gate
        self._github = github
        self._credentials = credentials
        self._trouble = trouble
        self._clock = clock
        self._sandbox = sandbox

    def make(self, work: Work) -> Outcome:
        """Have GitHub start the delivery's run, or find out why not.

        Raises:
            LedgerUnavailable: The ledger could not be read or written before anything was sent.
            GateUnavailable: Likewise the gate.
            Overtaken: Somebody else has moved the delivery.
        """
        if work.entry.in_doubt:
            early = lookup.first_look_at(work.entry) - self._clock()
            if early > 0:
                return self._books.wait(work, LOOKING, early)
            found = self._use_ticket(work, self._look_up, reads=True)
            if found:
                return found
        outcome = self._use_ticket(work, self._call, reads=False)
        assert outcome is not None  # noqa: S101 - a call has one
        return outcome

    def paused_until(self) -> float:
        """Give the end of the last pause, in epoch seconds; 0 where there never was one.

        Raises:
            GateUnavailable: DynamoDB failed.
        """
        return self._gate.read().paused_until

    def _use_ticket(self, work: Work, call: _Call, *, reads: bool) -> Outcome | None:
        """Make a call once it is allowed; once more if GitHub refuses the credential."""
        outcome = self._try(work, call, reads=reads)
        if isinstance(outcome, Wait) and outcome.told.status == HTTPStatus.UNAUTHORIZED and _once(work):
            outcome = self._try(work, call, reads=reads)
        return outcome

    def _try(self, work: Work, call: _Call, *, reads: bool) -> Outcome | None:
        if work.time_left() < ATTEMPT_SECONDS:
            return self._books.wait(work, BUSY, 0.0)
        try:
            decision = self._enter(work, reads=reads)
        except NoCredential as error:
            return self._trouble.without_credential(work, error)
        work.facts["gate"] = self._gate.last.name(self._clock())
        if isinstance(decision, Later):
            return self._come_back(work, decision)
        try:
            outcome = self._with_token(work, call, decision)
        except (LedgerUnavailable, Overtaken):
            self._gate.leave(decision)
            raise
        self._gate.ended(decision)
        return outcome

    def _with_token(self, work: Work, call: _Call, ticket: Ticket) -> Outcome | None:
        try:
            token = self._credentials.token(work.route.target)
        except NoCredential as error:
            return self._trouble.without_credential(work, error)
        except NoAnswer as error:
            return self._trouble.without_answer(work, error)
        except TokenRefused as error:
            return self._trouble.without_token(work, error.answer)
        return call(work, token, ticket)

    def _come_back(self, work: Work, later: Later) -> Outcome:
        """Put the delivery off, with a turn unless it only looks at a pause: it keeps the turn it has."""
        if later.reason == PAUSED:
            return self._books.wait(work, PAUSED, later.at - self._clock())
        return self._books.book(work, later.reason, later.at)

    def _enter(self, work: Work, *, reads: bool) -> Ticket | Later:
        """Ask the gate; where it is closed because of the credential, once more with that read anew."""
        spare = work.time_left() - ATTEMPT_SECONDS
        caller = Caller(
            owner=self._sandbox,
            holder=work.holder,
            delivery=work.delivery.id,
            booked_at=work.entry.booked_at,
            credential=self._credentials.fingerprint(),
            patience=min(PATIENCE_SECONDS, spare),
            revision=work.entry.revision,
            reads=reads,
        )
        give_up_at = self._clock() + min(BUSY_SECONDS, spare)
        decision = self._gate.enter(caller, give_up_at)
        if isinstance(decision, Later) and decision.reason.startswith(CREDENTIAL):
            credential = self._credentials.fingerprint(SUSPECT_SECONDS)
            if credential != caller.credential:
                again = replace(caller, credential=credential, booked_at=decision.at, has_turn=True)
                decision = self._gate.enter(again, give_up_at)
        return decision

    def _call(self, work: Work, token: str, ticket: Ticket) -> Outcome:
        """Claim the delivery and have GitHub start its run: nobody else calls until that is over."""
        if self._clock() > ticket.at + START_SECONDS:
            return self._books.wait(work, BUSY, 0.0)
        self._books.claim(work)
        return self._conclude(work, self._dispatch(work, token))

    def _dispatch(self, work: Work, token: str) -> Judged:
        called_at = self._clock()
        seconds = min(TIMEOUT_SECONDS, work.entry.claimed_at + CALL_SECONDS - called_at)
        if seconds < _LEAST_CALL_SECONDS:
            told = Told(detail="The ledger answered too late to call GitHub still.")
            return Failed(told, "ledger-slow", sent=False)
        self._gate.called(called_at)
        work.entry = replace(work.entry, called_at=round(called_at, 3))
        answer: Answer | None = None
        judged: Judged
        try:
            answer = self._github.dispatch(work.request, token, seconds)
        except NoAnswer as error:
            judged = judge_silence(error)
        else:
            judged = judge(answer, self._clock(), work.delivery.event.tags.values())
            self._note(work, answer)
        answered_at = self._clock()
        work.facts["github_milliseconds"] = round((answered_at - called_at) * 1000)
        if isinstance(judged, Failed) and judged.sent:
            until = lookup.effect_until(answer, called_at, answered_at)
            work.entry = replace(work.entry, doubt_since=work.entry.called_at, doubt_until=round(until, 3))
            work.facts["doubt"] = True
        return judged

    def _note(self, work: Work, answer: Answer) -> None:
        """Note what GitHub says of the hour's calls, and shut the gate when that was the last."""
        work.facts["remaining"] = answer.remaining
        seconds = used_up(answer, self._clock())
        if seconds is not None:
            self._gate.limited(seconds)

    def _conclude(self, work: Work, judged: Judged) -> Outcome:
        if not isinstance(judged, Dispatched | DeadLetter):
            return self._trouble.follow(work, judged)
        self._succeeded(work)
        return self._books.settle(work, judged)

    def _succeeded(self, work: Work, *, reads: bool = False) -> None:
        if work.facts.get("remaining") != 0:  # That shut the gate.
            self._gate.succeeded(reads=reads)

    def _look_up(self, work: Work, token: str, _ticket: Ticket) -> Outcome | None:
        """Find the run of an earlier call; None where it is to be called again."""
        now = self._clock()
        try:
            answer = self._github.runs(work.route.target, token, lookup.span(work.entry), _LOOK_SECONDS)
        except NoAnswer as error:
            return self._trouble.without_answer(work, error)
        self._note(work, answer)
        trouble = judge_trouble(answer, now)
        runs = lookup.listed(answer) if answer.status == HTTPStatus.OK else None
        verdict: lookup.Verdict
        if runs is not None:
            self._succeeded(work, reads=True)
            verdict = lookup.judge(
                runs,
                work.delivery,
                self._routes,
                work.entry,
                self._ledger,
                now,
                shared=self._gate.is_shared,
            )
        elif answer.status == HTTPStatus.OK:
            told = Told(answer.status, request_id=answer.request_id)
            return self._trouble.follow(work, Failed(told, UNREADABLE, sent=False))
        elif trouble and not lookup.refused(answer, trouble):
            return self._trouble.follow(work, unsent(trouble))
        else:
            verdict = lookup.Undecided(f"GitHub does not list the workflow's runs ({answer.status}).")
        work.facts["look_up"] = type(verdict).__name__
        return self._follow(work, verdict)

    def _follow(self, work: Work, verdict: lookup.Verdict) -> Outcome | None:
        match verdict:
            case lookup.Found(run_id=run_id, run_url=run_url):
                told = Told(detail="GitHub had started the run although it did not say so.")
                return self._books.settle(work, Dispatched(told, run_id, run_url))
            case lookup.LookAgain(at=at, seen=seen):
                work.entry = replace(work.entry, looks=work.entry.looks + 1, seen=seen)
                return self._books.wait(work, LOOKING, at - self._clock())
            case lookup.Undecided(why=why) if work.route.on_unknown == "hold" and not work.entry.decided:
                detail = f"GitHub may have started a run. {why} Look there, and replay to start one."
                return self._books.settle(work, DeadLetter(Told(detail=detail), UNKNOWN_OUTCOME))
            case _:
                return None


def _once(work: Work) -> bool:
    """Allow one more call, with a ticket of its own, after the credential was read or minted anew."""
    if work.facts.get("again"):
        return False
    work.facts["again"] = True
    work.holder += "+"
    return True
