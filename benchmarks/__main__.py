"""Run benchmarks: `python -m benchmarks [--only cold,warm] [--quick] [--json] [--before COMMIT]`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import rich
import rich.table

from benchmarks import bundles, machine, pages
from benchmarks.frame import QUICK_RUNS, Plan, Spread, Table

MODULES: Final = ("size", "memory", "cold", "memory_size", "warm", "end_to_end", "drain", "cost")
"""Each is a module of this package with `run`. Adding one is its module and its name here."""

RESULTS: Final = Path(__file__).with_name("results.json")


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is asked for; write `results.json` when all of it was measured thoroughly."""
    asked = _arguments(words)
    plan = Plan(QUICK_RUNS if asked.quick else asked.runs, asked.before)
    names = asked.only.split(",") if asked.only else MODULES
    facts = machine.facts(bundles.version())
    results: dict[str, Any] = {**facts, "runs": plan.runs, "tables": {}}
    for name in names:
        table: Table = importlib.import_module(f"benchmarks.{name}").run(plan)
        results["tables"][name] = table.to_dict()
        if not asked.json:
            _show(table)
    if asked.json:
        sys.stdout.write(_text(results))
    if asked.save:
        RESULTS.write_text(_text(_merged(results)), encoding="utf-8")
        pages.main()
    return 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {','.join(MODULES)}")
    parser.add_argument("--quick", action="store_true", help="few runs: shows that everything runs")
    parser.add_argument("--runs", type=int, default=20, help="runs of each candidate (20)")
    parser.add_argument("--before", default="", help="a commit to measure beside the work tree")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="keep the figures: results.json, and the pages")
    asked = parser.parse_args(words)
    if unknown := sorted(set(filter(None, asked.only.split(","))) - set(MODULES)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MODULES)}")
    return asked


def _merged(results: dict[str, Any]) -> dict[str, Any]:
    """Keep the tables that were not measured this time; each says when and on what it was measured."""
    facts = {key: value for key, value in results.items() if key != "tables"}
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return {**kept, **{name: {**facts, **table} for name, table in results["tables"].items()}}


def _text(results: dict[str, Any]) -> str:
    return json.dumps(results, indent=1) + "\n"


def _show(table: Table) -> None:
    shown = rich.table.Table(title=table.title, title_justify="left")
    shown.add_column("")
    for column, unit in table.units.items():
        shown.add_column(f"{column}\n{unit}", justify="right")
    for name, cells in table.rows.items():
        shown.add_row(name, *(_cell(cells.get(column)) for column in table.units))
    rich.print(shown)
    for note in table.notes:
        rich.print(f"- {note}")
    rich.print()


def _cell(value: Spread | float | None) -> str:
    if isinstance(value, Spread):
        return f"{value.median:,.5g} [dim]({value.low:,.4g}-{value.high:,.4g})[/dim]"
    return "" if value is None else f"{value:,.6g}"


if __name__ == "__main__":
    sys.exit(main())
