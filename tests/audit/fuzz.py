"""Fuzzes everything that reads what others wrote: python -m tests.audit.fuzz --runs 1000000.

Each target has a process of its own, two at a time. What is found lies in .build/fuzz/TARGET, and

    python -m tests.audit.fuzz --target TARGET FILE ...

hands it over once more, with the traceback. The same seed and code give the same inputs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
FINDINGS: Final = ROOT / ".build" / "fuzz"
_TELL_SECONDS: Final = 10.0


@dataclass
class Progress:
    """How far a target is.

    Attributes:
        wanted: How many inputs it is to have.
        inputs: How many it has had.
        seconds: For how long.
        findings: What was found.
        died: What the process said last, where it ended before its time.
    """

    wanted: int
    inputs: int = 0
    seconds: float = 0.0
    findings: list[dict[str, Any]] = field(default_factory=list)
    died: str = ""

    @property
    def found(self) -> int:
        """How many findings there are."""
        return len(self.findings) + bool(self.died)


def share(runs: int, names: Sequence[str]) -> dict[str, int]:
    """Share inputs among targets; none is lost to rounding."""
    least, rest = divmod(runs, len(names))
    return {name: least + (number < rest) for number, name in enumerate(names)}


def fuzz(name: str, progress: Progress, seed: int) -> None:
    """Fuzz a target in a process of its own."""
    folder = FINDINGS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "tests.audit.fuzz_one",
        name,
        str(progress.wanted),
        str(seed),
        str(folder),
    ]
    with (folder / "stderr").open("w+", encoding="utf-8", errors="replace") as errors:
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment()
        ) as process:
            for line in process.stdout or ():
                if line.startswith("{"):
                    vars(progress).update(json.loads(line))
        errors.seek(0)
        if process.returncode or progress.inputs < progress.wanted:
            progress.died = "\n".join(errors.read().splitlines()[-15:]) or f"exit code {process.returncode}"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0", "AWS_DEFAULT_REGION": "eu-west-1"}


def fuzz_all(names: Sequence[str], runs: int, seed: int, jobs: int, console: Console) -> dict[str, Progress]:
    """Fuzz targets, and tell how far they are."""
    progress = {name: Progress(wanted) for name, wanted in share(runs, names).items()}
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(progress, over, console), daemon=True)
    teller.start()
    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(fuzz, name, each, seed) for name, each in progress.items()]:
            done.result()
    over.set()
    teller.join()
    return progress


def _tell(progress: dict[str, Progress], over: threading.Event, console: Console) -> None:
    while not over.wait(_TELL_SECONDS):
        done = sum(each.inputs for each in progress.values())
        busy = [name for name, each in progress.items() if 0 < each.inputs < each.wanted and not each.died]
        found = sum(each.found for each in progress.values())
        console.print(f"{done:>9,} inputs, {found} findings; at {', '.join(busy) or 'the start'}")


def summary(progress: dict[str, Progress], seconds: float) -> Table:
    """Give the table of what was done."""
    table = Table("target", "inputs", "seconds", "findings", title="Fuzzing")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, each in progress.items():
        table.add_row(name, f"{each.inputs:,}", f"{each.seconds:.1f}", str(each.found))
    total = sum(each.inputs for each in progress.values())
    table.add_section()
    table.add_row("all", f"{total:,}", f"{seconds:.1f}", str(sum(each.found for each in progress.values())))
    return table


def explain(progress: dict[str, Progress], console: Console) -> None:
    """Tell each finding, and the command that shows it again."""
    for name, each in progress.items():
        for finding in each.findings:
            file = Path(finding["file"]).relative_to(ROOT)
            console.print(
                f"\n{name}, input {finding['input']:,}: {finding['place']}\n  {finding['words']}",
                markup=False,
            )
            console.print(
                f"  python -m tests.audit.fuzz --target {name} {file}", markup=False, soft_wrap=True
            )
        if each.died:
            console.print(
                f"\n{name} ended before its time; see {FINDINGS.name}/{name}.\n{each.died}", markup=False
            )


def again(name: str, files: Sequence[Path], console: Console) -> int:
    """Hand kept inputs over once more; give how many of them are findings still."""
    found = 0
    for file in files:
        try:
            TARGETS[name].check(file.read_bytes())
        except Exception:  # noqa: BLE001 - whatever is raised is the finding
            found += 1
            console.print(f"{file}:\n{traceback.format_exc()}", markup=False, soft_wrap=True)
        else:
            console.print(f"{file}: all holds.", markup=False, soft_wrap=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, or hand kept inputs over again; give 1 where something was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.audit.fuzz", description="Fuzz what reads others' words."
    )
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs, shared among the targets")
    parser.add_argument(
        "--target", action="append", choices=[*TARGETS], help="only this one; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=1, help="another one gives other inputs")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument(
        "files", nargs="*", type=Path, help="kept inputs of the one target, to be shown again"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    names = options.target or [*TARGETS]
    if options.files:
        return int(bool(again(names[0], options.files, console)))
    began = time.monotonic()
    progress = fuzz_all(names, options.runs, options.seed, options.jobs, console)
    console.print(summary(progress, time.monotonic() - began))
    explain(progress, console)
    return int(any(each.found for each in progress.values()))


if __name__ == "__main__":
    sys.exit(main())
