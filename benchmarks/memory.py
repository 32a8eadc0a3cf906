"""The most memory that each function holds up to its first answer; it hardly varies, so a few runs do."""

from __future__ import annotations

from functools import partial
from typing import Final

from benchmarks import cold, samples
from benchmarks.frame import Plan, Table, in_turn
from benchmarks.standin import StandIn

UNITS: Final = {cold.MEMORY: "MB"}
_RUNS: Final = 3


def run(plan: Plan) -> Table:
    """Measure every candidate of the cold start that has bytecode."""
    table = Table("Memory at the first answer", UNITS)
    with StandIn(samples.SECRET) as stand_in:
        found = cold.candidates(samples.settings(stand_in.url).to_json(), plan.before)
        measures = {
            name: partial(cold.measure, candidate, stand_in)
            for name, candidate in found.items()
            if not name.endswith(", source")
        }
        measured = in_turn(measures, _RUNS)
    table.rows.update({name: {cold.MEMORY: cells[cold.MEMORY]} for name, cells in measured.items()})
    return table
