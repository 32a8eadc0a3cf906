"""What refusals teach: GitHub allows fewer calls than we are set to make, or somebody else makes some.

Its secondary limits can't be asked for ("Rate limits for the REST API"), change without notice, and count
what others do with the same credential. A refusal does not say which limit it is about either. But it comes
when that one is full, so the calls that were made before it tell how much it holds:

    twice after about as many calls in a minute ────► the minute's: fewer a minute from now on
    three in a row, the minute before having few ───► the hour's: fewer an hour from now on

One refusal alone says little: whoever else uses the credential may have caused it. What was learned is
forgotten some hours after the first of it, because whatever was the cause may be over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from functions.dispatch.pacing import Minutes, Pace, in_hour_before, in_minute_before

LEARNED_SECONDS: Final = 3 * 3600.0
"""How long what was learned holds, from the first of it on: to learn it again takes two or three refusals."""

_LEAST_PART: Final = 10
"""No less than a tenth of what we are set to: what leaves us less is somebody else's doing."""

_FEW_PART: Final = 50
"""Of the hour's calls, so few in a minute that it is not the minute's limit: sixty such fill the hour."""

_LIKENESS: Final = 1 / 8
"""By which part two minutes' numbers of calls may differ and be about the same."""

_CERTAIN: Final = 3
"""So many refusals in a row, with pauses that grow, are no accident."""

_LOOK_PART: Final = 0.8
"""A limit that is far below what we called is found in steps of a fifth."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The most calls, as refusals have taught them; 0 where nothing was learned.

    Attributes:
        per_minute: In a minute, spread evenly.
        per_hour: In an hour.
        suspected: In the minute before the last refusal, where that may be the cause.
        until: How long all that holds, in epoch seconds.
    """

    per_minute: int = 0
    per_hour: int = 0
    suspected: int = 0
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
    learned = learned if now < learned.until else Learned()
    in_minute = in_minute_before(calls, now, learned.pace(pace, now).spacing)
    are_few = in_minute <= pace.per_hour // _FEW_PART
    if refusals == 1 and not are_few:
        return _from_minute(learned, pace, in_minute, now), now
    if refusals > 1 and are_few:
        return _from_hour(learned, pace, calls, refusals, now)
    return learned, now


def _from_minute(learned: Learned, pace: Pace, in_minute: int, now: float) -> Learned:
    until = learned.until or now + LEARNED_SECONDS
    if abs(in_minute - learned.suspected) <= in_minute * _LIKENESS:
        per_minute = max(in_minute - 1, math.ceil(pace.per_hour / 60))
        return replace(learned, per_minute=per_minute, until=until)
    return replace(learned, suspected=in_minute, until=until)


def _from_hour(
    learned: Learned, pace: Pace, calls: Minutes, refusals: int, now: float
) -> tuple[Learned, float]:
    in_hour = in_hour_before(calls, now)
    if in_hour < pace.per_hour // _LEAST_PART:
        return learned, now
    room_at = Pace(pace.per_minute, int(in_hour * _LOOK_PART) + 1).earliest(calls, now)
    if refusals < _CERTAIN:
        return learned, room_at
    per_hour = min(learned.per_hour or pace.per_hour, in_hour)
    return replace(learned, per_hour=per_hour, until=learned.until or now + LEARNED_SECONDS), room_at
