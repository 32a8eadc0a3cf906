"""The functions keep their promises in every world that is tried, and a seed always gives the same world."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from tests.simulation.__main__ import told
from tests.simulation.breakages import BREAKAGES, ROOT, Breakage
from tests.simulation.world import Result, simulate

SEEDS = range(1, 301)
CHUNK = 25
CHUNKS = [range(first, first + CHUNK) for first in SEEDS[::CHUNK]]
REPEATED = (5, 17, 42)


def run_all(seeds: range) -> list[Result]:
    """Run the worlds of some seeds."""
    return [simulate(seed) for seed in seeds]


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[range, Future[list[Result]]]]:
    """All worlds, which run in two processes from the first test on."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield {chunk: pool.submit(run_all, chunk) for chunk in CHUNKS}


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_keeps_every_promise(worlds: dict[range, Future[list[Result]]], seeds: range) -> None:
    """No invariant is violated, whatever fails and whoever dies."""
    wrong = [result for result in worlds[seeds].result() if result.violations]
    assert not wrong, "\n\n".join(told(result) for result in wrong)


@pytest.mark.parametrize("seed", range(1, 21))
def test_keeps_the_other_promises_where_github_lies(seed: int) -> None:
    """A run that stays unlisted for longer than anybody looks costs a second run, and nothing else."""
    result = simulate(seed, lies=True)
    assert not result.violations, told(result)


@pytest.mark.parametrize("seed", REPEATED)
def test_a_seed_gives_the_same_story_twice(seed: int) -> None:
    """Nothing but the seed decides, in one process."""
    assert simulate(seed, whole=True).story == simulate(seed, whole=True).story


def test_a_seed_gives_the_same_story_in_another_process() -> None:
    """Nothing but the seed decides, whatever Python's hashes are."""
    program = (
        f"from tests.simulation.world import *\nfor s in {REPEATED}: print(simulate(s, whole=True).story)"
    )
    stories = [_output(program, hash_seed) for hash_seed in ("0", "4711")]
    assert stories[0] == stories[1]
    assert stories[0].rstrip("\n") == "\n".join(simulate(seed, whole=True).story for seed in REPEATED)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_breakages_still_apply(breakage: Breakage) -> None:
    """The text that a breakage replaces occurs in the product exactly once."""
    assert breakage.occurrences(ROOT) == 1


def _output(program: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout.decode()
