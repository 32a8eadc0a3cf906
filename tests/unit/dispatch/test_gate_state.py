"""The gate's rules, from one state to the next: who may call now, and when the others have their turn."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.dispatch.gate_state import (
    CREDENTIAL,
    FAILURES_TO_CLOSE,
    LINE_SLACK,
    MAX_LOOK_SECONDS,
    OUTAGE,
    PACING,
    PROBE_SECONDS,
    RATE_LIMITED,
    TICKET_SECONDS,
    Caller,
    GateState,
    Later,
    Ticket,
    back_at,
    called,
    enter,
    failed,
    leave,
    limited,
    rejected,
    silenced,
    succeeded,
)
from functions.dispatch.pacing import Pace

from ..samples import NOW, caller, total

PACE = Pace(per_minute=60, per_hour=500)
OPEN = GateState()
STEP = LINE_SLACK * PACE.spacing
"""The distance of two turns in a line."""

REJECTED = f"{CREDENTIAL}rejected"


def admit(
    state: GateState, now: float, who: Caller | None = None, pace: Pace = PACE
) -> tuple[GateState, Ticket]:
    """Let somebody in."""
    state, decision = enter(state, pace, who or caller(), now)
    assert isinstance(decision, Ticket)
    return state, decision


def put_off(
    state: GateState, now: float, who: Caller | None = None, pace: Pace = PACE
) -> tuple[GateState, Later]:
    """Have somebody put off."""
    state, decision = enter(state, pace, who or caller(), now)
    assert isinstance(decision, Later)
    return state, decision


def line(state: GateState, now: float, length: int, pace: Pace = PACE) -> GateState:
    """Have some queue up."""
    for number in range(length):
        state, _ = put_off(state, now, caller(f"line-{number}", patience=0.0), pace)
    return state


BUSY = admit(OPEN, NOW)[0]
"""Somebody was let in just now."""

LIMITED = limited(BUSY, NOW, 60)
SHUT = rejected(BUSY, NOW, REJECTED, "key")


def test_open_gate_admits_at_once() -> None:
    """Who comes to an open gate calls now."""
    state, ticket = admit(OPEN, NOW)
    assert ticket == Ticket(NOW, "a", "a-1", "a-delivery", probe=False)
    assert (state.tickets, state.last_at, total(state.calls)) == ((ticket,), NOW, 1)


@pytest.mark.parametrize(
    ("state", "now", "name"),
    [
        (OPEN, NOW, "open"),
        (BUSY, NOW, "open"),
        (LIMITED, NOW + 59, "closed: rate-limited"),
        (LIMITED, NOW + 60, "probing: rate-limited"),
        (SHUT, NOW, "closed: credential-rejected"),
        (succeeded(LIMITED), NOW, "open"),
        (failed(OPEN, NOW), NOW, "open"),
    ],
)
def test_gate_has_a_name_for_how_it_stands(state: GateState, now: float, name: str) -> None:
    """People read whether it is open, closed and why, or being tried."""
    assert state.name(now) == name


def test_gate_is_probing_while_the_probe_is_under_way() -> None:
    """Who tries a gate whose closure is over reads that it is being tried."""
    state, _ = admit(LIMITED, NOW + 60)
    assert state.name(NOW + 60) == "probing: rate-limited"


@pytest.mark.parametrize(
    ("patience", "decision"),
    [
        (1.0, Ticket(NOW + 1, "b", "b-1", "b-delivery")),
        (3.0, Ticket(NOW + 1, "b", "b-1", "b-delivery")),
        (0.9, Later(NOW + 1, PACING)),
        (0.0, Later(NOW + 1, PACING)),
    ],
)
def test_pacing_is_waited_out_on_the_spot_or_booked(patience: float, decision: Ticket | Later) -> None:
    """A second call comes a second later: at once for who has the patience, as a booking for who has not."""
    assert enter(BUSY, PACE, caller("b", patience=patience), NOW)[1] == decision


@pytest.mark.parametrize("per_minute", [60, 30, 1])
def test_bookings_form_a_line(per_minute: int) -> None:
    """Each who is put off has a turn of his own, in the order in which they came."""
    pace = Pace(per_minute, 500)
    state, turns = BUSY, []
    for name in "bcd":
        state, decision = put_off(state, NOW, caller(name, patience=0.0), pace)
        turns.append(decision.at - NOW)
    first, step = pace.spacing, LINE_SLACK * pace.spacing
    assert turns == pytest.approx([first, first + step, first + 2 * step])
    assert (state.booked_until, total(state.bookings)) == (NOW + turns[-1], 3)


def test_who_has_a_turn_goes_first() -> None:
    """In the middle of a line a newcomer queues behind it, and who has booked for now is let in."""
    state = line(BUSY, NOW, 10)
    _, behind = put_off(state, NOW + 5, caller("new"))
    assert behind == Later(state.booked_until + STEP, PACING)
    state, ticket = admit(state, NOW + 5, caller("b", booked_at=NOW + 5))
    assert ticket.at == NOW + 5
    assert total(state.bookings) == 9


def test_line_that_ends_within_the_patience_holds_nobody_up() -> None:
    """Where the last one's turn is near, a newcomer waits on the spot like him."""
    state = line(BUSY, NOW, 2)
    _, ticket = admit(state, NOW, caller("new", patience=3.0))
    assert ticket.at == NOW + 1


@pytest.mark.parametrize("state", [line(BUSY, NOW, 60), LIMITED, SHUT])
def test_who_comes_too_early_keeps_the_turn(state: GateState) -> None:
    """A message that SQS brings back before its time changes nothing, and is told its time again."""
    same, decision = put_off(state, NOW + 1, caller("b", booked_at=NOW + 61))
    assert same is state
    assert decision == Later(NOW + 61, state.reason or PACING)


@pytest.mark.parametrize("booked_at", [NOW + 1, NOW + 20, NOW + 1800])
def test_turn_in_a_closure_is_replaced(booked_at: float) -> None:
    """Who can't have what was booked for him gets another turn, and the old one is nobody's any more."""
    state = limited(line(BUSY, NOW, 10), NOW, 3600)
    after, decision = put_off(state, NOW + 1, caller("b", booked_at=booked_at))
    assert decision == Later(NOW + 3600 + STEP, RATE_LIMITED)
    assert total(after.bookings) == total(state.bookings) + (booked_at > NOW + 60)


@pytest.mark.parametrize("patience", [0.0, 3.0])
def test_minutes_that_no_hour_includes_are_forgotten(patience: float) -> None:
    """The state does not grow with the calls and bookings of the past."""
    old = {int(NOW // 60) - 63: (1, 60)}
    after, _ = enter(replace(BUSY, calls=old, bookings=old), PACE, caller("b", patience=patience), NOW)
    assert not old.keys() & (
        after.bookings.keys() if patience == 0 else after.calls.keys() | after.bookings.keys()
    )


def test_full_hour_is_waited_out() -> None:
    """Above the hour's number turns are given in the next one, as one call after the other leaves it."""
    pace = Pace(60, 2)
    state, _ = admit(admit(OPEN, NOW, pace=pace)[0], NOW + 1, pace=pace)
    room_at = NOW + 1 + 3640
    state, first = put_off(state, NOW + 2, caller("b"), pace)
    state, second = put_off(state, NOW + 2, caller("c"), pace)
    state, third = put_off(state, NOW + 2, caller("d"), pace)
    assert (first.at, second.at) == (room_at, room_at + STEP)
    assert third.at > room_at + 3600


def test_own_booking_does_not_count_against_the_hour() -> None:
    """Who has the last place of an hour can take it."""
    pace = Pace(60, 1)
    state, turn = put_off(admit(OPEN, NOW, pace=pace)[0], NOW, caller("b"), pace)
    _, other = put_off(state, turn.at, caller("c"), pace)
    assert other.at > turn.at + 3600
    _, ticket = admit(state, turn.at, caller("b", booked_at=turn.at), pace)
    assert ticket.at == turn.at


@pytest.mark.parametrize(
    ("number", "bookings", "seconds"), [(100, 1, 99 * STEP), (600, 2, 3700 + 100 * STEP)]
)
def test_burst_is_worked_off_at_full_speed(number: int, bookings: int, seconds: float) -> None:
    """Many at once are served one after the other, each after being put off once, or once an hour."""
    state, times, most = OPEN, list[float](), 0
    waiting = [(NOW, each, 0.0, 0) for each in range(number)]
    while waiting:
        now, each, booked_at, times_off = waiting.pop(waiting.index(min(waiting)))
        state, decision = enter(state, PACE, caller(str(each), booked_at=booked_at, patience=0.0), now)
        if isinstance(decision, Ticket):
            times.append(decision.at)
            most = max(most, times_off)
        else:
            waiting.append((decision.at, each, decision.at, times_off + 1))
    assert most <= bookings
    assert times[-1] - times[0] <= seconds
    assert not state.bookings


@pytest.mark.parametrize("fraction", [0.0, 0.9996, 0.99996])
def test_turn_is_taken_back_from_the_minute_in_which_it_was_booked(fraction: float) -> None:
    """The ledger keeps a turn in milliseconds, and its rounding leaves no place of the hour taken."""
    before_a_minute = NOW // 60 * 60 + 58 + fraction
    state, turn = put_off(admit(OPEN, before_a_minute)[0], before_a_minute, caller("b", patience=0.0))
    state, _ = admit(state, turn.at, caller("b", booked_at=round(turn.at, 3)))
    assert not state.bookings


def test_closure_voids_what_was_booked_for_later() -> None:
    """Turns after the trouble are nobody's any more: a new line starts at the closure's end."""
    state = limited(line(BUSY, NOW, 300), NOW, 3600)
    assert {minute * 60 for minute in state.bookings} <= {NOW // 60 * 60}
    state, first = put_off(state, NOW + 1, caller("b", booked_at=NOW + 1))
    _, second = put_off(state, NOW + 2, caller("c", booked_at=NOW + 2))
    assert (first.at, second.at) == pytest.approx((NOW + 3600 + STEP, NOW + 3600 + 2 * STEP), rel=1e-15)
    assert first.reason == RATE_LIMITED


def test_who_met_the_trouble_probes_first() -> None:
    """Who comes back at the end of the closure is before the line."""
    state = line(LIMITED, NOW + 1, 5)
    _, ticket = admit(state, NOW + 60, caller("a", booked_at=NOW + 60))
    assert (ticket.at, ticket.probe) == (NOW + 60, True)


def test_announced_pause_is_kept() -> None:
    """A rate limit closes the gate for as long as GitHub says."""
    state = limited(BUSY, NOW, 17)
    assert (state.reason, state.closed_since, state.closed_until) == (RATE_LIMITED, NOW, NOW + 17)


def close_again(state: GateState, times: int, trouble: Any) -> list[float]:
    """Have one probe after the other fail, and give the pauses."""
    now, pauses = NOW, []
    for _ in range(times):
        state = trouble(admit(state, now)[0], now)
        pauses.append(max(0.0, state.closed_until - now))
        now = max(now, state.closed_until) + PACE.spacing
    return pauses


def test_pauses_that_nobody_announces_grow() -> None:
    """Without a time from GitHub a limit is waited out for a minute, then ever longer, to 15 minutes."""
    pauses = close_again(OPEN, 7, lambda state, now: limited(state, now, None))
    assert pauses == [60, 120, 240, 480, 900, 900, 900]


def test_pauses_of_an_outage_grow() -> None:
    """Two failures mean nothing; from the third in a row on the pauses double, up to a quarter of an hour."""
    assert close_again(OPEN, 13, failed) == [0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]
    assert close_again(GateState(failures=10_000), 1, failed) == [900]


def test_success_forgets_failures() -> None:
    """Failures count in a row only."""
    state = failed(failed(OPEN, NOW), NOW)
    assert failed(state, NOW).reason == OUTAGE
    assert failed(succeeded(state), NOW).reason == ""


@pytest.mark.parametrize("closed", [limited(BUSY, NOW, None), SHUT, failed(GateState(failures=9), NOW)])
def test_success_leaves_nothing_of_a_closure(closed: GateState) -> None:
    """After a success it is as though the gate had never been closed."""
    state = succeeded(closed)
    assert (state.reason, state.closed_since, state.closed_until) == ("", 0, 0)
    assert (state.failures, state.limits, state.credential) == (0, 0, "")


def test_failing_probe_closes_at_once() -> None:
    """While a closure is being tried one failure is enough, whatever it had been closed for."""
    probing, _ = admit(LIMITED, NOW + 60)
    assert probing.failures + 1 < FAILURES_TO_CLOSE
    state = failed(probing, NOW + 61)
    assert (state.reason, state.closed_since, state.closed_until) == (OUTAGE, NOW, NOW + 66)
    assert admit(state, NOW + 66, caller("b"))[1].probe


def test_failure_does_not_shorten_an_announced_pause() -> None:
    """What GitHub has asked for holds, also where the same call had no good answer besides."""
    assert failed(limited(BUSY, NOW, 3600), NOW).closed_until >= NOW + 3600


@pytest.mark.parametrize("wait", [0.0, PROBE_SECONDS, TICKET_SECONDS - 0.1])
def test_one_call_probes_and_the_others_wait_for_it(wait: float) -> None:
    """After a closure a single call is let in, and nobody else until it must be over."""
    state, ticket = admit(LIMITED, NOW + 60)
    assert ticket.probe
    put_off(state, NOW + 60 + wait, caller("b", booked_at=NOW + 60))
    assert admit(state, NOW + 60 + TICKET_SECONDS, caller("b", booked_at=NOW + 60))[1].probe


@pytest.mark.parametrize("wait", [0.0, 4.9, 5.0, 20.0])
def test_who_waits_for_a_probe_comes_back_later(wait: float) -> None:
    """However long a probe takes, who asks meanwhile is never told to come back at once."""
    state, _ = admit(LIMITED, NOW + 60)
    now = NOW + 60 + wait
    assert put_off(state, now, caller("b", booked_at=now))[1].at > now


def test_probe_that_is_given_back_leaves_the_next_one_to_it() -> None:
    """A probe that was not made holds nobody up."""
    state, ticket = admit(LIMITED, NOW + 60)
    assert admit(leave(state, ticket.holder), NOW + 60, caller("b"))[1].probe


def test_probe_that_is_asked_for_again_is_the_same_functions() -> None:
    """A function whose probe was refused because of its token may try with a new one."""
    state, _ = admit(LIMITED, NOW + 60)
    assert admit(state, NOW + 61, caller("a", holder="a-1+"))[1].probe


def test_probe_that_succeeds_opens_for_everybody() -> None:
    """After it, tickets are given at the usual speed, and are no probes."""
    state, _ = admit(LIMITED, NOW + 60)
    state, ticket = admit(succeeded(state), NOW + 61, caller("b"))
    assert (ticket.at, ticket.probe) == (NOW + 61, False)
    assert admit(state, NOW + 61, caller("c"))[1].at == NOW + 62


@pytest.mark.parametrize(
    ("closed_for", "pause", "look"),
    [(0, 60, 60), (119, 60, 60), (240, 120, 60), (480, 240, 120), (1680, 840, 420), (9e5, 900, 420)],
)
def test_rejected_credential_is_tried_and_looked_at_ever_more_seldom(
    closed_for: float, pause: float, look: float
) -> None:
    """A probe pauses for half of the time for which it has been wrong, a look at the secret for a quarter."""
    now = NOW + closed_for
    state = rejected(replace(SHUT, closed_until=now), now, REJECTED, "key")
    assert (state.closed_since, state.closed_until, back_at(state, now)) == (NOW, now + pause, now + look)


def test_replaced_secret_opens_for_whoever_has_a_turn() -> None:
    """With a new credential nothing is left of the closure because of the old one."""
    _, same = put_off(SHUT, NOW + 10)
    assert same.reason == REJECTED
    state, ticket = admit(SHUT, NOW + 10, caller(credential="new", booked_at=NOW + 10))
    assert (ticket.at, ticket.probe, state.name(NOW + 10)) == (NOW + 10, False, "open")


def test_replaced_secret_opens_for_newcomers() -> None:
    """Nobody waits behind a line that only the closure had made."""
    _, ticket = admit(SHUT, NOW + 10, caller("b", credential="new"))
    assert ticket.at == NOW + 10


@pytest.mark.parametrize("state", [LIMITED, failed(failed(failed(BUSY, NOW), NOW), NOW)])
def test_replaced_secret_does_not_end_other_trouble(state: GateState) -> None:
    """A rate limit or an outage is not mended by a new credential."""
    assert put_off(state, NOW + 1, caller(credential="new"))[1].reason == state.reason


def test_somebody_looks_at_a_wrong_secret_often_enough() -> None:
    """However long a secret is wrong, a replaced one is noticed within the greatest time."""
    state, now, booked_at, visits = OPEN, NOW, 0.0, list[float]()
    while now < NOW + 86_400:
        visits.append(now)
        state, decision = enter(state, PACE, caller(booked_at=booked_at), now)
        if isinstance(decision, Ticket):
            state = rejected(state, now, REJECTED, "key")
        now = booked_at = back_at(state, now) if isinstance(decision, Ticket) else decision.at
    assert max(later - earlier for earlier, later in pairwise(visits)) <= MAX_LOOK_SECONDS + 2 * STEP


def test_own_older_ticket_is_replaced_and_lapsed_ones_are_dropped() -> None:
    """A function does one thing at a time, and a dead one's call is over after a while."""
    state, _ = admit(OPEN, NOW, caller("a"))
    state, second = admit(state, NOW + 10, caller("b"))
    state, third = admit(state, NOW + TICKET_SECONDS - 0.001, caller("a", holder="a-2"))
    assert state.tickets == (second, third)
    state, third = admit(OPEN, NOW, caller("a"))
    state, fourth = admit(state, NOW + TICKET_SECONDS - 0.001, caller("b"))
    assert state.tickets == (third, fourth)
    state, fifth = admit(state, NOW + TICKET_SECONDS, caller("c"))
    assert state.tickets == (fourth, fifth)


def test_ticket_can_be_given_back() -> None:
    """Who does not call is in nobody's way; who has none changes nothing."""
    state, first = admit(OPEN, NOW, caller("a"))
    state, second = admit(state, NOW, caller("b"))
    assert leave(state, first.holder).tickets == (second,)
    assert leave(state, "nobody") == state


def test_nobody_calls_in_the_silence() -> None:
    """After a call of which nobody knows what it did the next one waits until that can be told."""
    state = silenced(BUSY, NOW + 12)
    assert admit(state, NOW + 10, caller("b"))[1].at == NOW + 12
    assert put_off(state, NOW + 1, caller("b"))[1] == Later(NOW + 12, PACING)
    assert silenced(state, NOW) == state


@pytest.mark.parametrize("state", [BUSY, line(BUSY, NOW, 60), silenced(BUSY, NOW + 12)])
def test_who_only_asks_is_let_in_at_once(state: GateState) -> None:
    """A look starts nothing: it keeps no distance, comes in a silence, and counts in no hour."""
    after, ticket = admit(state, NOW + 0.5, caller("b", reads=True))
    assert ticket.at == NOW + 0.5
    assert after == replace(state, tickets=(*state.tickets, ticket))


@pytest.mark.parametrize("now", [NOW + 1, NOW + 60])
def test_who_only_asks_waits_for_a_closed_gate_like_everybody(now: float) -> None:
    """A look is a call too: none in a closure, and one probe after it."""
    state = LIMITED if now < LIMITED.closed_until else admit(LIMITED, now)[0]
    assert put_off(state, now, caller("b", reads=True))[1].at > now
    assert admit(LIMITED, NOW + 60, caller("b", reads=True))[1].probe


def test_real_begin_of_a_call_never_goes_back() -> None:
    """What is known of the last call stays known."""
    assert called(called(OPEN, NOW), NOW - 1).called_at == NOW


STEPS = st.tuples(
    st.one_of(st.floats(0.01, 3), st.floats(0.01, 90), st.floats(0.01, 1200)),
    st.integers(0, 5),
    st.sampled_from(
        ["ok", "ok", "ok", "limit", "pause", "fail", "fail", "reject", "silence", "die", "leave"]
    ),
    st.booleans(),
)


def report(state: GateState, ticket: Ticket, outcome: str, credential: str) -> GateState:
    """Tell what became of a call that was short."""
    told: dict[str, Callable[[], GateState]] = {
        "ok": lambda: succeeded(state),
        "limit": lambda: limited(state, ticket.at, None),
        "pause": lambda: limited(state, ticket.at, 200),
        "fail": lambda: failed(state, ticket.at),
        "reject": lambda: rejected(state, ticket.at, REJECTED, credential),
        "silence": lambda: silenced(failed(state, ticket.at), ticket.at + 12),
        "leave": lambda: leave(state, ticket.holder),
        "die": lambda: state,
    }
    return told[outcome]()


@settings(deadline=None, max_examples=300)
@given(
    st.builds(Pace, per_minute=st.integers(10, 90), per_hour=st.integers(2, 40)), st.lists(STEPS, max_size=60)
)
def test_whatever_happens_calls_keep_their_distance_and_a_closed_gate_is_closed(
    pace: Pace, steps: list[tuple[float, int, str, bool]]
) -> None:
    """No two calls are too close or too many, and none comes in a closure or a silence, but for one probe."""
    state, now, credential, tickets = OPEN, NOW, 0, list[Ticket]()
    turns = dict.fromkeys(range(6), 0.0)
    shut = quiet = 0.0
    probes: dict[str, float] = {}
    for gap, number, outcome, in_time in steps:
        now = max(now + gap, turns[number] if in_time else 0.0)
        credential += outcome == "ok" and state.reason == REJECTED
        who = caller(str(number), booked_at=turns[number], credential=str(credential))
        if state.reason == REJECTED and state.credential != who.credential:
            shut, probes = 0.0, {}
        state, decision = enter(state, pace, who, now)
        if isinstance(decision, Later):
            turns[number] = decision.at
            continue
        assert now <= decision.at <= now + who.patience
        assert decision.at >= max(shut, quiet)
        assert decision.probe == bool(state.reason)
        assert all(owner == who.owner or at + TICKET_SECONDS <= now for owner, at in probes.items())
        tickets.append(decision)
        turns[number], now = 0.0, decision.at
        state = report(state, decision, outcome, who.credential)
        probes = {who.owner: decision.at} if decision.probe and outcome == "die" else {}
        shut = state.closed_until
        quiet = max(quiet, decision.at + 12 if outcome == "silence" else 0.0)
    times = [ticket.at for ticket in tickets]
    assert all(later - earlier >= pace.spacing - 1e-6 for earlier, later in pairwise(times))
    assert all(late - early >= 3600 for early, late in zip(times, times[pace.per_hour :], strict=False))
