"""The gate: one decision, shared by all functions, whether a credential may call GitHub now.

The rules are in `gate_state`, and the state is kept by `gate_store`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from functools import partial, reduce
from itertools import takewhile
from typing import TYPE_CHECKING, Final, TypeVar

from functions.core.ledger import Ledger, LedgerUnavailable, State
from functions.dispatch import gate_state
from functions.dispatch.gate_state import (
    BUSY,
    PAUSED,
    START_SECONDS,
    TICKET_SECONDS,
    Caller,
    GateState,
    Later,
    Ticket,
)
from functions.dispatch.gate_store import GateStore, GateUnavailable
from functions.dispatch.pacing import Pace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["POLL_SECONDS", "Gate", "GateUnavailable"]

POLL_SECONDS: Final = 0.5

Result = TypeVar("Result")


class _Turn(Enum):
    """Whether a ticket's turn is here, was missed by waiting, or is not to come."""

    HERE = auto()
    PAST = auto()
    NEVER = auto()


class Gate:
    """The gate of one credential.

    Args:
        client: DynamoDB.
        table: The table that holds the gate's item: the own ledger's, or another stack's.
        name: Names the credential: its secret.
        ledger: Where it reads whether another call is over.
        pace: The permitted speed.
        clock: Seconds since the epoch.
        sleep: Waits for some seconds.

    Attributes:
        last: The state in which it was last entered.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        name: str,
        *,
        ledger: Ledger,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._store = GateStore(client, table, name, clock)
        self._ledger = ledger
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self.last = GateState()
        self._called_at = 0.0
        self._over: set[str] = set()
        self._untold: list[Callable[[GateState], GateState]] = []

    def enter(self, caller: Caller, give_up_at: float) -> Ticket | Later:
        """Ask for a call, and wait on the spot where that takes no longer than the caller has patience.

        Args:
            caller: Who asks.
            give_up_at: Until when to wait for the end of another call, in epoch seconds.

        Returns:
            A ticket whose time has come while no other call is under way; or when to come back.

        Raises:
            GateUnavailable: DynamoDB failed.
        """
        caller = replace(caller, ledger=self._ledger.table)
        while True:
            state, decision = self._change(partial(self._enter, caller))
            self.last = state
            if isinstance(decision, Later):
                return decision
            caller = replace(caller, booked_at=0.0, has_turn=True)  # Its booking is used up.
            if decision.at > self._clock():
                self._sleep(decision.at - self._clock())
                state = self.read()
            turn = self._await_turn(state, decision, caller, give_up_at)
            if turn is _Turn.HERE:
                return decision
            if turn is _Turn.NEVER:
                return self._give_up(decision, caller)

    def _enter(self, caller: Caller, state: GateState, now: float) -> tuple[GateState, Ticket | Later]:
        return gate_state.enter(gate_state.called(state, self._called_at), self._pace, caller, now)

    def _await_turn(self, state: GateState, ticket: Ticket, caller: Caller, give_up_at: float) -> _Turn:
        """Wait for the calls before this one, and then for the distance to the last of them."""
        while True:
            now = self._clock()
            self.last = state
            if now < state.paused_until or (now < state.closed_until and not ticket.probe):
                return _Turn.NEVER
            before = list(takewhile(lambda each: each.holder != ticket.holder, state.tickets))
            if all(each.holder in self._over for each in before):
                return self._keep_distance(state, ticket, caller, give_up_at)
            if not all(self._is_over(each, now) for each in before):
                if now + POLL_SECONDS > give_up_at:
                    return _Turn.NEVER
                self._sleep(POLL_SECONDS)
            state = self.read()  # Whoever is done has told by now what GitHub said.

    def _keep_distance(self, state: GateState, ticket: Ticket, caller: Caller, give_up_at: float) -> _Turn:
        if caller.reads:
            return _Turn.HERE
        spacing = state.learned.pace(self._pace, self._clock()).spacing
        free_at = max(max(self._called_at, state.called_at) + spacing, state.silent_until)
        if free_at > give_up_at:
            return _Turn.NEVER
        self._sleep(max(0.0, free_at - self._clock()))
        return _Turn.HERE if self._clock() <= ticket.at + START_SECONDS / 2 else _Turn.PAST

    @property
    def is_shared(self) -> bool:
        """Whether other stacks call with the same credential."""
        return len(self.last.ledgers) > 1

    def leave(self, ticket: Ticket) -> None:
        """Give a ticket back that is not used, so that others don't wait for it.

        Raises:
            GateUnavailable: DynamoDB failed; the ticket lapses.
        """
        self._change(lambda state, _now: (gate_state.leave(state, ticket.holder), None))

    def ended(self, ticket: Ticket) -> None:
        """Tell that a ticket's call is over, where not all who wait for it can read that in its ledger.

        What can't be told now is told before this function's next call, unless the ticket has lapsed by then.
        """
        if not self.is_shared:
            return
        change = partial(gate_state.ended, holder=ticket.holder, called_at=self._called_at)
        try:
            self._change(lambda state, _now: (change(state), None))
        except GateUnavailable:
            self._untold.append(change)

    def called(self, at: float) -> None:
        """Note when a call really began: the next one keeps its distance from that."""
        self._called_at = max(self._called_at, at)

    def succeeded(self, *, reads: bool = False) -> None:
        """Tell that GitHub did as it was told. Where nothing was wrong, nothing is written.

        Args:
            reads: Whether it was only asked: that says nothing of the limits of what starts something.
        """
        if self.last.reason or self.last.failures or (self.last.limits and not reads):
            self._report(gate_state.answered if reads else gate_state.succeeded)

    def limited(self, seconds: float | None) -> float:
        """Tell of a rate limit with the pause that GitHub asks for, if it names one; give its end."""
        now = self._clock()
        return self._report(lambda state: gate_state.limited(state, now, seconds)).closed_until

    def overrun(self, seconds: float | None) -> float:
        """Tell of a call above a limit that can't be asked for, as of a rate limit; give the pause's end."""
        now, called_at = self._clock(), self._called_at

        def change(state: GateState) -> GateState:
            return gate_state.overrun(gate_state.called(state, called_at), self._pace, now, seconds)

        return self._report(change).closed_until

    def failed(self, silent_until: float) -> float:
        """Tell of a call that had no good answer and of the silence it needs; give the pause's end, or 0."""
        now = self._clock()
        return self._report(
            lambda state: gate_state.silenced(gate_state.failed(state, now), silent_until)
        ).closed_until

    def rejected(self, reason: str, credential: str) -> float:
        """Tell of a credential that GitHub does not take; give the time to look again."""
        now = self._clock()
        state = self._report(lambda state: gate_state.rejected(state, now, reason, credential))
        return gate_state.back_at(state, now)

    def read(self) -> GateState:
        """Read the gate's state.

        Raises:
            GateUnavailable: DynamoDB failed.
        """
        return self._store.read()

    def _report(self, change: Callable[[GateState], GateState]) -> GateState:
        """Tell the others what GitHub said; what can't be told now, before this function's next call.

        What comes late changes nothing about what somebody else has learned since.
        """
        now = self._clock()

        def tell(state: GateState) -> GateState:
            return state if state.told_at > now else replace(change(state), told_at=now)

        try:
            state, _ = self._change(lambda state, _now: (tell(state), None))
        except GateUnavailable:
            self._untold.append(tell)
            return tell(GateState())
        return state

    def _change(
        self, change: Callable[[GateState, float], tuple[GateState, Result]]
    ) -> tuple[GateState, Result]:
        """Change the state; what could not be told before is told first."""

        def tell_and_change(state: GateState, now: float) -> tuple[GateState, Result]:
            return change(reduce(lambda told, tell: tell(told), self._untold, state), now)

        changed = self._store.change(tell_and_change)
        self._untold.clear()
        return changed

    def _is_over(self, ticket: Ticket, now: float) -> bool:
        """Tell whether a ticket's call is over: the ledger was written since, or its time has passed."""
        if now > ticket.at + TICKET_SECONDS:
            self._over.add(ticket.holder)
        if ticket.holder in self._over:
            return True
        if ticket.ledger != self._ledger.table:
            return False  # Another stack's: it gives the ticket back.
        try:
            entry = self._ledger.get(ticket.delivery)
        except LedgerUnavailable as error:
            raise GateUnavailable(str(error)) from error
        claimed = entry.state is State.CLAIMED and entry.holder == ticket.holder
        if claimed or entry.revision <= ticket.revision:
            return False
        self.called(entry.called_at)
        self._over.add(ticket.holder)
        return True

    def _give_up(self, ticket: Ticket, caller: Caller) -> Later:
        """Give the ticket back, and take a turn instead."""
        in_turn = replace(caller, patience=-1.0, has_turn=False)

        def change(state: GateState, now: float) -> tuple[GateState, Ticket | Later]:
            return gate_state.enter(gate_state.leave(state, ticket.holder), self._pace, in_turn, now)

        state, decision = self._change(change)
        is_paused = self._clock() < state.paused_until
        return Later(decision.at, PAUSED if is_paused else state.reason or BUSY)
