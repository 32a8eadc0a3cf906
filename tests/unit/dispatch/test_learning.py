"""What refusals teach: fewer calls a minute or an hour than we are set to, for some hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions.dispatch.gate_state import (
    MAX_PAUSE_SECONDS,
    RATE_LIMITED,
    GateState,
    Later,
    Ticket,
    called,
    enter,
    limited,
    overrun,
    succeeded,
)
from functions.dispatch.learning import LEARNED_SECONDS, Learned, refused
from functions.dispatch.pacing import Minutes, Pace, counted

from ..samples import NOW, caller, total

PACE = Pace(per_minute=60, per_hour=500)
HOUR, MINUTE = 3600, 60


def made(*moments: float) -> Minutes:
    """Count calls."""
    minutes: Minutes = {}
    for moment in moments:
        minutes = counted(minutes, moment)
    return minutes


def burst(number: int, ended: float, spacing: float = 1.0) -> list[float]:
    """Give the times of calls one after the other."""
    return [ended - spacing * each for each in reversed(range(number))]


HOUR_AGO = made(*burst(300, NOW - 3000))


@pytest.mark.parametrize(
    ("before", "in_minute", "per_minute", "suspected"),
    [
        (0, 27, 0, 27),
        (27, 27, 26, 27),
        (24, 27, 26, 24),
        (31, 27, 0, 27),
        (0, 11, 0, 11),
        (11, 10, 0, 11),
    ],
    ids=["once", "twice", "about as many", "not as many", "enough for a minute's limit", "too few for one"],
)
def test_minute_with_as_many_calls_is_refused_twice(
    before: int, in_minute: int, per_minute: int, suspected: int
) -> None:
    """A refusal after many calls may be an accident; another one after about as many tells the limit."""
    known = Learned(suspected=before, until=NOW + 1)
    learned, room_at = refused(known, PACE, made(*burst(in_minute, NOW - 1)), 1, NOW)
    assert (learned.per_minute, learned.per_hour, learned.suspected) == (per_minute, 0, suspected)
    assert room_at == NOW


@pytest.mark.parametrize(
    ("calls", "refusals", "per_hour"),
    [(300, 1, 0), (300, 2, 0), (300, 3, 300), (300, 4, 300), (49, 3, 0), (50, 3, 50), (0, 9, 0)],
)
def test_hour_is_refused_again_and_again(calls: int, refusals: int, per_hour: int) -> None:
    """Three refusals in a row, with hardly a call in the minute, mean that the hour holds no more."""
    learned, _ = refused(Learned(), PACE, made(*burst(calls, NOW - 3000)), refusals, NOW)
    assert (learned.per_minute, learned.per_hour) == (0, per_hour)
    assert learned.until == (NOW + LEARNED_SECONDS if per_hour else 0.0)


def test_minute_that_is_not_over_teaches_nothing_more() -> None:
    """A pause that is shorter than a minute leaves it as full as before."""
    calls = made(*burst(27, NOW - 5))
    assert refused(Learned(26, 0, 27, NOW + 60), PACE, calls, 2, NOW) == (Learned(26, 0, 27, NOW + 60), NOW)


def test_suspicion_is_forgotten() -> None:
    """Two refusals with hours in between have nothing to do with each other."""
    learned, _ = refused(Learned(26, 100, 27, NOW), PACE, made(*burst(27, NOW - 1)), 1, NOW)
    assert learned == Learned(0, 0, 27, NOW + LEARNED_SECONDS)


def test_full_hour_is_tried_again_when_a_fifth_has_left_it() -> None:
    """What may be far below our own number is looked for in steps, and not call by call."""
    _, room_at = refused(Learned(), PACE, made(*burst(300, NOW - 3300)), 2, NOW)
    assert room_at == pytest.approx(NOW + 3600 + 40 - 3300 - 240, abs=2)


def test_what_was_learned_is_forgotten() -> None:
    """The cause may be over, and a limit that stands is learned again."""
    learned = Learned(26, 166, 0, NOW + LEARNED_SECONDS)
    assert learned.pace(PACE, NOW) == Pace(26, 166)
    assert learned.pace(PACE, NOW + LEARNED_SECONDS) == PACE
    assert learned.pace(Pace(10, 20), NOW) == Pace(10, 20)
    assert Learned(0, 166, 0, NOW + 1).pace(PACE, NOW) == Pace(60, 166)


def test_refusal_makes_the_gate_slower_for_all() -> None:
    """Whoever comes next keeps the distance that was learned."""
    full = GateState(
        calls=made(*burst(28, NOW)), last_at=NOW, learned=Learned(suspected=27, until=NOW + HOUR)
    )
    state = overrun(full, PACE, NOW, 60)
    assert (state.learned.per_minute, state.closed_until, state.reason) == (26, NOW + 60, RATE_LIMITED)
    state, first = enter(state, PACE, caller(), NOW + 60)
    state, second = enter(succeeded(state), PACE, caller("b"), NOW + 60)
    assert isinstance(first, Ticket)
    assert second == Ticket(NOW + 60 + MINUTE / 26, "b", "b-1", "b-delivery")
    _, third = enter(state, PACE, caller("c", patience=0.0), NOW + 63)
    assert third.at == pytest.approx(NOW + 60 + 2 * MINUTE / 26, abs=0.001)


def test_refused_call_is_not_counted() -> None:
    """What GitHub did not take uses up nothing."""
    state = GateState(calls=made(NOW - 1, NOW), last_at=NOW)
    assert total(overrun(state, PACE, NOW, 60).calls) == 1


def test_refusal_that_is_told_twice_counts_once() -> None:
    """A write whose answer got lost is repeated, and makes no room that is not there."""
    once = overrun(GateState(calls=made(NOW - 1, NOW), last_at=NOW), PACE, NOW, 60)
    assert overrun(once, PACE, NOW + 1, 60) == once
    state, ticket = enter(once, PACE, caller(), NOW + 60)
    assert isinstance(ticket, Ticket)
    again = overrun(called(state, NOW + 60), PACE, NOW + 61, 60)
    assert (again.limits, total(again.calls)) == (2, 1)


@pytest.mark.parametrize(("refusals", "pause"), [(1, 60), (2, 120), (3, 240), (4, 480), (5, 900), (9, 900)])
def test_pauses_grow_while_the_hour_stays_full(refusals: int, pause: float) -> None:
    """GitHub names a minute each time; it is asked again and again only where that helps."""
    calls = made(*burst(300, NOW - 120))
    state = overrun(GateState(calls=calls, limits=refusals - 1), PACE, NOW, 60)
    assert state.closed_until - NOW == min(pause, MAX_PAUSE_SECONDS)


def test_named_pause_is_never_shortened() -> None:
    """What GitHub asks for stands, whatever was learned."""
    state = overrun(GateState(calls=HOUR_AGO, limits=1), PACE, NOW, 3000)
    assert state.closed_until == NOW + 3000


def test_unnamed_pauses_grow_with_every_refusal() -> None:
    """After a refusal with a time, one without a time is the second one."""
    assert limited(limited(GateState(), NOW, 10), NOW, None).closed_until == NOW + 120


class GitHub:
    """One that allows so many calls a minute and an hour, and asks for a minute of silence."""

    def __init__(self, per_minute: int, per_hour: int) -> None:
        self.per_minute, self.per_hour = per_minute, per_hour
        self.taken: list[float] = []
        self.refused = 0

    def call(self, now: float) -> bool:
        """Take a call, or refuse it."""
        full = self._since(now - MINUTE) >= self.per_minute or self._since(now - HOUR) >= self.per_hour
        self.refused += full
        if not full:
            self.taken.append(now)
        return not full

    def _since(self, moment: float) -> int:
        return sum(each > moment for each in reversed(self.taken[-self.per_hour :]))


def worked_off(github: GitHub, number: int) -> Iterator[float]:
    """Work a backlog off, one after the other, as the gate allows."""
    state, now, booked_at = GateState(), NOW, 0.0
    while number:
        state, decision = enter(state, PACE, caller(booked_at=booked_at), now)
        now = max(now, decision.at)
        booked_at = decision.at if isinstance(decision, Later) else 0.0
        if isinstance(decision, Ticket) and github.call(now):
            state, number = succeeded(state), number - 1
            yield now
        elif isinstance(decision, Ticket):
            state = overrun(called(state, now), PACE, now, MINUTE)


@pytest.mark.parametrize(
    ("per_minute", "per_hour", "refusals"),
    [(80, 500, 0), (60, 500, 0), (26, 166, 10), (26, 500, 4), (80, 166, 8), (80, 450, 8), (40, 300, 10)],
)
def test_limits_below_ours_are_found_and_kept(per_minute: int, per_hour: int, refusals: int) -> None:
    """A long backlog meets a handful of refusals every three hours, and is hardly slower than it must be."""
    github = GitHub(per_minute, per_hour)
    times = list(worked_off(github, per_hour * 5))
    assert github.refused <= 2 * refusals
    assert times[-1] - times[0] <= 1.06 * 4 * HOUR + HOUR / 2


def test_lifted_limit_is_used_again() -> None:
    """Three hours after the last refusal, what we are set to holds again."""
    github = GitHub(26, 166)
    times = worked_off(github, 5000)
    while (now := next(times)) < NOW + 2 * HOUR:
        pass
    github.per_minute, github.per_hour = 80, 500
    later = [
        each for each in times if now + LEARNED_SECONDS + HOUR <= each < now + LEARNED_SECONDS + 2 * HOUR
    ]
    assert 450 <= len(later) <= 500


def test_what_was_learned_first_sets_the_end() -> None:
    """A later refusal of which nobody knows the cause makes nothing that was learned last longer."""
    known = Learned(per_hour=50, until=NOW + 60)
    learned, _ = refused(known, PACE, made(*burst(12, NOW - 1)), 1, NOW)
    assert learned == replace(known, suspected=12)


def test_no_minute_is_slower_than_the_hour_needs() -> None:
    """What an hour may hold must fit into its minutes."""
    known = Learned(suspected=2, until=NOW + 60)
    learned, _ = refused(known, Pace(60, 80), made(*burst(2, NOW - 1)), 1, NOW)
    assert learned.per_minute == 2


def test_line_is_not_longer_than_what_was_learned_lasts() -> None:
    """Who is put off by a limit that is forgotten in an hour does not wait for a day."""
    state = GateState(learned=Learned(per_hour=50, until=NOW + HOUR))
    turns = []
    for number in range(600):
        state, decision = enter(state, PACE, caller(str(number), patience=-1.0), NOW)
        turns.append(decision.at)
    assert turns == sorted(turns)
    early = [turn for turn in turns if turn < NOW + HOUR]
    assert len(early) == 50
    assert turns[-1] <= NOW + 2 * HOUR + 600
