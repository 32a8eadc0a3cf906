"""Cold starts: from the start of the process to its first question for work, and to its first answer.

Each candidate runs under the real runtime interface client, against a Runtime API and stand-ins for AWS and
GitHub on this machine. Nothing is warm but the file system's cache.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import bundles, samples
from benchmarks.frame import Plan, Table, against, in_turn
from benchmarks.runtime_api import RuntimeApi
from benchmarks.standin import StandIn
from infra.bundling import ROOT

MEMORY: Final = "memory"
UNITS: Final = {"init": "ms", "answer": "ms", "cpu": "ms", MEMORY: "MB"}
_SECONDS: Final = 60


Around = Callable[[int, Callable[[], bool]], AbstractContextManager[Any]]
"""What surrounds a process from its start to its answer: told its id, and whether it has asked for work."""


class ColdStartError(Exception):
    """A candidate did not do what it was measured for. The text says what it answered."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is started.

    Attributes:
        folder: The bundle.
        handler: In it, as Lambda's configuration names it.
        event: Makes what it is invoked with.
        secret: What Secrets Manager holds.
        right: Tells whether an answer is the one of a function that did its work.
    """

    folder: Path
    handler: str
    event: Callable[[], Mapping[str, Any]]
    secret: str
    right: Callable[[Any], bool]


def run(plan: Plan) -> Table:
    """Measure all candidates in turn."""
    table = Table("Cold start", UNITS)
    with StandIn(samples.SECRET) as stand_in:
        settings = samples.settings(stand_in.url).to_json()
        found = candidates(settings, plan.before)
        measures = {name: partial(measure, candidate, stand_in) for name, candidate in found.items()}
        table.rows.update({name: dict(cells) for name, cells in in_turn(measures, plan.runs).items()})
    table.notes += _ratios(table)
    return table


def candidates(settings: str, before: str = "") -> dict[str, Candidate]:
    """Give all candidates by name; `source` ones hold no bytecode.

    Args:
        settings: What our functions are told, as JSON.
        before: A commit whose bundles are candidates too; empty for none.
    """
    ingest = partial(Candidate, event=_request, secret=samples.SECRET, right=_accepted)
    dispatch = partial(Candidate, event=samples.batch, secret=TOKEN, right=_dispatched)
    app = partial(Candidate, event=samples.batch, secret=samples.app_secret(), right=_dispatched)
    found: dict[str, Candidate] = {}

    def add(name: str, folder: Path, make: Callable[..., Candidate], handler: str) -> None:
        found[name] = make(folder, handler)

    for form, formed in (("bytecode", bundles.compiled), ("source", bundles.stripped)):
        add(f"floor, {form}", formed(bundles.floor()), ingest, "usual_floor.handler")
        for name, make in (("ingest", ingest), ("dispatch", dispatch)):
            add(f"usual {name}, {form}", formed(bundles.usual(name)), make, f"usual_{name}.handler")
    trees = {"": ROOT} | ({f" at {before}": bundles.other(before)} if before else {})
    for when, tree in trees.items():
        for name, make in (("ingest", ingest), ("dispatch", dispatch)):
            folder = bundles.ours(name, settings, tree)
            handler = f"functions.{name}.handler.handler"
            add(f"{name}{when}", folder, make, handler)
            if not when:
                add(f"{name}, source", bundles.stripped(folder), make, handler)
            if name == "dispatch":
                add(f"dispatch (App){when}", folder, app, handler)
    return found


def _undisturbed(_process: int, _has_started: Callable[[], bool]) -> AbstractContextManager[Any]:
    return nullcontext()


def measure(candidate: Candidate, stand_in: StandIn, around: Around = _undisturbed) -> dict[str, float]:
    """Start a candidate, let it answer once, and end it.

    Returns:
        `init` and `answer` in ms since the start; the processor's time in ms and the memory in MB.

    Raises:
        ColdStartError: It did not give the right answer.
    """
    stand_in.secret = candidate.secret
    with RuntimeApi(candidate.event()) as api, tempfile.TemporaryFile() as log:
        line = [bundles.python(), "-S", "-m", "awslambdaric", candidate.handler]
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - what is measured
            line, cwd=candidate.folder, env=environment(api, stand_in), stdout=log, stderr=log
        )
        with around(process.pid, lambda: bool(api.asked_at)):
            api.done.wait(_SECONDS)
        peak = memory(process.pid)
        process.send_signal(signal.SIGKILL)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        if api.failure or not candidate.right(api.answer):
            log.seek(0)
            raise ColdStartError(
                f"{candidate.folder.name}: {api.failure or api.answer}\n{log.read()[-3000:]!r}"
            )
    return {
        "init": (api.asked_at - started) * 1000,
        "answer": (api.answered_at - started) * 1000,
        "cpu": (used.ru_utime + used.ru_stime) * 1000,
        MEMORY: peak,
    }


def memory(process: int | str) -> float:
    """Give the most memory that a process has held, in MB; 0 where the system does not tell (Linux does).

    `getrusage` is no help: it counts what the parent held when it made the process.
    """
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def environment(api: RuntimeApi, stand_in: StandIn) -> dict[str, str]:
    """Give what a function finds in its environment on Lambda, and on our stack."""
    queue = f"{stand_in.url}/000000000000"
    return {
        "PATH": os.environ["PATH"],
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": str(bundles.runtime_client()),
        "PYTHONDONTWRITEBYTECODE": "1",  # /var/task is read-only
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_SESSION_TOKEN": "made-up",
        "AWS_ENDPOINT_URL": stand_in.url,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_METRICS_NAMESPACE": "ModelRelay",
        "QUEUE_URL": f"{queue}/deliveries.fifo",
        "DEAD_LETTER_QUEUE_URL": f"{queue}/dead-letters.fifo",
        "LEDGER_TABLE": "ledger",
        "DATABRICKS_SECRET_ID": "databricks",
        "GITHUB_SECRET_ID": "github",
        "GATE_TABLE": "ledger",
        "GATE_NAME": "github",
        "GITHUB_API_URL": stand_in.url,
    }


TOKEN: Final = json.dumps({"token": "made-up"})


def _request() -> Mapping[str, Any]:
    return samples.request(samples.body(samples.SMALL_BYTES))


def _accepted(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("statusCode") == 202  # noqa: PLR2004 - HTTP's own


def _dispatched(answer: Any) -> bool:
    return bool(answer == {"batchItemFailures": []})


def _ratios(table: Table) -> list[str]:
    pairs = (
        ("ingest", "floor, bytecode"),
        ("dispatch", "floor, bytecode"),
        ("ingest", "floor, source"),
        ("dispatch", "floor, source"),
        ("ingest", "usual ingest, bytecode"),
        ("dispatch", "usual dispatch, bytecode"),
        ("ingest", "usual ingest, source"),
        ("dispatch", "usual dispatch, source"),
    )
    return [
        f"{name} / {base}: {against(table.rows, 'answer', name, base):.2f} by the clock, "
        f"{against(table.rows, 'cpu', name, base):.2f} by the processor's time"
        for name, base in pairs
    ]
