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

Minutes = Mapping[int, int]
"""How many calls were made, or are booked, in each minute since the epoch."""


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
        while self._in_hour_before(minutes, moment) >= self.per_hour:
            moment = min(_next_leaves(minute, left) for minute, left in _leaving(minutes, moment).items())
        return moment

    @staticmethod
    def _in_hour_before(minutes: Minutes, moment: float) -> int:
        return sum(_leaving(minutes, moment).values())


def _leaving(minutes: Minutes, moment: float) -> dict[int, int]:
    """Give how many calls of each minute are in the hour before a moment."""
    last = int(moment // _MINUTE)
    left = {minute: _left(minute, count, moment) for minute, count in minutes.items() if minute <= last}
    return {minute: count for minute, count in left.items() if count > 0}


def _gone(minute: int) -> float:
    """Give when the last call of a minute is an hour ago for certain."""
    return float((minute + 1) * _MINUTE + _HOUR + _SLACK_SECONDS)


def _left(minute: int, count: int, moment: float) -> int:
    """Give how many calls of a minute are still in the hour before a moment.

    Calls are a second apart at the least. So of those of one minute the last but one was made a second before
    its end at the latest, and so on: they leave one after the other, and not all at its end.
    """
    seconds = _gone(minute) - moment
    return count if seconds > _MINUTE else min(count, math.ceil(seconds / MIN_SPACING_SECONDS))


def _next_leaves(minute: int, left: int) -> float:
    """Give when the first of the calls leaves that are left of a minute."""
    return _gone(minute) - min((left - 1) * MIN_SPACING_SECONDS, _MINUTE)


def counted(minutes: Minutes, moment: float, by: int = 1) -> dict[int, int]:
    """Count a call at a moment, or take a booking back (by -1)."""
    minute = int(moment // _MINUTE)
    changed = {**minutes, minute: minutes.get(minute, 0) + by}
    return {each: count for each, count in changed.items() if count > 0}


def merged(some: Minutes, others: Minutes) -> dict[int, int]:
    """Add up what is counted in two places."""
    return {minute: some.get(minute, 0) + others.get(minute, 0) for minute in some.keys() | others.keys()}


def since(minutes: Minutes, now: float) -> dict[int, int]:
    """Forget the minutes that no hour from now on includes."""
    return {minute: count for minute, count in minutes.items() if _gone(minute) > now}


def until(minutes: Minutes, moment: float) -> dict[int, int]:
    """Keep what was counted up to a moment, and strike what was booked for later."""
    return {minute: count for minute, count in minutes.items() if minute <= moment // _MINUTE}


def after(minutes: Minutes, moment: float) -> dict[int, int]:
    """Keep what is booked for a moment's minute and later."""
    return {minute: count for minute, count in minutes.items() if minute >= moment // _MINUTE}
