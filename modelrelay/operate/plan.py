"""What a replay would do, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from functions.operate.judgement import Judge, Verdict
from functions.operate.letters import Letter

_WORKERS: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do to each letter.

    Attributes:
        letters: The letters, each with its verdict.
    """

    letters: Sequence[tuple[Letter, Verdict]]

    @property
    def verdicts(self) -> Counter[str]:
        """How many letters there are of each verdict."""
        return Counter(verdict.value for _, verdict in self.letters)

    @property
    def groups(self) -> Counter[tuple[str, str]]:
        """How many letters there are of each reason and route."""
        return Counter((letter.reason, letter.route) for letter, _ in self.letters)

    def content(self) -> dict[str, Any]:
        """Give the plan as JSON has it."""
        return {
            "letters": len(self.letters),
            "verdicts": {verdict.value: self.verdicts[verdict.value] for verdict in Verdict},
            "groups": [
                {"reason": reason, "route": route, "letters": count}
                for (reason, route), count in sorted(self.groups.items())
            ],
        }


def make_plan(
    letters: Sequence[Letter],
    judge: Judge,
    tell: Callable[[], object] = lambda: None,
) -> Plan:
    """Ask the ledger about each letter.

    Raises:
        LedgerUnavailable: DynamoDB failed.
    """

    def verdict(letter: Letter) -> Verdict:
        return judge.of(letter.delivery, letter.buried_at)

    judged: list[tuple[Letter, Verdict]] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for each in zip(letters, pool.map(verdict, letters), strict=True):
            judged.append(each)
            tell()
    return Plan(judged)
