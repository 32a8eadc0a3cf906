"""Writes the figures into the documentation: `python -m benchmarks.pages`.

What stands between `<!-- figures: NAME -->` and `<!-- end -->` is made of `results.json` and `soak.json`. So
no table states a figure that was not measured, and tests hold the pages against both files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from infra.bundling import ROOT

PAGES: Final = (ROOT / "docs" / "performance.md", ROOT / "docs" / "limits.md")
_FOLDER: Final = Path(__file__).parent
_BLOCK: Final = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Results = Mapping[str, Any]
"""`results.json`: each table by the name of its module; and `soak`, the soak's result."""


def main() -> None:
    """Write the figures into all pages."""
    results = read()
    for page in PAGES:
        page.write_text(written(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def read() -> Results:
    """Read what was measured."""
    results = json.loads((_FOLDER / "results.json").read_text(encoding="utf-8"))
    return {**results, "soak": json.loads((_FOLDER / "soak.json").read_text(encoding="utf-8"))}


def written(page: str, results: Results) -> str:
    """Give a page with the figures in it.

    Raises:
        KeyError: It wants figures that nobody makes, or that were not measured.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]](results)}\n{found[3]}", page)


def _cold(results: Results) -> str:
    rows = results["cold"]["rows"]
    floor = rows["floor, bytecode"]

    def row(title: str, name: str) -> list[str]:
        each = rows[name]
        times = [_number(each[column]["median"]) for column in ("init", "answer", "cpu")]
        ratio = each["cpu"]["median"] / floor["cpu"]["median"]
        return [title, *times, f"{ratio:.2f}", _number(each["memory"]["median"])]

    names = {
        "the floor, with bytecode": "floor, bytecode",
        "the floor, without": "floor, source",
        "**ingest**": "ingest",
        "ingest the usual way, with bytecode": "usual ingest, bytecode",
        "ingest the usual way, as usually deployed: without": "usual ingest, source",
        "**dispatch**, with a token": "dispatch",
        "**dispatch**, with a GitHub App": "dispatch (App)",
        "dispatch the usual way, with bytecode": "usual dispatch, bytecode",
        "dispatch the usual way, without": "usual dispatch, source",
        **{name: name for name in rows if " at " in name},  # another commit's, where one was measured too
    }
    heads = ("cold start", "init, ms", "answer, ms", "processor, ms", "by the floor's", "memory, MB")
    return _provenance(results["cold"]) + _table(heads, [row(*each) for each in names.items()])


def _warm(results: Results) -> str:
    heads = ("warm ingest", "whole p50, µs", "p99", "own part p50", "p99", "requests/s and core")
    columns = ("whole p50", "whole p99", "own p50", "own p99", "per core")
    return _provenance(results["warm"]) + _table(heads, _rows(results["warm"], columns))


def _size(results: Results) -> str:
    rows = [
        [name, *(f"{each[column] / 1000:.2f}" for column in ("zipped", "unpacked")), str(each["packages"])]
        for name, each in results["size"]["rows"].items()
    ]
    heads = ("bundle", "zipped, MB", "unpacked, MB", "packages")
    return _provenance(results["size"]) + _table(heads, rows)


def _memory_size(results: Results) -> str:
    heads = ("", "part of a processor from the beginning, ms", "from the first question on, ms", "GB-seconds")
    columns = ("throttled start", "whole start", "price of a start")
    return _provenance(results["memory_size"]) + _table(heads, _rows(results["memory_size"], columns, 2))


def _end_to_end(results: Results) -> str:
    heads = (
        *("", "answer p50, ms", "p99", "start p50, s", "p99"),
        *("least p50, s", "p99", "ours p50, s", "p99"),
    )
    columns = [
        f"{part} {quantile}" for part in ("answer", "start", "least", "ours") for quantile in _QUANTILES
    ]
    return _provenance(results["end_to_end"]) + _table(heads, _rows(results["end_to_end"], columns, 2))


def _drain(results: Results) -> str:
    columns = (
        *("makespan", "times the least", "over a limit", "during silence", "started twice"),
        *("not started", "out of order", "receives", "ledger writes"),
    )
    heads = (
        "backlog",
        "hours",
        "times the least",
        *columns[2:7],
        "receives a delivery",
        "ledger writes a delivery",
    )
    return _provenance(results["drain"]) + _table(heads, _rows(results["drain"], columns, 3))


def _delivery(results: Results) -> str:
    found = {note.partition(":")[0]: note for note in results["cost"]["notes"]}
    lines = [found[name] for name in ("alone", "in a backlog")]
    return _provenance(results["cost"]) + "\n".join(f"- {line}" for line in lines)


def _cost(results: Results) -> str:
    rows = results["cost"]["rows"]
    steps = dict.fromkeys(name.partition(":")[0] for name in rows)
    heads = ("events a month", "Model Relay", "of which", "pipe and API destination", "container")
    return _table(heads, [_month(step, rows) for step in steps])


def _month(step: str, rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    ours = rows[f"{step}: Model Relay"]
    stacks = f" ({ours['stacks']:,.0f} stacks)" if ours["stacks"] > 1 else ""
    parts = {name: part for name, part in ours.items() if name not in {"month", "a million events", "stacks"}}
    largest = sorted(parts.items(), key=lambda each: -each[1])
    others = (f"{step}: EventBridge pipe and API destination", f"{step}: a container of 0.25 vCPU")
    return [
        step,
        f"${ours['month']:,.2f}{stacks}",
        ", ".join(f"{name} {part:.0f} %" for name, part in largest if part >= 1),
        *(f"${rows[other]['month']:,.2f}" for other in others),
    ]


def _soak(results: Results) -> str:
    found = results["soak"]
    late, memory = found["latency_seconds"], found["memory_mb"]
    lines = {
        "from webhook to run, p50, s (GitHub tells whole seconds, rounded down)": late["p50"],
        "p99, s: what a look-up or a wait takes": late["p99"],
        "memory of the functions together, MB": memory["functions"],
        "memory of the embedded AWS, MB: it keeps every log line": memory["embedded AWS"],
    }
    rows = [[title, *(f"{value:.2f}" for value in values)] for title, values in lines.items()]
    measured = {**found, "runs": 0}  # Its runs are the workflows'.
    return _provenance(measured) + _table(("", "1st", "2nd", "3rd", "4th"), rows)


_QUANTILES: Final = ("p50", "p99")

BLOCKS: Final[Mapping[str, Callable[[Results], str]]] = {
    "cold": _cold,
    "warm": _warm,
    "size": _size,
    "memory_size": _memory_size,
    "end_to_end": _end_to_end,
    "drain": _drain,
    "delivery": _delivery,
    "cost": _cost,
    "soak": _soak,
}


def _provenance(found: Mapping[str, Any]) -> str:
    runs = f", {found['runs']} runs each in turn" if found.get("runs") else ""
    where = f"{found['machine']}, Python {found['python']}"
    return f"*Commit {found['commit']}, {found['date']}: {where}{runs}.*\n\n"


def _rows(table: Mapping[str, Any], columns: Iterable[str], digits: int = 0) -> list[list[str]]:
    columns = list(columns)
    return [
        [name, *(_number(cells.get(column), digits) for column in columns)]
        for name, cells in table["rows"].items()
    ]


def _number(value: Any, digits: int = 0) -> str:
    if value is None:
        return "-"
    plain = value["median"] if isinstance(value, Mapping) else value
    return f"{plain:,.{digits}f}" if isinstance(plain, float) and not plain.is_integer() else f"{plain:,.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    line = "|---" + "|---:" * (len(heads) - 1) + "|"
    return "\n".join([_line(heads), line, *(_line(row) for row in rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
