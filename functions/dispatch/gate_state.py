"""The gate's rules: may this credential call GitHub now, and if not, when?

    open ──rate limit, several failures in a row, rejected credential──► closed ──its time is over──► probing
     ▲                                                                     ▲                           │  │
     │                                                                     └──the one call fails too───┘  │
     └────────the one call succeeds, or the secret was replaced───────────────────────────────────────────┘

A person may pause it besides. That lies over all of this: nobody calls, nobody gets a turn or loses one, and
it goes on from there.

Everything here is a function from one state to the next; nothing is read or written (`gate` does that).
A ticket is the permission for one call; calls are made one after the other, in the order of their tickets
(GitHub's "Best practices for using the REST API": requests are made serially). A booking is a turn: who comes
back then finds the gate at a time at which the permitted speed has room for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from functions.core.ledger import CALL_SECONDS
from functions.dispatch import learning
from functions.dispatch.learning import Learned
from functions.dispatch.pacing import Minutes, Pace, after, counted, merged, since, until

START_SECONDS: Final = 10.0
"""A call must be claimed so soon after its ticket's time; later, another ticket is needed."""

TICKET_SECONDS: Final = START_SECONDS + CALL_SECONDS + 5.0
"""After so long a ticket's call is over, whatever became of its function."""

PROBE_SECONDS: Final = 5.0
"""How long after the begin of a probe the others ask what it has found."""

FAILURES_TO_CLOSE: Final = 3
FAILURE_PAUSE_SECONDS: Final = 5.0
LIMIT_PAUSE_SECONDS: Final = 60.0
"""The least wait after a rate limit that names no time ("Rate limits for the REST API")."""

MAX_PAUSE_SECONDS: Final = 900.0
MIN_REJECTION_SECONDS: Final = 60.0
"""Many requests with bad credentials lock even valid callers out, so one is tried once a minute at most."""

MAX_LOOK_SECONDS: Final = 420.0
"""How long a replaced secret stays unnoticed at the most; in three days, 620 receives of SQS's 1,000."""

LINE_SLACK: Final = 1.05
"""A line moves a little slower than calls may follow each other, so that who comes late delays nobody."""

_REMEMBERED_SECONDS: Final = 24 * 3600.0
"""After so long without a call a stack is gone that has shared the gate."""

UNTIL_RESUMED: Final = 253_402_300_799.0
"""The end of a pause that nobody limits: the last second of the year 9999, the last that Python knows."""

MIN_PAUSED_LOOK_SECONDS: Final = 30.0
PAUSED_LOOK_PART: Final = 1 / 10
LONG_PAUSED_LOOK_PART: Final = 1 / 100
"""The part of a pause after which it is looked at again; the smaller one above `MAX_LOOK_SECONDS`.

In ten days, 440 receives of SQS's 1,000.
"""

PAUSED: Final = "paused"
PACING: Final = "pacing"
BUSY: Final = "busy"
RATE_LIMITED: Final = "rate-limited"
OUTAGE: Final = "github-outage"
CREDENTIAL: Final = "credential-"
"""How the reasons begin that only a person can mend."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The permission to call GitHub once.

    Attributes:
        at: When the call may begin, in epoch seconds.
        owner: The function's sandbox, which does one thing at a time.
        holder: The attempt.
        delivery: What it delivers: where to read whether the call is over.
        revision: The delivery's entry as the attempt read it; what is written later ends the call.
        ledger: Where that entry is.
        probe: Whether this call finds out if a closed gate can be opened.
    """

    at: float
    owner: str
    holder: str
    delivery: str
    revision: int = 0
    ledger: str = ""
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: the time to come back, in epoch seconds, and why."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who wants to call GitHub.

    Attributes:
        owner: The function's sandbox.
        holder: The attempt.
        delivery: The delivery's id.
        booked_at: The delivery's turn, 0 without one.
        credential: Identifies the credential's content, empty while there is none.
        patience: How many seconds the caller would wait on the spot.
        revision: The revision of the delivery's entry.
        ledger: The table of that entry.
        has_turn: Whether its turn has come already, and it had to ask again.
        reads: Whether the call only asks. Then the pace of the calls that start something is not its own.
    """

    owner: str
    holder: str
    delivery: str
    booked_at: float
    credential: str
    patience: float
    revision: int = 0
    ledger: str = ""
    has_turn: bool = False
    reads: bool = False


@dataclass(frozen=True, slots=True)
class GateState:
    """The gate of one credential. Times are seconds since the epoch; 0 and "" mean none.

    Attributes:
        revision: Counts the writes.
        reason: Why it is closed, or was until a probe succeeds; empty while it is open.
        closed_since: When it was last open.
        closed_until: Until when nobody may call.
        failures: Calls without a good answer since the last one that had any.
        limits: Rate limits since the last call that GitHub took.
        learned: What they have taught.
        credential: Identifies the rejected credential.
        last_at: The time of the newest ticket.
        refused_at: When the last call began that was above a limit which can't be asked for.
        silent_until: Until when nobody may call, so that what the last call did can be told from the next.
        called_at: When a call really began, as far as it is known here.
        booked_until: The time of the last booking.
        calls: The calls that were made.
        bookings: Those that are booked.
        tickets: Calls that may be under way, in their order.
        ledgers: Whose deliveries pass here, and when each last did: of several stacks with one credential.
        told_at: When GitHub's last answer was told that changed anything.
        paused_until: Until when a person lets nobody call, or the end of the last such pause.
        paused_since: When that began.
        paused_reason: Why, in the person's own words; empty once it is over.
        paused_by: Who it was; empty once it is over.
    """

    revision: int = 0
    reason: str = ""
    closed_since: float = 0.0
    closed_until: float = 0.0
    failures: int = 0
    limits: int = 0
    learned: Learned = field(default_factory=Learned)
    credential: str = ""
    last_at: float = 0.0
    refused_at: float = -1.0
    silent_until: float = 0.0
    called_at: float = 0.0
    booked_until: float = 0.0
    calls: Minutes = field(default_factory=dict)
    bookings: Minutes = field(default_factory=dict)
    tickets: tuple[Ticket, ...] = ()
    ledgers: Mapping[str, float] = field(default_factory=dict)
    told_at: float = 0.0
    paused_until: float = 0.0
    paused_since: float = 0.0
    paused_reason: str = ""
    paused_by: str = ""

    def name(self, now: float) -> str:
        """Say in a word how it stands."""
        if now < self.paused_until:
            return PAUSED
        if not self.reason:
            return "open"
        return f"closed: {self.reason}" if now < self.closed_until else f"probing: {self.reason}"


def enter(state: GateState, pace: Pace, caller: Caller, now: float) -> tuple[GateState, Ticket | Later]:
    """Ask for a call: a ticket for now or very soon, or a booking."""
    state = _healed(state, caller.credential)
    if now < state.paused_until:
        return state, Later(max(caller.booked_at, resume_seen_at(state, now)), PAUSED)
    if now < state.closed_until:
        return _book(state, pace, caller, now, back_at(state, now))
    probe = _probe_under_way(state, caller, now)
    if probe:
        return _book(state, pace, caller, now, max(now, probe.at) + PROBE_SECONDS)
    if caller.reads:
        return _admit(state, caller, now, now)
    known = state.learned.pace(pace, now)
    free = max(now, state.last_at + known.spacing, state.silent_until)
    has_turn = caller.has_turn or 0 < caller.booked_at <= now + caller.patience
    at = known.earliest(state.calls if has_turn else merged(state.calls, state.bookings), free)
    line = bool(after(state.bookings, now)) and state.booked_until > now + caller.patience
    if (line and not has_turn) or at > now + caller.patience:
        return _book(state, pace, caller, now, at)
    return _admit(state, caller, at, now)


def leave(state: GateState, holder: str) -> GateState:
    """Give a ticket back, used or not."""
    return replace(state, tickets=tuple(each for each in state.tickets if each.holder != holder))


def ended(state: GateState, holder: str, called_at: float) -> GateState:
    """Give a ticket back whose call is over, and tell when that really began."""
    return called(leave(state, holder), called_at)


def succeeded(state: GateState) -> GateState:
    """Open the gate: GitHub did as it was told."""
    return replace(state, reason="", closed_since=0.0, closed_until=0.0, failures=0, limits=0, credential="")


def answered(state: GateState) -> GateState:
    """Open the gate: GitHub told what it was asked. That is no call which its limits on others count."""
    return replace(succeeded(state), limits=state.limits)


def limited(state: GateState, now: float, seconds: float | None) -> GateState:
    """Close the gate until the announced time, or for growing pauses where GitHub announces none."""
    state = replace(state, limits=state.limits + 1)
    pause = _growing(LIMIT_PAUSE_SECONDS, state.limits - 1) if seconds is None else seconds
    return _close(state, RATE_LIMITED, now + pause, now)


def overrun(state: GateState, pace: Pace, now: float, seconds: float | None) -> GateState:
    """Close the gate as `limited`, and learn from it: the call was above a limit that can't be asked for.

    Where the hour may be full, it stays closed until there may be room again, but for no more than growing
    pauses: it may be something else. Told twice of one call, because a write's answer got lost, it changes
    nothing: a call less would be counted than GitHub has taken.
    """
    if state.refused_at == state.called_at:
        return state
    taken = counted(state.calls, state.last_at, -1)
    learned, room_at = learning.refused(state.learned, pace, taken, state.limits + 1, now)
    told = replace(state, calls=taken, learned=learned, refused_at=state.called_at)
    closed = limited(told, now, seconds)
    return _close(closed, RATE_LIMITED, min(room_at, now + _growing(LIMIT_PAUSE_SECONDS, state.limits)), now)


def failed(state: GateState, now: float) -> GateState:
    """Count a call that GitHub did not answer well; several in a row close the gate for growing pauses."""
    failures = state.failures + 1
    state = replace(state, failures=failures)
    if failures < FAILURES_TO_CLOSE and not state.reason:
        return state
    pause = _growing(FAILURE_PAUSE_SECONDS, failures - FAILURES_TO_CLOSE)
    return _close(state, OUTAGE, now + pause, now)


def rejected(state: GateState, now: float, reason: str, credential: str) -> GateState:
    """Close the gate because of the credential; a new one opens it at once."""
    pause = _part_of_closure(state, now, 1 / 2, MAX_PAUSE_SECONDS)
    return _close(replace(state, credential=credential), reason, now + pause, now)


def called(state: GateState, at: float) -> GateState:
    """Tell when a call of the one who enters now really began."""
    return replace(state, called_at=max(state.called_at, at))


def silenced(state: GateState, moment: float) -> GateState:
    """Let nobody call before a moment, so that what the last call did can be told from what comes next."""
    return replace(state, silent_until=max(state.silent_until, moment))


def pause(state: GateState, now: float, until_: float, reason: str, by: str) -> GateState:
    """Let nobody call before a moment, whatever else is the matter; that stays as it is.

    One who is paused already stays so, since when that was, with the new end and words.
    """
    begun = state.paused_since if now < state.paused_until else now
    return replace(state, paused_until=until_, paused_since=begun, paused_reason=reason, paused_by=by)


def resume(state: GateState, now: float) -> GateState:
    """End a pause; what held besides holds on."""
    if now >= state.paused_until:
        return state
    return replace(state, paused_until=now, paused_reason="", paused_by="")


def resume_seen_at(state: GateState, now: float) -> float:
    """Give the time to look at a pause again: its end, or in between, where a person may end it early.

    The looks get rarer with its length: each is a receive, and SQS counts them.
    """
    paused_for = now - state.paused_since
    most = max(MAX_LOOK_SECONDS, paused_for * LONG_PAUSED_LOOK_PART)
    return min(
        state.paused_until, now + min(max(MIN_PAUSED_LOOK_SECONDS, paused_for * PAUSED_LOOK_PART), most)
    )


def _healed(state: GateState, credential: str) -> GateState:
    if state.reason.startswith(CREDENTIAL) and credential != state.credential:
        return succeeded(state)
    return state


def _close(state: GateState, reason: str, closed_until: float, now: float) -> GateState:
    """Close the gate. Who had a turn before its end needs another; who met the trouble comes first."""
    if state.reason == RATE_LIMITED and now < state.closed_until:
        closed_until = max(closed_until, state.closed_until)  # What GitHub asked for stands.
    closed = replace(
        state,
        reason=reason,
        closed_since=state.closed_since or now,
        closed_until=closed_until,
        bookings=until(state.bookings, now),
        tickets=tuple(replace(each, probe=False) for each in state.tickets),
    )
    return replace(closed, booked_until=back_at(closed, now))


def back_at(state: GateState, now: float) -> float:
    """Give the time to come back to a closed gate: in between, where a new secret may open it early."""
    if not state.reason.startswith(CREDENTIAL):
        return state.closed_until
    return min(state.closed_until, now + _part_of_closure(state, now, 1 / 4, MAX_LOOK_SECONDS))


def _part_of_closure(state: GateState, now: float, part: float, most: float) -> float:
    """Give a part of the time for which the gate has been closed: what is broken for long can wait longer."""
    for_so_long = now - state.closed_since if state.closed_since else 0.0
    return min(max(for_so_long * part, MIN_REJECTION_SECONDS), most)


def _book(
    state: GateState, pace: Pace, caller: Caller, now: float, earliest: float
) -> tuple[GateState, Later]:
    """Give a turn in the line; what was learned makes it longer only while that holds."""
    reason = state.reason if now < state.closed_until else PACING
    if caller.booked_at >= earliest and caller.booked_at > now:
        return state, Later(caller.booked_at, reason)  # It came too early.
    others = _less(state.bookings, caller.booked_at)
    taken = merged(state.calls, others)
    at = _behind_line(state, state.learned.pace(pace, now), taken, earliest)
    if now < state.learned.until < at:
        at = max(state.learned.until, _behind_line(state, pace, taken, earliest))
    at = _on_record(at)
    bookings = since(counted(others, at), now)
    return replace(state, bookings=bookings, booked_until=at), Later(at, reason)


def _behind_line(state: GateState, pace: Pace, taken: Minutes, earliest: float) -> float:
    return pace.earliest(taken, max(earliest, state.booked_until + LINE_SLACK * pace.spacing))


def _admit(state: GateState, caller: Caller, at: float, now: float) -> tuple[GateState, Ticket]:
    ticket = Ticket(
        at,
        caller.owner,
        caller.holder,
        caller.delivery,
        caller.revision,
        caller.ledger,
        probe=bool(state.reason),
    )
    under_way = [
        each for each in state.tickets if each.owner != caller.owner and each.at + TICKET_SECONDS > now
    ]
    admitted = replace(
        state,
        bookings=since(_less(state.bookings, caller.booked_at), now),
        tickets=(*under_way, ticket),
        ledgers=_seen(state.ledgers, caller.ledger, now),
    )
    if not caller.reads:
        admitted = replace(admitted, last_at=at, calls=since(counted(state.calls, at), now))
    return admitted, ticket


def _seen(ledgers: Mapping[str, float], ledger: str, now: float) -> Mapping[str, float]:
    """Note a ledger, and forget those of stacks that are gone."""
    recent = {each: at for each, at in ledgers.items() if at > now - _REMEMBERED_SECONDS}
    return {**recent, ledger: round(now)}


def _probe_under_way(state: GateState, caller: Caller, now: float) -> Ticket | None:
    if not state.reason:
        return None
    return next(
        (
            each
            for each in state.tickets
            if each.probe and each.owner != caller.owner and each.at + TICKET_SECONDS > now
        ),
        None,
    )


def _less(bookings: Minutes, booked_at: float) -> Minutes:
    return counted(bookings, booked_at, -1) if booked_at else bookings


def _on_record(moment: float) -> float:
    """Give a moment as the ledger keeps it, in milliseconds: a booking is taken back by what stands there."""
    return math.ceil(moment * 1000) / 1000


def _growing(seconds: float, times: int) -> float:
    return min(MAX_PAUSE_SECONDS, seconds * 2.0 ** min(max(times, 0), 20))
