"""What every benchmark shares: series of numbers, their spread, and tables of them.

A module of this package that measures something has `run(plan) -> Table`; `benchmarks.__main__` lists it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

QUICK_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for.

    Attributes:
        runs: How often each candidate is measured where one measurement is a process.
        before: A commit whose bundles are measured beside those of the work tree; empty for none.
    """

    runs: int = 20
    before: str = ""

    @property
    def quick(self) -> bool:
        """Whether the figures only show that everything runs."""
        return self.runs <= QUICK_RUNS


@dataclass(frozen=True, slots=True)
class Spread:
    """What is told of a series: its median, where nine in ten lie, and how many there are."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise a series of at least one number; low and high are the 5th and 95th percentile."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), quantile(ordered, 0.05), quantile(ordered, 0.95), len(ordered))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Give the value below which a share of a sorted series lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Table:
    """What one benchmark found.

    Attributes:
        title: What was measured.
        units: Each column with its unit.
        rows: Each candidate with its columns: a spread, a plain number, or nothing.
        notes: What a reader must know, a sentence each.
    """

    title: str
    units: Mapping[str, str]
    rows: dict[str, dict[str, Spread | float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give the table as JSON."""
        return {
            "title": self.title,
            "units": dict(self.units),
            "rows": {
                name: {column: _plain(value) for column, value in cells.items()}
                for name, cells in self.rows.items()
            },
            "notes": self.notes,
        }


def _plain(value: Spread | float) -> dict[str, float] | float:
    if not isinstance(value, Spread):
        return round(value, 4)
    return {
        "median": round(value.median, 4),
        "p5": round(value.low, 4),
        "p95": round(value.high, 4),
        "runs": value.runs,
    }


def in_turn(
    candidates: Mapping[str, Callable[[], Mapping[str, float]]], runs: int
) -> dict[str, dict[str, Spread]]:
    """Measure each candidate once, then each again, so that what disturbs the machine disturbs all alike.

    Args:
        candidates: Each measures once, and gives a number for each column.
        runs: How many rounds count; one more comes first, which fills the caches of the file system.
    """
    series: dict[str, dict[str, list[float]]] = {name: {} for name in candidates}
    for turn in range(runs + 1):
        for name, measure in candidates.items():
            for column, value in measure().items():
                if turn:
                    series[name].setdefault(column, []).append(value)
    return {
        name: {column: Spread.of(values) for column, values in columns.items()}
        for name, columns in series.items()
    }


def against(rows: Mapping[str, Mapping[str, Spread | float]], column: str, name: str, base: str) -> float:
    """Give by which factor the median of one candidate is above another's."""
    return _middle(rows[name][column]) / _middle(rows[base][column])


def _middle(value: Spread | float) -> float:
    return value.median if isinstance(value, Spread) else value
