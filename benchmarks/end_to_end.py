"""End to end on the embedded AWS: from the sender's first byte to GitHub's start of the run.

GitHub wants calls that start something a second apart, so at five events a second the last one waits for all
the others, whatever carries it. What is ours (and the embedded AWS's) is what comes on top of the best that
any caller could do who knows all arrivals and keeps that second.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from benchmarks.frame import Plan, Spread, Table, quantile
from benchmarks.local import Local, running

RATES: Final = (1, 5, 20)
EVENTS: Final = 20
QUICK_EVENTS: Final = 5
APART_SECONDS: Final = 1.0
UNITS: Final = {
    "answer p50": "ms",
    "answer p99": "ms",
    "start p50": "s",
    "start p99": "s",
    "least p50": "s",
    "least p99": "s",
    "ours p50": "s",
    "ours p99": "s",
}
_WAIT_SECONDS: Final = 240.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One webhook: when it was sent and when it was answered, in seconds since the epoch."""

    delivery: str
    at: float
    answered: float


def run(plan: Plan) -> Table:
    """Measure at each rate, each event of another model."""
    table = Table("From webhook to workflow run, on the embedded AWS", UNITS)
    with running() as local:
        _warm(local)
        for rate in RATES:
            table.rows[f"{rate} a second"] = _measured(local, rate, QUICK_EVENTS if plan.quick else EVENTS)
    table.notes += [
        "least: the best that any caller can do who keeps a second between calls that start something",
        "ours: what comes on top, the embedded AWS's own time included, on this machine's cores",
    ]
    return table


def _warm(local: Local) -> None:
    _all_started(local, [_send(local, "warm", 1)])


def _measured(local: Local, rate: int, events: int) -> dict[str, Spread | float]:
    sent = _sent(local, rate, events)
    started = _all_started(local, sent)
    starts = [started[each.delivery] for each in sent]
    least = _least([each.at for each in sent])
    answers = sorted(1000 * (each.answered - each.at) for each in sent)
    whole = sorted(start - each.at for start, each in zip(starts, sent, strict=True))
    best = sorted(start - each.at for start, each in zip(least, sent, strict=True))
    # In the order of starts: who starts third is held against the best third start.
    ours = sorted(start - bound for start, bound in zip(sorted(starts), least, strict=True))
    shown = {"answer": answers, "start": whole, "least": best, "ours": ours}
    return {
        f"{name} p{percent}": quantile(values, percent / 100)
        for name, values in shown.items()
        for percent in (50, 99)
    }


def _sent(local: Local, rate: int, events: int) -> list[Sent]:
    """Send at a steady rate, whether or not earlier ones have been answered."""
    begin = time.monotonic()
    with ThreadPoolExecutor(max_workers=events) as senders:
        waiting = []
        for number in range(events):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            waiting.append(senders.submit(_send, local, f"at-{rate}-{number}", 1))
        return [each.result() for each in waiting]


def _send(local: Local, model: str, version: int) -> Sent:
    at = time.time()
    delivery = local.send(model, version, at)
    return Sent(delivery, at, time.time())


def _all_started(local: Local, sent: list[Sent]) -> dict[str, float]:
    deadline = time.monotonic() + _WAIT_SECONDS
    while missing := {each.delivery for each in sent} - (started := local.started()).keys():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(missing)} of {len(sent)} runs did not start")
        time.sleep(0.2)
    return started


def _least(arrivals: list[float]) -> list[float]:
    """Give the earliest starts that keep a second between them, for arrivals in their order."""
    starts: list[float] = []
    for arrival in arrivals:
        starts.append(max(arrival, starts[-1] + APART_SECONDS) if starts else arrival)
    return starts
