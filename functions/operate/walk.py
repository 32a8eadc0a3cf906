"""Leads letters past somebody who may remove them, in the order of their groups."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from functions.operate.letters import Hold, Letter


class Fate(Enum):
    """What became of a letter."""

    GONE = auto()
    KEPT = auto()
    STUCK = auto()
    """Kept, and nothing that follows it in its group may go before it."""


def walk(hold: Hold, act: Callable[[Letter], Fate]) -> tuple[int, int]:
    """Show every letter that can be reached to `act`, once.

    SQS gives the first ten letters of a group at the most. Where some of them are gone, the rest of the ten
    is let go, and comes back together with those that follow.

    Returns:
        How many letters were received, and how many of them were not shown to `act`, because an earlier one
        of their group is stuck.
    """
    kept: set[str] = set()
    stuck: set[str] = set()
    reached = passed_over = idle = 0
    # What is kept comes back when it was hidden for too long; once around without anything new is the end.
    while idle <= len(kept) and (batch := hold.take()):
        new = [letter for letter in batch if letter.message_id not in kept]
        reached += len(new)
        moved: set[str] = set()
        for letter in new:
            passed_over += letter.group in stuck
            fate = Fate.STUCK if letter.group in stuck else act(letter)
            if fate is Fate.GONE:
                moved.add(letter.group)
                continue
            kept.add(letter.message_id)
            if fate is Fate.STUCK:
                stuck.add(letter.group)
        hold.release(letter for letter in batch if letter.group in moved - stuck)
        idle = 0 if new else idle + 1
    return reached, passed_over
