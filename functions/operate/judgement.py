"""What a replay would do to a letter, by what the ledger says of its delivery."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from functions.core.delivery import Delivery
from functions.core.ledger import Entry, Ledger, State

ALIVE_SECONDS: Final = 24 * 3600.0
"""Whatever waits on the delivery queue is tried, and written down, more often than that."""

_SKEW_SECONDS: Final = 1.0
"""Dispatch writes to the ledger before it buries; two clocks of AWS's may differ by so much."""

_MOVING: Final = frozenset({State.WAITING, State.CLAIMED, State.UNKNOWN})


class Verdict(StrEnum):
    """What becomes of a letter in a replay."""

    SEND = "send"
    OVERTAKEN = "overtaken"
    """Sent; dispatch sets it aside, because it started a newer fact of the same stage or alias."""

    SETTLED = "settled"
    """Removed and not sent: its workflow has been started since, or it was set aside."""

    UNDER_WAY = "under-way"
    """Kept and not sent: an earlier replay's copy is on the delivery queue."""

    NO_ROUTE = "no-route"
    """Kept and not sent: the deployed configuration has no such route, and dispatch would bury it again."""

    UNREADABLE = "unreadable"
    """Kept and not sent: it is no delivery, and dispatch would bury it again."""

    @property
    def counted(self) -> str:
        """The name under which it is counted."""
        return self.value.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges deliveries.

    Attributes:
        ledger: What happened to each delivery.
        force: Whether they are to be sent although newer facts were.
        routes: The deployed routes; None where they are not known.
        clock: Seconds since the epoch.
    """

    ledger: Ledger
    force: bool = False
    routes: frozenset[str] | None = None
    clock: Callable[[], float] = time.time

    def of(self, delivery: Delivery | None, buried_at: float) -> Verdict:
        """Say what becomes of a delivery.

        Args:
            delivery: What the letter holds, or None where that is no delivery.
            buried_at: When dispatch made it a dead letter, in seconds since the epoch. 0 where SQS did: then
                the ledger can't tell a replay's copy from the one that died.

        Raises:
            LedgerUnavailable: DynamoDB failed.
        """
        if delivery is None:
            return Verdict.UNREADABLE
        entry = self.ledger.get(delivery.id)
        if entry.state is State.DISPATCHED or (entry.state is State.SUPERSEDED and not self.force):
            return Verdict.SETTLED
        if buried_at and self._under_way(entry, buried_at):
            return Verdict.UNDER_WAY
        if self.routes is not None and delivery.route not in self.routes:
            return Verdict.NO_ROUTE
        if not self.force and self.ledger.newest(delivery) > delivery.event.occurred_at:
            return Verdict.OVERTAKEN
        return Verdict.SEND

    def _under_way(self, entry: Entry, buried_at: float) -> bool:
        """Tell whether somebody tries the delivery, although it was buried."""
        touched = entry.updated_at > buried_at + _SKEW_SECONDS
        alive = self.clock() - entry.updated_at < ALIVE_SECONDS
        return entry.state in _MOVING and touched and alive
