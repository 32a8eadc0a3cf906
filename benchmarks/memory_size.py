"""Cold starts with a part of a processor, as a function of little memory has one.

At 1,769 MB a function has one processor, below a part of it in proportion (AWS Lambda Developer Guide,
"Configure Lambda function memory"). While a function starts, AWS may give it more; how much is not told. So
each size is measured twice: with its part from the beginning, and with a whole processor up to its first
question for work.

A process gets its part by being stopped for the rest of every 20 ms, which is how a quota of the processor's
time works. That is coarse: a few per cent more or less.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Self

from benchmarks import cold, samples
from benchmarks.frame import Plan, Table, in_turn
from benchmarks.standin import StandIn

WHOLE_MB: Final = 1769
SIZES: Final = (256, 512, 1024, WHOLE_MB)
UNITS: Final = {"throttled start": "ms", "whole start": "ms", "price of a start": "GB-seconds"}
_PERIOD_SECONDS: Final = 0.02
_MOST_RUNS: Final = 8
_FUNCTIONS: Final = ("ingest", "dispatch")


class Throttle:
    """Gives a process a part of a processor from a moment on.

    Args:
        process: Its id.
        share: The part, from 0 to 1.
        begins: Tells whether it has begun.
    """

    def __init__(self, process: int, share: float, begins: Callable[[], bool]) -> None:
        self._process = process
        self._share = share
        self._begins = begins
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        os.kill(self._process, signal.SIGCONT)

    def _run(self) -> None:
        while not self._ended.is_set():
            if self._share < 1 and self._begins():
                os.kill(self._process, signal.SIGSTOP)
                time.sleep(_PERIOD_SECONDS * (1 - self._share))
                os.kill(self._process, signal.SIGCONT)
            self._ended.wait(_PERIOD_SECONDS * self._share)


def run(plan: Plan) -> Table:
    """Measure ingest and dispatch (with a token) in each size."""
    table = Table("Memory size (cold start to first answer)", UNITS)
    runs = min(plan.runs, _MOST_RUNS)
    with StandIn(samples.SECRET) as stand_in:
        found = cold.candidates(samples.settings(stand_in.url).to_json())
        for name in _FUNCTIONS:
            measures = {
                f"{name}, {size} MB": partial(measure, found[name], stand_in, size / WHOLE_MB)
                for size in SIZES
            }
            for row, cells in in_turn(measures, runs).items():
                gigabytes = int(row.rpartition(", ")[2].removesuffix(" MB")) / 1024
                price = gigabytes * cells["throttled start"].median / 1000
                table.rows[row] = {**cells, "price of a start": price}
    table.notes.append(f"a size's part of a processor: MB / {WHOLE_MB}")
    return table


def measure(candidate: cold.Candidate, stand_in: StandIn, share: float) -> Mapping[str, float]:
    """Start a function with a part of a processor, from the beginning and from its first question on."""
    return {
        "throttled start": cold.measure(candidate, stand_in, _from(share, whole_start=False))["answer"],
        "whole start": cold.measure(candidate, stand_in, _from(share, whole_start=True))["answer"],
    }


def _from(share: float, *, whole_start: bool) -> cold.Around:
    def around(process: int, has_started: Callable[[], bool]) -> Throttle:
        return Throttle(process, share, has_started if whole_start else lambda: True)

    return around
