"""A soak: a steady rate for an hour while GitHub fails now and then; then every id is accounted for.

`python -m benchmarks.soak --minutes 60 --per-hour 400` sends, waits until the queue is empty, asks ledger and
GitHub about each id, prints the table, and keeps it in benchmarks/soak.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil
import rich
from rich.progress import Progress

from benchmarks import pages
from benchmarks.frame import quantile
from benchmarks.local import Local, running
from benchmarks.machine import facts

RESULT: Final = Path(__file__).with_name("soak.json")
MODELS: Final = 20
SAMPLE_SECONDS: Final = 30.0
PARTS: Final = 4  # The hour is told by quarters: a leak or a slow-down shows between the first and the last.
DRAIN_SECONDS: Final = 1800.0

FAULTS: Final[list[dict[str, Any]]] = [
    {"name": "unavailable", "status": 503, "every": 17, "times": 0},
    {"name": "accepted, then 500", "status": 500, "accept": True, "every": 29, "times": 0},
    {"name": "limited", "preset": "rate-limit", "headers": {"retry-after": "5"}, "every": 37, "times": 0},
    {"name": "too fast", "preset": "secondary", "headers": {"retry-after": "5"}, "every": 47, "times": 0},
    {"name": "dropped", "drop": "before", "every": 41, "times": 0},
    {"name": "accepted, then dropped", "drop": "after", "every": 43, "times": 0},
]


@dataclass(frozen=True, slots=True)
class Sent:
    """A webhook that was answered 202, and when it was sent."""

    delivery: str
    model: str
    version: int
    at: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of each process at one moment, in MB, and what the queue has."""

    at: float
    memory: dict[str, float]
    queued: int


def main(words: Sequence[str] | None = None) -> int:
    """Soak; exit code 1 if an id is missing, doubled or out of order."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--per-hour", type=int, default=400, help="GitHub lets 500 through (400)")
    asked = parser.parse_args(words)
    found = facts(sys.version.split()[0])
    with running() as local:
        local.github("POST", "faults", FAULTS)
        sent, samples = _send(local, asked.minutes * 60, 3600 / asked.per_hour)
        samples += _drain(local)
        result = {**found, **_account(local, sent), **_flatness(local, sent, samples)}
    rich.print_json(data=result)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    pages.main()
    return 0 if result["unaccounted"] == result["twice"] == result["out_of_order"] == 0 else 1


def _send(local: Local, seconds: float, apart: float) -> tuple[list[Sent], list[Sample]]:
    """Send at a steady rate; every tenth event is sent twice."""
    sent: list[Sent] = []
    samples: list[Sample] = []
    versions: Counter[str] = Counter()
    begin = time.monotonic()
    total = int(seconds / apart)
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Sending", total=total)
        for number in range(total):
            while (left := begin + number * apart - time.monotonic()) > 0:
                time.sleep(min(left, 1.0))
                samples += _sample(local, samples)
            model = f"soak-{number % MODELS}"
            versions[model] += 1
            now = time.time()
            delivery = local.send(model, versions[model], now)
            if number % 10 == 0:
                local.send(model, versions[model], now)
            sent.append(Sent(delivery, model, versions[model], now))
            progress.advance(task)
    return sent, samples


def _drain(local: Local) -> list[Sample]:
    samples: list[Sample] = []
    deadline = time.monotonic() + DRAIN_SECONDS
    while local.queued() and time.monotonic() < deadline:
        time.sleep(1.0)
        samples += _sample(local, samples)
    return samples


def _sample(local: Local, before: list[Sample]) -> list[Sample]:
    if before and time.time() - before[-1].at < SAMPLE_SECONDS:
        return []
    return [Sample(time.time(), dict(_memory(local)), local.queued())]


def _memory(local: Local) -> Iterator[tuple[str, float]]:
    """Give the memory of the functions' processes together, and of the embedded AWS."""
    totals: Counter[str] = Counter()
    for process in psutil.Process(local.process.pid).children(recursive=True):
        try:
            line, size = " ".join(process.cmdline()), process.memory_info().rss
        except psutil.Error:
            continue
        totals["embedded AWS" if line.endswith("-m ministack") else "functions"] += size
    for name, size in totals.items():
        yield name, round(size / 1e6, 1)


def _account(local: Local, sent: list[Sent]) -> dict[str, Any]:
    """Ask ledger and GitHub about each id: the second phase."""
    dynamodb, table = local.client("dynamodb"), local.ready["outputs"]["LedgerTableName"]
    states = Counter(
        dynamodb.get_item(TableName=table, Key={"id": {"S": each.delivery}})
        .get("Item", {})
        .get("state", {})
        .get("S", "missing")
        for each in sent
    )
    runs = list(reversed(local.github("GET", "runs")))
    by_delivery = Counter(run["inputs"]["delivery_id"] for run in runs)
    order: dict[str, list[int]] = {}
    for run in runs:
        order.setdefault(run["inputs"]["model_name"], []).append(int(run["inputs"]["model_version"]))
    return {
        "sent": len(sent),
        "states": dict(states),
        "unaccounted": sum(each.delivery not in by_delivery for each in sent),
        "twice": sum(count > 1 for count in by_delivery.values()),
        "out_of_order": sum(versions != sorted(versions) for versions in order.values()),
        "violations": local.github("GET", "state")["violations"],
        "queued": local.queued(),
    }


def _flatness(local: Local, sent: list[Sent], samples: list[Sample]) -> dict[str, Any]:
    """Tell latency and memory by parts of the time, each the median of what falls into it."""
    runs = {run["inputs"]["delivery_id"]: _seconds(run["created_at"]) for run in local.github("GET", "runs")}
    known = local.started()  # To the millisecond, as far as the simulator's log goes back.
    late = [
        (each.at, max(0.0, known.get(each.delivery, runs[each.delivery]) - each.at))
        for each in sent
        if each.delivery in runs
    ]
    kinds = sorted({kind for sample in samples for kind in sample.memory})
    return {
        "runs": len(runs),
        "latency_seconds": {f"p{percent}": _by_part(late, percent / 100, samples) for percent in (50, 99)},
        "memory_mb": {
            kind: _by_part([(each.at, each.memory.get(kind, 0.0)) for each in samples], 0.5, samples)
            for kind in kinds
        },
        "samples": [asdict(each) for each in samples[:: max(1, len(samples) // 12)]],
    }


def _seconds(timestamp: str) -> float:
    """Read GitHub's time, which is in whole seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


def _by_part(series: list[tuple[float, float]], share: float, samples: list[Sample]) -> list[float]:
    begin, end = samples[0].at, max(samples[-1].at, series[-1][0]) + 1e-6
    parts: list[list[float]] = [[] for _ in range(PARTS)]
    for at, value in series:
        parts[min(PARTS - 1, max(0, int(PARTS * (at - begin) / (end - begin))))].append(value)
    return [round(quantile(sorted(part), share), 2) if part else 0.0 for part in parts]


if __name__ == "__main__":
    sys.exit(main())
