"""What refusals teach: GitHub allows fewer calls than we are set to make, or somebody else makes some.

Its secondary limits can't be asked for ("Rate limits for the REST API"), change without notice, and count
what others do with the same credential. A refusal does not say which limit it is about either. But it comes
when that one is full, so the calls that were made before it tell how much it holds:

    the first one, after many calls in a minute ──► may be the minute's: fewer a minute from now on
    another one, after a minute with few calls ───► must be the hour's: fewer an hour from now on

What was learned is forgotten after some hours, because whatever was the cause may be over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from functions.dispatch.pacing import Minutes, Pace, in_hour_before, in_minute_before

LEARNED_SECONDS: Final = 3 * 3600.0
"""How long what was learned holds: to learn a lasting limit again takes about three refusals."""

_LEAST_PART: Final = 10
"""No less than a tenth of what we are set to: what leaves us less is somebody else's doing."""

_FEW_PART: Final = 50
"""Of the hour's calls, so few in a minute that it is not the minute's limit: sixty such fill the hour."""

_LOOK_PART: Final = 0.8
"""A limit that is far below what we called is found in steps of a fifth."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The most calls, as refusals have taught them; 0 where nothing was learned.

    Attributes:
        per_minute: In a minute, spread evenly.
        per_hour: In an hour.
        until: How long that holds, in epoch seconds.
    """

    per_minute: int = 0
    per_hour: int = 0
    until: float = 0.0

    def pace(self, pace: Pace, now: float) -> Pace:
        """Give the permitted speed: what we are set to, or less."""
        if now >= self.until:
            return pace
        return Pace(
            min(pace.per_minute, self.per_minute or pace.per_minute),
            min(pace.per_hour, self.per_hour or pace.per_hour),
        )


def refused(learned: Learned, pace: Pace, calls: Minutes, refusals: int, now: float) -> tuple[Learned, float]:
    """Learn from a refusal.

    Args:
        learned: What is known.
        pace: What we are set to.
        calls: What GitHub took.
        refusals: How many there were one after the other, this one included.
        now: Seconds since the epoch.

    Returns:
        What is known now, and the time from which there may be room again.
    """
    known = learned.pace(pace, now)
    in_minute = in_minute_before(calls, now, known.spacing)
    is_first, are_few = refusals == 1, in_minute <= pace.per_hour // _FEW_PART
    if is_first and not are_few:
        return Learned(in_minute - 1, known.per_hour, now + LEARNED_SECONDS), now
    if are_few and not is_first:
        return _from_hour(learned, pace, calls, now)
    return learned, now


def _from_hour(learned: Learned, pace: Pace, calls: Minutes, now: float) -> tuple[Learned, float]:
    known = learned.pace(pace, now)
    in_hour = in_hour_before(calls, now)
    if in_hour < pace.per_hour // _LEAST_PART:
        return learned, now
    fewer = Pace(known.per_minute, int(in_hour * _LOOK_PART) + 1)
    per_hour = min(known.per_hour, in_hour)
    return Learned(known.per_minute, per_hour, now + LEARNED_SECONDS), fewer.earliest(calls, now)
