"""Fuzzes one target in a process of its own, guided by the coverage of our own code; `fuzz` starts it.

libFuzzer, beneath atheris, keeps what reaches a new branch and bends it further. It would end at the first
finding; here each is written to a file and the next is looked for, until the inputs are used up.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .target import Target

TELL_SECONDS: Final = 2.0
SLOW_SECONDS: Final = 20
"""An input that takes longer than that ends the process, and is kept as a finding."""

_INSTRUMENTED: Final = ("functions", "modelrelay.operate.edited")
_LIBRARYS_SHARE: Final = 0.25
"""How many of the inputs libFuzzer bends by itself; ours know JSON."""

_AFRESH: Final = 0.4
"""How many are bent from a good one: most of what libFuzzer keeps is refused at once."""


def place_of(error: BaseException) -> str:
    """Tell one finding from another: what was raised, and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    words = str(error) if type(error).__name__ == "Broken" else ""
    return f"{type(error).__name__} {words.partition(':')[0]} {Path(frame.filename).name}:{frame.lineno}"


class Run:
    """Hands inputs to a target and keeps what is found.

    Args:
        target: What is fuzzed.
        inputs: How many.
        folder: Where findings are written.
        tell: Is told how far it is, as a line of JSON.
    """

    def __init__(self, target: Target, inputs: int, folder: Path, tell: Callable[[str], object]) -> None:
        self._target = target
        self._inputs = inputs
        self._folder = folder
        self._tell = tell
        self._found: dict[str, dict[str, Any]] = {}
        self._done = 0
        self._began = self._told = time.monotonic()

    def one(self, data: bytes) -> None:
        """Take an input; the last one ends the process."""
        self._done += 1
        try:
            self._target.check(data)
        except Exception as error:  # noqa: BLE001 - whatever is raised is a finding
            self._keep(data, error)
        now = time.monotonic()
        if self._done >= self._inputs or now - self._told > TELL_SECONDS:
            self._told = now
            self._tell(self.report())
        if self._done >= self._inputs:
            os._exit(0)  # libFuzzer's own way out prints a page.

    def report(self) -> str:
        """Say how far it is."""
        seconds = round(time.monotonic() - self._began, 1)
        return json.dumps({"inputs": self._done, "seconds": seconds, "findings": list(self._found.values())})

    def _keep(self, data: bytes, error: Exception) -> None:
        place = place_of(error)
        if place in self._found:
            return
        file = self._folder / f"finding-{hashlib.sha256(data).hexdigest()[:16]}"
        file.write_bytes(data)
        self._found[place] = {
            "place": place,
            "file": str(file),
            "input": self._done,
            "words": str(error)[:200],
        }


def main(name: str, inputs: int, seed: int, folder: Path) -> None:
    """Fuzz; never returns."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=[*_INSTRUMENTED]):
        target: Target = import_module("tests.audit.targets").TARGETS[name]
    mutator = import_module("tests.audit.mutation").Mutator(target.seeds)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(target.seeds):
        (corpus / f"seed-{number:03}").write_bytes(each)
        with suppress(Exception):  # What is made at first use is made here; what is wrong is found again.
            target.check(each)

    def bend(data: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        how = chance.random()
        if how < _LIBRARYS_SHARE:
            bent: bytes = atheris.Mutate(data, most)
            return bent
        begin = mutator.seed(chance) if how < _LIBRARYS_SHARE + _AFRESH else data
        return bytes(mutator.bend(begin, chance)[:most])

    run = Run(target, inputs, folder, lambda line: sys.stdout.write(line + "\n") and sys.stdout.flush())
    options = [
        f"-seed={seed}",
        "-max_len=8192",
        "-len_control=0",
        f"-timeout={SLOW_SECONDS}",
        "-verbosity=0",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], run.one, custom_mutator=bend)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
