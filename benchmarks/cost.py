"""What a month costs, from a thousand events to a thousand million, and which limit is nearest then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.cost_count import Counts, counted
from benchmarks.cost_model import (
    PER_CREDENTIAL,
    Bill,
    assumptions,
    container,
    nearest,
    ours,
    pipes,
    stacks,
    tariff,
)
from benchmarks.drain_scene import Scene
from benchmarks.frame import Plan, Spread, Table

STEPS: Final = tuple(10**power for power in range(3, 10))
ITEMS: Final = (
    "API",
    "Lambda",
    "SQS",
    "DynamoDB",
    "secrets",
    "logs",
    "watching",
    "transfer",
    "EventBridge",
    "container",
    "load balancer",
)
UNITS: Final = {
    "month": "$",
    "a million events": "$",
    "stacks": "",
    **dict.fromkeys(ITEMS, "%"),
}
_WAYS: Final[dict[str, Callable[..., Bill]]] = {
    "Model Relay": ours,
    "EventBridge pipe and API destination": pipes,
    "a container of 0.25 vCPU": container,
}
_BUSY: Final = PER_CREDENTIAL / 2
"""From half of GitHub's limit on nearly every delivery waits for its turn."""


def run(plan: Plan) -> Table:
    """Count what one delivery costs, alone and in a backlog, and reckon up."""
    charges, assumed = tariff(), assumptions()
    alone, crowded = counted(Scene(1, models=1)), counted(Scene(100 if plan.quick else 1_000))
    table = Table("What a month costs", UNITS)
    for events in STEPS:
        counts = alone if events < _BUSY else crowded
        for name, way in _WAYS.items():
            table.rows[f"{events:,}: {name}"] = cells(events, way(events, counts, assumed, charges.prices))
        table.rows[f"{events:,}: Model Relay"]["stacks"] = stacks(events)
        table.notes.append(f"{events:,}: {_limits(nearest(events, counts, assumed, charges))}")
    table.notes += [
        f"list prices of {charges.region} as known in {charges.as_of}, without free tiers: see prices.json",
        f"one credential makes {PER_CREDENTIAL:,} dispatches a month at the most: then GitHub is the limit",
        f"alone: {_shown(alone)}",
        f"in a backlog: {_shown(crowded)}",
    ]
    return table


def cells(events: float, bill: Bill) -> dict[str, Spread | float]:
    """Give a row: the sum, what a million events cost at this rate, and each item's share in per cent."""
    total = sum(bill.values())
    row: dict[str, Spread | float] = {"month": total, "a million events": total / events * 10**6}
    return row | {item: 100 * dollars / total for item, dollars in bill.items()}


def _limits(used: list[tuple[str, float]]) -> str:
    """Name what is exceeded, or else what is nearest, with the part of it that is used."""
    over = [each for each in used if each[1] > 1]
    return "; ".join(f"{part:.2g} x {name}" for name, part in over or used[:2])


def _shown(counts: Counts) -> str:
    return (
        f"{counts.receives:.2f} receives, {counts.writes:.1f} write units, {counts.reads:.1f} read units, "
        f"{counts.milliseconds:.0f} ms of dispatch, {counts.dispatch_log_bytes:.0f} bytes of its log, "
        f"{counts.item_bytes:.0f} bytes in the ledger"
    )
