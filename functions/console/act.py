"""The Replay button: puts dead letters back onto the delivery queue, as `modelrelay dlq replay` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from functions.core.ledger import Ledger
from functions.operate.audit import Audit
from functions.operate.judgement import Judge
from functions.operate.letters import DeadLetters, Letter
from functions.operate.replay import DeliveryQueue, Orders, Pace, Replay

LETTERS_A_SECOND: Final = 20.0
WHOLE_SECOND: Final = 1.0
"""What SQS's clock leaves out: it tells no fractions."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant: those of one delivery, or those of one reason."""

    delivery: str = ""
    reason: str = ""

    def takes(self, letter: Letter) -> bool:
        """Tell whether a letter is meant."""
        if self.delivery:
            return letter.id == self.delivery
        return bool(self.reason) and letter.reason == self.reason


@dataclass(slots=True)
class Done:
    """What a replay came to.

    Attributes:
        counts: By what was done (`functions.operate.replay.Replay.counts`).
        troubles: What went wrong, a sentence each.
        left: How many letters there was no time for.
    """

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    left: int = 0


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays dead letters.

    Attributes:
        letters: Where from.
        queue: Where to.
        ledger: What happened to each delivery.
        audit: Keeps a record of it.
        routes: The deployed routes.
        clock: Seconds since the epoch.
    """

    letters: DeadLetters
    queue: DeliveryQueue
    ledger: Ledger
    audit: Audit
    routes: frozenset[str]
    clock: Callable[[], float]

    def replay(self, wanted: Wanted, who: str, until: float) -> Done:
        """Replay what is meant, until a moment in epoch seconds; what is left then can be replayed again.

        Raises:
            ReplayStopped, LedgerUnavailable, ClientError, BotoCoreError: AWS fails. What was done is done.
        """
        done = Done()

        def takes(letter: Letter) -> bool:
            if not wanted.takes(letter):
                return False
            done.left += self.clock() >= until
            return self.clock() < until

        work = Replay(
            letters=self.letters,
            queue=self.queue,
            judge=Judge(self.ledger, routes=self.routes, clock=self.clock),
            orders=Orders(takes, self.letters.depth().now + WHOLE_SECOND),
            pace=Pace(LETTERS_A_SECOND),
        )
        asked = {"delivery": wanted.delivery, "reason": wanted.reason}
        options = {name: value for name, value in asked.items() if value}
        with self.audit.recorded(who, "console replay", options, work.counts):
            work.run()
        done.counts, done.troubles = work.counts, work.troubles
        return done
