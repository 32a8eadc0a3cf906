"""Warm requests: the processor's time that ingest takes for one, and its memory.

The handler of the bundle is called in a process of its own. AWS is cut off where botocore hands a request to
its connection, so serialising, signing and reading the answer are counted, and no network is.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from benchmarks import bundles, samples
from benchmarks.frame import Plan, Spread, Table, quantile
from benchmarks.standin import StandIn
from infra.bundling import ROOT

UNITS: Final = {
    "whole p50": "µs",
    "whole p99": "µs",
    "own p50": "µs",
    "own p99": "µs",
    "per core": "requests/s",
    "memory": "MB",
}
_REQUESTS: Final = 3000
_QUICK_REQUESTS: Final = 200
_ACCEPTED: Final = 202
_UNAUTHORIZED: Final = 401
_CHILD: Final = Path(__file__).with_name("warm_child.py")

CASES: Final = {
    "1 kB, valid": (samples.SMALL_BYTES, True),
    "1 kB, forged": (samples.SMALL_BYTES, False),
    "250 kB, valid": (samples.LARGE_BYTES, True),
    "250 kB, forged": (samples.LARGE_BYTES, False),
}


def run(plan: Plan) -> Table:
    """Measure each case in a process of its own, and then another commit's where one is asked for."""
    table = Table("Warm ingest", UNITS)
    requests = _QUICK_REQUESTS if plan.quick else _REQUESTS
    trees = {"": ROOT} | ({f" at {plan.before}": bundles.other(plan.before)} if plan.before else {})
    with StandIn(samples.SECRET) as stand_in:
        settings = samples.settings(stand_in.url).to_json()
        folders = {when: bundles.ours("ingest", settings, tree) for when, tree in trees.items()}
    for name in CASES:
        for when, folder in folders.items():
            table.rows[f"{name}{when}"] = _row(_measured(name, folder, requests))
    table.notes += [
        "whole: the handler, with botocore's serialising, signing and parsing of the call to SQS",
        "own: the same without botocore's part, which is there for valid requests alone",
    ]
    return table


def _measured(name: str, folder: Path, requests: int) -> dict[str, Any]:
    size, valid = CASES[name]
    event = samples.request(samples.body(size), samples.SECRET if valid else "another secret")
    times = _times(folder, event, requests)
    if times["status"] != (_ACCEPTED if valid else _UNAUTHORIZED):
        raise ValueError(f"{name}: ingest answered {times['status']}")
    return times


def _row(times: dict[str, Any]) -> dict[str, Spread | float]:
    whole, own = sorted(times["whole"]), sorted(times["own"])
    return {
        "whole p50": quantile(whole, 0.5),
        "whole p99": quantile(whole, 0.99),
        "own p50": quantile(own, 0.5),
        "own p99": quantile(own, 0.99),
        "per core": 1e6 * len(whole) / sum(whole),
        "memory": times["memory"],
    }


def _times(folder: Path, event: dict[str, Any], requests: int) -> dict[str, Any]:
    line = [bundles.python(), "-S", "-B", str(_CHILD), str(requests)]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "POWERTOOLS_METRICS_NAMESPACE": "ModelRelay",
        "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/000000000000/deliveries.fifo",
        "DATABRICKS_SECRET_ID": "databricks",
    }
    done = subprocess.run(  # noqa: S603 - what is measured
        line, env=environment, input=json.dumps(event), capture_output=True, text=True, check=True
    )
    times: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return times
