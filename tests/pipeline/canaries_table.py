"""What may be seen where, and why; nothing else may be seen anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final


@dataclass(frozen=True)
class Allowance:
    """What may be seen in which places (patterns), and the reason."""

    what: str
    where: tuple[str, ...]
    why: str

    def covers(self, what: str, where: str) -> bool:
        """Tell whether it allows what was seen there."""
        return what == self.what and any(fnmatchcase(where, pattern) for pattern in self.where)


ALLOWED: Final = (
    Allowance(
        "model name",
        ("log Ingest", "log Dispatch", "ledger", "console", "command status", "command deliveries *"),
        "Names of models are logged: they are what operators look for (docs/security.md).",
    ),
    Allowance(
        "model name",
        ("delivery body", "dead letter body", "GitHub body", "command dlq *", "command route explain"),
        "The event on its way, and what its route tells the workflow.",
    ),
    Allowance(
        "tag value",
        ("delivery body", "dead letter body"),
        "The event on the queue has the tags, because an input may use them (docs/security.md).",
    ),
    Allowance("tag key", ("delivery body", "dead letter body"), "Likewise."),
    Allowance("tag value", ("command route explain",), "It repeats the event that its user gave it."),
    Allowance("tag key", ("command route explain",), "Likewise."),
    Allowance(
        "tag key",
        ("command dlq show",),
        "Of tags only the names: they tell an operator which `${tags.…}` there could be.",
    ),
    Allowance(
        "path",
        ("log Ingest", "log Access"),
        "An address that nobody answers is told (100 characters of it), so that a wrong one can be mended.",
    ),
    Allowance(
        "GitHub words",
        ("log Dispatch", "ledger", "console", "dead letter attributes", "command d*"),
        "GitHub's messages say what to mend; tokens, addresses and the event's tags are taken out of them.",
    ),
)


def not_allowed(seen: Mapping[str, Iterable[str]]) -> list[str]:
    """Say what was seen where it must not be: `tag value in log Dispatch`."""
    return sorted(
        f"{what} in {where}"
        for where, found in seen.items()
        for what in found
        if not any(allowance.covers(what, where) for allowance in ALLOWED)
    )


def not_needed(seen: Mapping[str, Iterable[str]]) -> list[str]:
    """Say which allowances nothing makes use of; what the embedded AWS does not write is left out."""
    pairs = [(what, where) for where, found in seen.items() for what in found]
    patterns = [(each.what, where) for each in ALLOWED for where in each.where if where != "log Access"]
    return [
        f"{what} in {pattern}"
        for what, pattern in patterns
        if not any(kind == what and fnmatchcase(where, pattern) for kind, where in pairs)
    ]
