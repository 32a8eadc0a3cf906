"""What the widget shows, read without changing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Final

from functions.core.ledger import Ledger, Record, State
from functions.operate.letters import DeadLetters

RECENT_SECONDS: Final = 14 * 24 * 3600.0
"""How far back it looks: as long as SQS keeps a letter."""

SHOWN: Final = 20
_COUNTED: Final = 1000
_FUTURE_SECONDS: Final = 60.0
"""What dispatch wrote by a clock that is ahead of ours is shown too."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the widget shows.

    Attributes:
        at: When it was looked at, in seconds since the epoch.
        recent: The deliveries that moved last, the newest first.
        letters: The deliveries that are dead letters by the ledger, the newest first.
        reasons: How many of them there are for each reason, the most first.
        lying: How many letters lie on the queue, about.
    """

    at: float
    recent: list[Record]
    letters: list[Record]
    reasons: list[tuple[str, int]]
    lying: int


class Looker:
    """Reads what the widget shows.

    Args:
        ledger: What happened to each delivery.
        letters: The dead letters' queue.
        clock: Seconds since the epoch.
    """

    def __init__(self, ledger: Ledger, letters: DeadLetters, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._letters = letters
        self._clock = clock

    def overview(self) -> Overview:
        """Look.

        Raises:
            LedgerUnavailable: DynamoDB failed.
            ClientError, BotoCoreError: SQS failed.
        """
        now = self._clock()
        dead = list(islice(self._in(State.DEAD_LETTERED, now), _COUNTED))
        found = merge(
            *(self._in(state, now) for state in State if state is not State.DEAD_LETTERED),
            dead,
            key=lambda record: record.entry.updated_at,
            reverse=True,
        )
        return Overview(
            at=now,
            recent=list(islice(found, SHOWN)),
            letters=dead[:SHOWN],
            reasons=Counter(record.entry.reason for record in dead).most_common(),
            lying=self._letters.depth().total,
        )

    def _in(self, state: State, now: float) -> Iterator[Record]:
        return self._ledger.in_state(state, now - RECENT_SECONDS, now + _FUTURE_SECONDS)
