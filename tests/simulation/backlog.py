"""`python -m tests.simulation.backlog`: what a backlog costs, in calls and receives, in a calm world."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.simulation.history import History
from tests.simulation.plan import GENERIC, Act, Plan, plan
from tests.simulation.wire import Fate
from tests.simulation.world import World

_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Bill:
    """What a backlog cost: receives, calls by operation, and virtual seconds from first to last run."""

    events: int
    receives: int
    calls: Counter[str]
    seconds: float

    def per_delivery(self) -> dict[str, float]:
        """Give the bill of one delivery."""
        return {
            name: count / self.events for name, count in {"receives": self.receives, **self.calls}.items()
        }


class Account(History):
    """Keeps account of what dispatch calls."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.calls: Counter[str] = Counter()

    def aws(self, who: str, operation: str, key: str, fate: Fate) -> None:
        """Count a call."""
        super().aws(who, operation, key, fate)
        if who.startswith("dispatch"):
            self.calls[operation] += 1


def measure(events: int, models: int, per_minute: int, per_hour: int = 100_000) -> Bill:
    """Put so many events of so many models onto the queue at once, and let them drain."""
    world = World(_calm(events, models, per_minute, per_hour), history=Account)
    assert isinstance(world.history, Account)
    result = world.run()
    assert not result.violations, result.violations
    at = [run.created_at for run in world.github.runs if "model_version" in run.inputs]  # not a bystander's
    assert len(at) == events
    return Bill(events, result.counts["receives"], world.history.calls, max(at) - min(at))


def _calm(events: int, models: int, per_minute: int, per_hour: int) -> Plan:
    names = tuple(f"model-{number}" for number in range(models))
    calm = replace(
        plan(_SEED),
        horizon=60.0,
        phases=(),
        models=names,
        acts=tuple(
            Act(
                number=number + 1,
                model=names[number % models],
                version=number // models + 1,
                from_stage="None",
                to_stage="Production",
                at=1.0 + number / 1000,
                sends=((0.0, GENERIC),),
            )
            for number in range(events)
        ),
        max_per_minute=per_minute,
        max_per_hour=per_hour,
        max_age_hours=72,
        github_per_hour=10**6,
        github_per_minute=None,
        app=False,
        skew=0.0,
    )
    quiet: dict[str, Any] = dict.fromkeys(
        ("listing_lag", "misses", "trouble", "faults", "deaths", "ghosts", "recycling"), 0.0
    )
    return replace(calm, visits=(), batch_size=1, **quiet)


def main() -> None:
    """Print what one delivery costs, alone and in backlogs."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.backlog", description=__doc__)
    parser.parse_args()
    table = Table("backlog", "receives", "DynamoDB writes", "DynamoDB reads", "SQS calls", "runs/min")
    for title, bill in (
        ("1 event", measure(1, 1, 60)),
        ("2,000 events of 20 models, 60/min", measure(2000, 20, 60)),
        ("2,000 events of 500 models, 60/min", measure(2000, 500, 60)),
        ("500 events of 50 models, 10/min", measure(500, 50, 10)),
        ("1,000 events of 50 models, 60/min, 500/h", measure(1000, 50, 60, 500)),
    ):
        each = bill.per_delivery()
        writes = sum(each.get(name, 0) for name in ("put_item", "update_item", "transact_write_items"))
        reads = sum(each.get(name, 0) for name in ("get_item", "query"))
        queue = sum(each.get(name, 0) for name in ("change_message_visibility", "send_message"))
        speed = (bill.events - 1) / bill.seconds * 60 if bill.seconds else 0.0
        cells = (f"{value:.2f}" for value in (each["receives"], writes, reads, queue, speed))
        table.add_row(title, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
