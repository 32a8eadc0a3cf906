"""How fast GitHub may be called: what holds for any calls at any times."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.dispatch.pacing import (
    Minutes,
    Pace,
    after,
    counted,
    in_hour_before,
    in_minute_before,
    merged,
    since,
    until,
)

from ..samples import NOW, total

HOUR, MINUTE = 3600, 60
SLACK = 40.0
"""How much later than planned GitHub may count a call: so much longer than an hour it counts here."""

MIDDLE = int(NOW // MINUTE)
GAPS = st.one_of(st.floats(0, 2), st.floats(0, 90), st.floats(0, 2 * HOUR))
PACES = st.builds(Pace, per_minute=st.integers(1, 120), per_hour=st.integers(1, 8))
CALLS = st.tuples(st.integers(1, 3), st.integers(1, 60))
COUNTS = st.dictionaries(st.integers(MIDDLE - 90, MIDDLE + 90), CALLS, max_size=30)
MOMENTS = st.floats(NOW - HOUR, NOW + HOUR)


def has_room(pace: Pace, minutes: Minutes, moment: float) -> bool:
    """Tell whether a call at a moment fits into the hour before, whenever in their minutes the others were.

    Of a minute's calls each was a second before the next at the latest.
    """
    latest = [
        minute * MINUTE + last - seconds
        for minute, (count, last) in minutes.items()
        if minute * MINUTE <= moment
        for seconds in range(count)
    ]
    return sum(each + HOUR + SLACK > moment for each in latest) < pace.per_hour


def granted(pace: Pace, gaps: list[float]) -> list[float]:
    """Give the times at which callers may call who come one after the other, with gaps between them."""
    minutes: Minutes = {}
    now, last, times = NOW, 0.0, []
    for gap in gaps:
        now += gap
        last = pace.earliest(minutes, max(now, last + pace.spacing))
        minutes = since(counted(minutes, last), now)
        times.append(last)
    return times


@pytest.mark.parametrize(("per_minute", "spacing"), [(1, 60), (30, 2), (60, 1), (61, 1), (6000, 1)])
def test_calls_are_spread_evenly_and_never_closer_than_a_second(per_minute: int, spacing: float) -> None:
    """The minute's calls have the same distance, and GitHub's second is kept whatever is configured."""
    assert Pace(per_minute, 500).spacing == spacing


@settings(deadline=None, max_examples=200)
@given(PACES, st.lists(GAPS, max_size=40), st.data())
def test_no_hour_has_more_calls_than_permitted(pace: Pace, gaps: list[float], data: st.DataObject) -> None:
    """No hour, wherever it begins, has more calls, also where each begins up to forty seconds late."""
    times = granted(pace, gaps)
    late = data.draw(st.lists(st.floats(0, SLACK), min_size=len(times), max_size=len(times)))
    begun = sorted(time + seconds for time, seconds in zip(times, late, strict=True))
    for first, one_too_many in zip(begun, begun[pace.per_hour :], strict=False):
        assert one_too_many - first >= HOUR


@settings(deadline=None, max_examples=200)
@given(PACES, st.lists(GAPS, max_size=40))
def test_spacing_is_kept(pace: Pace, gaps: list[float]) -> None:
    """No two calls are closer than the spacing, and nobody goes before those who came first."""
    assert all(later - earlier >= pace.spacing - 1e-6 for earlier, later in pairwise(granted(pace, gaps)))


@settings(deadline=None, max_examples=200)
@given(PACES, st.lists(GAPS, min_size=1, max_size=40), st.floats(0, HOUR))
def test_nobody_waits_longer_than_the_hour_and_its_slack(pace: Pace, gaps: list[float], rest: float) -> None:
    """A call comes 100 s after it would just fit, at the latest: a minute's calls may all be at its end."""
    calls = granted(pace, gaps)
    start = calls[-1] + rest
    minutes: Minutes = {}
    for call in calls:
        minutes = counted(minutes, call)
    fits = max(start, calls[-pace.per_hour] + HOUR) if len(calls) >= pace.per_hour else start
    assert fits <= pace.earliest(minutes, start) <= fits + MINUTE + SLACK


@settings(deadline=None, max_examples=60)
@given(PACES, COUNTS, MOMENTS)
def test_the_first_moment_with_room_is_given(pace: Pace, minutes: Minutes, start: float) -> None:
    """There is room at the moment that is given, and none before it, whatever is booked for later."""
    found = pace.earliest(minutes, start)
    assert found >= start
    assert has_room(pace, minutes, found)
    seconds = range(int(start) + 1, int(found) + 1)
    before = [moment for moment in [start, *map(float, seconds), found - 0.001] if start <= moment < found]
    assert not [moment for moment in before if has_room(pace, minutes, moment)]


@pytest.mark.parametrize(
    ("minutes", "start", "found"),
    [
        ({}, NOW, NOW),
        ({MIDDLE: 1}, NOW, NOW),
        ({MIDDLE: 2}, NOW, (MIDDLE + 1) * 60 + 3640 - 1),
        ({MIDDLE: 1, MIDDLE + 1: 1}, NOW, NOW),
        ({MIDDLE: 1, MIDDLE + 1: 1}, (MIDDLE + 1) * 60.0, (MIDDLE + 1) * 60 + 3640),
        ({MIDDLE: 2, MIDDLE + 30: 2}, NOW, (MIDDLE + 31) * 60 + 3640 - 1),
        ({MIDDLE: 90}, NOW, (MIDDLE + 1) * 60 + 3640 - 1),
        ({MIDDLE - 62: 2}, NOW, NOW),
        ({MIDDLE - 61: 2}, MIDDLE * 60.0, MIDDLE * 60 + 39),
    ],
    ids=[
        "empty",
        "room",
        "full",
        "booked later",
        "booked by then",
        "full twice",
        "too full",
        "forgotten",
        "slack",
    ],
)
def test_hour_of_two_calls(minutes: dict[int, int], start: float, found: float) -> None:
    """A full hour is waited out, call by call; what is booked for later is in nobody's way."""
    assert Pace(60, 2).earliest({each: (count, 60) for each, count in minutes.items()}, start) == found


@settings(deadline=None, max_examples=200)
@given(PACES, COUNTS, MOMENTS, st.floats(0, 2 * HOUR))
def test_what_is_forgotten_was_not_needed(pace: Pace, minutes: Minutes, now: float, later: float) -> None:
    """Forgetting changes no decision from then on, and keeps no more than the hour and its slack."""
    kept = since(minutes, now)
    assert pace.earliest(kept, now + later) == pace.earliest(minutes, now + later)
    assert all(minute * MINUTE > now - HOUR - 2 * MINUTE - SLACK for minute in kept)


@pytest.mark.parametrize("now", [MIDDLE * 60.0, NOW, MIDDLE * 60 + 59.999])
@pytest.mark.parametrize("minute", range(MIDDLE - 64, MIDDLE - 57))
def test_minute_is_kept_as_long_as_it_counts(minute: int, now: float) -> None:
    """A minute is forgotten in the moment from which it is in nobody's way, not earlier and not later."""
    counts = Pace(60, 1).earliest({minute: (1, 60)}, now) > now
    assert bool(since({minute: (1, 60)}, now)) is counts


@settings(deadline=None, max_examples=200)
@given(COUNTS, MOMENTS)
def test_booking_can_be_taken_back(minutes: Minutes, moment: float) -> None:
    """A booking that is taken back leaves no trace, and what is empty is not kept."""
    booked = counted(minutes, moment)
    assert total(booked) == total(minutes) + 1
    assert all(type(minute) is int for minute in booked)
    freed = counted(booked, moment, -1)
    assert {minute: count for minute, (count, _) in freed.items()} == {
        minute: count for minute, (count, _) in minutes.items()
    }
    assert counted({}, moment, -1) == {}


@pytest.mark.parametrize(("seconds", "last"), [(0.0, 1), (0.999, 1), (1.0, 2), (59.999, 60)])
def test_last_call_of_a_minute_leaves_the_hour_when_it_was_made(seconds: float, last: int) -> None:
    """A minute's calls don't count until the minute's end, but as long as the last of them, to the second."""
    moment = MIDDLE * 60 + seconds
    minutes = counted({}, moment)
    assert minutes == {MIDDLE: (1, last)}
    assert counted(minutes, MIDDLE * 60) == {MIDDLE: (2, last)}
    assert Pace(60, 1).earliest(minutes, moment) == MIDDLE * 60 + last + HOUR + SLACK


@settings(deadline=None, max_examples=200)
@given(PACES, st.lists(GAPS, min_size=1, max_size=40))
def test_the_last_minute_is_counted(pace: Pace, gaps: list[float]) -> None:
    """All calls of the minute before are counted, and none that are older than two."""
    calls = granted(pace, gaps)
    minutes: Minutes = {}
    for call in calls:
        minutes = counted(minutes, call)
    now = calls[-1]
    found = in_minute_before(minutes, now, pace.spacing)
    assert (
        sum(call > now - MINUTE for call in calls) <= found <= sum(call > now - 2 * MINUTE for call in calls)
    )
    assert found <= MINUTE / pace.spacing + 1


@settings(deadline=None, max_examples=200)
@given(COUNTS, MOMENTS)
def test_hour_has_room_when_fewer_are_in_it(minutes: Minutes, moment: float) -> None:
    """The number that is told is the one that the limit is held against."""
    found = in_hour_before(minutes, moment)
    assert Pace(60, found + 1).earliest(minutes, moment) == moment
    assert found == 0 or Pace(60, found).earliest(minutes, moment) > moment


@settings(deadline=None, max_examples=200)
@given(COUNTS, COUNTS)
def test_what_is_counted_in_two_places_is_added_up(some: Minutes, others: Minutes) -> None:
    """Calls and bookings count alike."""
    together = merged(some, others)
    assert together == merged(others, some)
    assert total(together) == total(some) + total(others)


@settings(deadline=None, max_examples=200)
@given(COUNTS, MOMENTS)
def test_bookings_are_told_apart_by_a_moment(minutes: Minutes, moment: float) -> None:
    """What was counted by then and what is booked from then on share the minute itself alone."""
    early, late = until(minutes, moment), after(minutes, moment)
    assert early == {minute: calls for minute, calls in minutes.items() if minute * MINUTE <= moment}
    assert late == {minute: calls for minute, calls in minutes.items() if (minute + 1) * MINUTE > moment}
