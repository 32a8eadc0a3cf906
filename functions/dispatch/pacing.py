"""How fast GitHub may be called: at least a second between two calls, so many a minute, so many an hour.

Source of the rules: GitHub's "Best practices for using the REST API" (serial requests, a second between those
that write) and "Rate limits for the REST API" (secondary limits).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MIN_SPACING_SECONDS: Final = 1.0
_HOUR: Final = 3600
_MINUTE: Final = 60
_SLACK_SECONDS: Final = 40
"""How much longer than the hour a call counts, because GitHub may count it later than it was planned.

It begins up to 27 s late (`gate_state.START_SECONDS`, and what `calls` allows its claim), and GitHub works on
it for up to 10 s.
"""

Minutes = Mapping[int, tuple[int, int]]
"""The calls, made or booked, of each minute since the epoch that has any.

How many there are, and the second (from 1 to 60) of the minute by whose end the last of them was planned.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """The permitted speed.

    Attributes:
        per_minute: The most calls in any minute, spread evenly.
        per_hour: The most calls in any hour.
    """

    per_minute: int
    per_hour: int

    @property
    def spacing(self) -> float:
        """The least seconds between two calls."""
        return max(MIN_SPACING_SECONDS, _MINUTE / self.per_minute)

    def earliest(self, minutes: Minutes, after: float) -> float:
        """Give the first moment from `after` on at which the hour has room for one more call."""
        moment = after
        while in_hour_before(minutes, moment) >= self.per_hour:
            leaving = _leaving(minutes, moment)
            moment = min(_next_leaves(minutes, minute, left) for minute, left in leaving.items())
        return moment


def in_hour_before(minutes: Minutes, moment: float) -> int:
    """Count the calls that GitHub may count at a moment: those that are not an hour ago for certain."""
    return sum(_leaving(minutes, moment).values())


def in_minute_before(minutes: Minutes, moment: float, spacing: float) -> int:
    """Count the calls of the minute before a moment: so many at the most, where they are a spacing apart."""
    number, into = divmod(moment, _MINUTE)
    (current, _), (earlier, last) = (minutes.get(int(number) - ago, (0, 0)) for ago in (0, 1))
    return current + min(earlier, max(0, math.floor((last - into) / spacing) + 1))


def _leaving(minutes: Minutes, moment: float) -> dict[int, int]:
    """Give how many calls of each minute are in the hour before a moment."""
    last = int(moment // _MINUTE)
    left = {minute: _left(minutes, minute, moment) for minute in minutes if minute <= last}
    return {minute: count for minute, count in left.items() if count > 0}


def _gone(minutes: Minutes, minute: int) -> float:
    """Give when the last call of a minute is an hour ago for certain."""
    return float(minute * _MINUTE + minutes[minute][1] + _HOUR + _SLACK_SECONDS)


def _left(minutes: Minutes, minute: int, moment: float) -> int:
    """Give how many calls of a minute are still in the hour before a moment.

    Calls are a second apart at the least. So the last but one was made a second before the last at the
    latest, and so on: they leave one after the other, and not all with the last.
    """
    seconds = _gone(minutes, minute) - moment
    return max(0, min(minutes[minute][0], math.ceil(seconds / MIN_SPACING_SECONDS)))


def _next_leaves(minutes: Minutes, minute: int, left: int) -> float:
    """Give when the first of the calls leaves that are left of a minute."""
    return _gone(minutes, minute) - min((left - 1) * MIN_SPACING_SECONDS, _MINUTE)


def counted(minutes: Minutes, moment: float, by: int = 1) -> Minutes:
    """Count a call at a moment, or take a booking back (by -1)."""
    minute = int(moment // _MINUTE)
    count, last = minutes.get(minute, (0, 0))
    changed = {**minutes, minute: (count + by, max(last, int(moment % _MINUTE) + 1))}
    return {each: kept for each, kept in changed.items() if kept[0] > 0}


def merged(some: Minutes, others: Minutes) -> Minutes:
    """Add up what is counted in two places."""
    both = {minute: (some.get(minute, (0, 0)), others.get(minute, (0, 0))) for minute in {**some, **others}}
    return {minute: (one[0] + other[0], max(one[1], other[1])) for minute, (one, other) in both.items()}


def since(minutes: Minutes, now: float) -> Minutes:
    """Forget the minutes that no hour from now on includes."""
    return {minute: calls for minute, calls in minutes.items() if _gone(minutes, minute) > now}


def until(minutes: Minutes, moment: float) -> Minutes:
    """Keep what was counted up to a moment, and strike what was booked for later."""
    return {minute: calls for minute, calls in minutes.items() if minute <= moment // _MINUTE}


def after(minutes: Minutes, moment: float) -> Minutes:
    """Keep what is booked for a moment's minute and later."""
    return {minute: calls for minute, calls in minutes.items() if minute >= moment // _MINUTE}
