"""Draining a backlog under GitHub's limits, in virtual time: how long it takes, and what goes wrong.

Ours is the real dispatch code (`drain_ours`); the others are models of their documented behaviour
(`alternatives`, `alternatives_lambda`, `alternatives_destination`: each says what it assumes). All meet the
same GitHub (`drain_github`). Nothing here depends on the machine or the hour: a seed decides everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Final

from benchmarks.alternatives_destination import Destination
from benchmarks.alternatives_lambda import DESIGNS, NaiveLambda
from benchmarks.drain_github import Quota
from benchmarks.drain_ours import Drain
from benchmarks.drain_scene import PER_HOUR, PER_MINUTE, Outcome, Rule, Scene, least
from benchmarks.frame import Plan, Spread, Table

UNITS: Final = {
    "makespan": "h",
    "times the least": "",
    "over a limit": "calls",
    "during silence": "calls",
    "started twice": "",
    "not started": "",
    "out of order": "",
    "calls": "/delivery",
    "receives": "/delivery",
    "ledger writes": "/delivery",
}
SMALL: Final = 1_000
LARGE: Final = 10_000
_WRITES: Final = ("put_item", "update_item", "transact_write_items")
_THIRD: Final = Quota(primary=1_666, per_minute=26, per_hour=166)
_NOTES: Final = (
    "the least: calls one after the other, a second apart, and never more than 500 in any hour",
    "over a limit: calls that GitHub answered 403 or 429",
    "during silence: calls that were made while an answer had asked for none",
    "not started: deliveries without a run when nothing moves any more; they lie among the dead letters",
    "out of order: runs started after one of a later version of the same model",
)


def run(plan: Plan) -> Table:
    """Drain small backlogs, and unless it is to be quick large ones, several at a time: no clock is read."""
    table = Table("Draining a backlog (100 models, 60 calls a minute and 500 an hour)", UNITS)
    small, *larger = (100,) if plan.quick else (SMALL, LARGE)
    rows = [(small, name) for name in (*candidates(small), *troubles(small))]
    rows += [(size, name) for size in larger for name in candidates(size)]
    with ProcessPoolExecutor() as pool:
        for (size, name), found in zip(rows, pool.map(_row, rows), strict=True):
            table.rows[f"{size:,}: {name}"] = found
    table.notes += _NOTES
    return table


def _row(row: tuple[int, str]) -> dict[str, Spread | float]:
    size, name = row
    rule = Rule(60 / PER_MINUTE, PER_HOUR)
    if name in troubles(size):
        scene, later = troubles(size)[name]
        return cells(Drain(scene).run(), rule, later)
    return cells(candidates(size)[name](), rule)


def candidates(size: int) -> Mapping[str, Callable[[], Outcome]]:
    """Give what drains a backlog of a size, each by its name."""
    scene = Scene(size)
    limited = replace(scene, quota=Quota(status=429))
    return {
        "Model Relay": Drain(scene).run,
        **{name: NaiveLambda(scene, design).run for name, design in DESIGNS.items()},
        "API destination, limits are 429": Destination(limited).run,
        "API destination, limits are 403": Destination(scene).run,
    }


def troubles(size: int) -> Mapping[str, tuple[Scene, Rule | None]]:
    """Give the scenes in which our settings do not fit, and the rule for the second half if it is another."""
    third = Rule(60 / _THIRD.per_minute, _THIRD.per_hour)
    halves = Scene(size, stacks=2, per_minute=PER_MINUTE // 2, per_hour=PER_HOUR // 2)
    return {
        "Model Relay, limits cut to a third half-way": (Scene(size, later=_THIRD), third),
        "Model Relay, two stacks with one credential, told so": (Scene(size, stacks=2, one_gate=True), None),
        "Model Relay, two stacks with one credential": (Scene(size, stacks=2), None),
        "Model Relay, two stacks, each half the limits": (halves, None),
    }


def cells(outcome: Outcome, rule: Rule, later: Rule | None = None) -> dict[str, Spread | float]:
    """Give an outcome's row; the least is that of its own calls, or of as many that take no time."""
    calls = [call.ended - call.began for call in outcome.calls] or [0.0] * outcome.deliveries
    shortest = least(calls, rule, later)
    each = 1 / outcome.deliveries
    row: dict[str, Spread | float] = {
        "makespan": outcome.seconds / 3600,
        "times the least": outcome.seconds / shortest,
        "over a limit": outcome.refused,
        "during silence": outcome.intrusions,
        "started twice": outcome.twice,
        "not started": outcome.lost,
        "out of order": outcome.disordered,
        "calls": outcome.requests * each,
        "receives": outcome.receives * each,
        "ledger writes": sum(outcome.made[name] for name in _WRITES) * each,
    }
    if outcome.lost:
        del row["times the least"]  # What does not start everything is not quick.
    return row
