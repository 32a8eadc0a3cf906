"""How fast GitHub may be called: at least a second between two calls, so many a minute, so many an hour.

Source of the rules: GitHub's "Best practices for using the REST API" (serial requests, a second between those
that write) and "Rate limits for the REST API" (secondary limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MIN_SPACING_SECONDS: Final = 1.0
_HOUR: Final = 3600
_MINUTE: Final = 60
_SLACK_MINUTES: Final = 1
"""A call may begin a little later than it was planned, so a minute counts for one minute longer."""

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
            first = min(minute for minute in minutes if minute >= self._horizon(moment))
            moment = float((first + 1 + _SLACK_MINUTES) * _MINUTE + _HOUR)
        return moment

    def _in_hour_before(self, minutes: Minutes, moment: float) -> int:
        first, last = self._horizon(moment), int(moment // _MINUTE)
        return sum(count for minute, count in minutes.items() if first <= minute <= last)

    @staticmethod
    def _horizon(moment: float) -> int:
        """Give the first minute that still counts: it ends, with the slack, less than an hour ago."""
        return int((moment - _HOUR) // _MINUTE) - _SLACK_MINUTES


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
    forgotten = int((now - _HOUR) // _MINUTE) - _SLACK_MINUTES
    return {minute: count for minute, count in minutes.items() if minute >= forgotten}


def until(minutes: Minutes, moment: float) -> dict[int, int]:
    """Keep what was counted up to a moment, and strike what was booked for later."""
    return {minute: count for minute, count in minutes.items() if minute <= moment // _MINUTE}


def after(minutes: Minutes, moment: float) -> dict[int, int]:
    """Keep what is booked for a moment's minute and later."""
    return {minute: count for minute, count in minutes.items() if minute >= moment // _MINUTE}
