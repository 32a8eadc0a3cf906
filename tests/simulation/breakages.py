"""Hand-made breakages of the product, each of which some seed must catch: what the simulation is worth.

`python -m tests.simulation.breakages [--seeds 1-300] [--only WORD]` copies the code to a temporary folder,
breaks it in one way, runs seeds until one catches it, and prints a table.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[2]
_NEEDED: Final = ("functions", "modelrelay", "tests/simulation", "tests/simulator")
_SEED: Final = re.compile(r"^seed (\d+)\n  violated: ([^:]+):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Breakage:
    """A breakage: the text in a file of the product that is replaced, and by what."""

    name: str
    file: str
    old: str
    new: str

    def occurrences(self, root: Path) -> int:
        """Count how often the text occurs; it must be once."""
        return (root / self.file).read_text(encoding="utf-8").count(self.old)

    def apply(self, root: Path) -> None:
        """Break the copy of the product in a folder."""
        if self.occurrences(root) != 1:
            raise ValueError(f"{self.name}: the text occurs {self.occurrences(root)} times in {self.file}")
        path = root / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")


_CORE: Final = "functions/core"
_DISPATCH: Final = "functions/dispatch"

BREAKAGES: Final = (
    Breakage(
        "the claim has no condition",
        f"{_CORE}/ledger.py",
        "            **unless_written_since(entry.revision - 1),\n",
        "",
    ),
    Breakage(
        "a lapsed claim counts as fresh",
        f"{_CORE}/ledger.py",
        "self, state=State.UNKNOWN, deaths=deaths, doubt_since=since, doubt_until=until, looks=0",
        "self, state=State.WAITING, deaths=deaths",
    ),
    Breakage(
        "a claim never lapses",
        f"{_CORE}/ledger.py",
        "if self.state is not State.CLAIMED or now < self.lapses_at:",
        "if True or now < self.lapses_at:",
    ),
    Breakage(
        "settled as dispatched before the call",
        f"{_DISPATCH}/books.py",
        "            state=State.CLAIMED,\n",
        "            state=State.DISPATCHED,\n",
    ),
    Breakage(
        "acknowledged without the ledger's knowing",
        f"{_DISPATCH}/books.py",
        "        work.entry = settled(work.entry, outcome, work.holder)\n",
        "        if isinstance(outcome, Dispatched):\n            return outcome\n"
        "        work.entry = settled(work.entry, outcome, work.holder)\n",
    ),
    Breakage(
        "waiting is dead-lettered",
        f"{_DISPATCH}/books.py",
        "self.settle(work, Wait(told or Told(), reason, max(_MIN_WAIT_SECONDS, seconds)))",
        "self.settle(work, DeadLetter(told or Told(), reason))",
    ),
    Breakage(
        "a 403 with retry-after is no limit",
        f"{_DISPATCH}/outcome.py",
        '        or "retry-after" in answer.headers\n        or answer.remaining == 0\n'
        '        or "rate limit" in _message(answer).lower()\n',
        "",
    ),
    Breakage(
        "retry-after is halved",
        f"{_DISPATCH}/outcome.py",
        "    if value.isdecimal():\n        return float(value)\n",
        "    if value.isdecimal():\n        return float(value) / 2\n",
    ),
    Breakage(
        "a failure with a status counts as never sent",
        f"{_DISPATCH}/outcome.py",
        "        return Failed(told, UNAVAILABLE)\n",
        "        return Failed(told, UNAVAILABLE, sent=False)\n",
    ),
    Breakage(
        "an unknown outcome is not looked up",
        f"{_DISPATCH}/calls.py",
        "        if work.entry.in_doubt:\n            early",
        "        if False:\n            early",
    ),
    Breakage(
        "one early look is enough",
        f"{_DISPATCH}/lookup.py",
        "if entry.looks + 1 < _LOOKS or now < entry.doubt_until + LAST_LOOK_SECONDS:",
        "if now < 0:",
    ),
    Breakage(
        "a closed gate lets calls through",
        f"{_DISPATCH}/gate_state.py",
        "    if now < state.closed_until:\n        return _book(",
        "    if now < 0:\n        return _book(",
    ),
    Breakage(
        "the gate is written without a condition",
        f"{_DISPATCH}/gate_store.py",
        "                **unless_written_since(state.revision),\n",
        "",
    ),
    Breakage(
        "nobody waits for the end of another call",
        f"{_DISPATCH}/gate.py",
        "before = list(takewhile(lambda each: each.holder != ticket.holder, state.tickets))",
        "before: list[Ticket] = []",
    ),
    Breakage(
        "nobody is told of a rate limit",
        f"{_DISPATCH}/trouble.py",
        "                turn = tell(trouble.seconds)\n",
        "                turn = self._clock() + (trouble.seconds or 60.0)\n",
    ),
    Breakage(
        "calls are not spaced",
        f"{_DISPATCH}/pacing.py",
        "return max(MIN_SPACING_SECONDS, _MINUTE / self.per_minute)",
        "return 0.0",
    ),
    Breakage(
        "the limit of the hour is not kept",
        f"{_DISPATCH}/pacing.py",
        "while in_hour_before(minutes, moment) >= self.per_hour:",
        "while in_hour_before(minutes, moment) >= 10 * self.per_hour:",
    ),
    Breakage(
        "a batch goes on with a group that has to wait",
        f"{_DISPATCH}/batch.py",
        "processor = SqsFifoPartialProcessor(skip_group_on_error=True)",
        "processor = SqsFifoPartialProcessor(skip_group_on_error=True)\n"
        "        processor._failed_group_ids = type('Nobody', (set,), {'add': lambda *_: None})()",
    ),
    Breakage(
        "a message that waits is not hidden",
        f"{_DISPATCH}/settlement.py",
        "VisibilityTimeout=math.ceil(min(seconds, MAX_HIDE_SECONDS)),",
        "VisibilityTimeout=0,",
    ),
    Breakage(
        "a replay does not ask for newer facts",
        f"{_DISPATCH}/engine.py",
        "            if newest > delivery.event.occurred_at:\n",
        "            if newest > '9':\n",
    ),
    Breakage(
        "a duplicate is dispatched again",
        f"{_DISPATCH}/engine.py",
        "        case State.DISPATCHED:\n",
        "        case State.DISPATCHED if message.sent_at <= entry.updated_at:\n",
    ),
    Breakage(
        "given up too soon",
        f"{_DISPATCH}/engine.py",
        "if age > self._max_age_seconds and",
        "if age > self._max_age_seconds / 4 or",
    ),
    Breakage(
        "accepted although it could not be stored",
        "functions/ingest/queue.py",
        '            raise NotStored("The event could not be stored; please send it again.") from error\n',
        "            str(error)\n",
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Try the breakages; give the exit code: 1 where one was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.breakages", description=__doc__)
    parser.add_argument("--seeds", default="1-300", metavar="A-B", help="default 1-300")
    parser.add_argument("--only", default="", metavar="WORD", help="those whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="breakages at a time; default 2")
    options = parser.parse_args(arguments)
    chosen = [breakage for breakage in BREAKAGES if options.only in breakage.name]
    table = Table("breakage", "caught by seed", "violated")
    uncaught = 0
    console = Console()
    with ThreadPoolExecutor(options.jobs) as pool:
        for breakage, (seed, invariant) in zip(
            chosen, pool.map(_catcher(options.seeds), chosen), strict=True
        ):
            uncaught += not seed
            table.add_row(breakage.name, seed or "none", invariant)
            console.print(f"{breakage.name}: {f'seed {seed}, {invariant}' if seed else 'not caught'}")
    console.print(table)
    return int(uncaught > 0)


def _catcher(seeds: str) -> Callable[[Breakage], tuple[str, str]]:
    return lambda breakage: _caught(breakage, seeds)


def _caught(breakage: Breakage, seeds: str) -> tuple[str, str]:
    """Break a copy, run seeds in it, and give the first that catches it and what it found violated."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in _NEEDED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "tests" / "__init__.py").touch()
        breakage.apply(root)
        command = [sys.executable, "-m", "tests.simulation", "--seeds", seeds, "--first", "--brief"]
        environment = {**os.environ, "PYTHONPATH": folder}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=3600
        )
    found = _SEED.search(done.stdout)
    if done.returncode not in {0, 1} or (done.returncode == 1 and not found):
        raise RuntimeError(f"{breakage.name}: the simulation failed\n{done.stdout}{done.stderr}")
    return (found[1], found[2]) if found else ("", "")


if __name__ == "__main__":
    sys.exit(main())
