"""Deletes dead letters for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from functions.operate.letters import DeadLetters, Hold, Letter
from functions.operate.walk import Fate, walk


class Purge:
    """One purge.

    Args:
        letters: The dead letters.
        wanted: Whether a letter is meant.
        until: Letters that came later, in seconds since the epoch, are left alone.
        tell: Is told of each letter that is gone.

    Attributes:
        counts: `removed` and `not_removed`.
        troubles: What went wrong, a sentence each.
        reached: How many letters were looked at; others lie behind ten that stayed.
    """

    def __init__(
        self,
        *,
        letters: DeadLetters,
        wanted: Callable[[Letter], bool],
        until: float,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._letters = letters
        self._wanted = wanted
        self._until = until
        self._tell = tell
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self.reached = 0

    def run(self) -> None:
        """Delete.

        Raises:
            ClientError, BotoCoreError: The dead letters can't be read.
        """
        with self._letters.hold() as hold:
            self.reached, _ = walk(hold, lambda letter: self._act(hold, letter))

    def _act(self, hold: Hold, letter: Letter) -> Fate:
        if letter.sent_at > self._until or not self._wanted(letter):
            return Fate.KEPT
        with self._letters.guard():
            try:
                hold.delete(letter)
            except (ClientError, BotoCoreError) as error:
                self.counts["not_removed"] += 1
                self.troubles.append(f"{letter.id} could not be removed: {error}")
                return Fate.KEPT
            self.counts["removed"] += 1
        self._tell()
        return Fate.GONE
