"""`python -m tests.simulation --seeds A-B`: run worlds, and tell the story of those that go wrong."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.simulation.world import Result, simulate


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds; give the exit code: 1 where an invariant was violated."""
    options = _options(arguments)
    console = Console(highlight=False, soft_wrap=True)
    begun = time.perf_counter()
    results = _run(options, console)
    _report(console, results, time.perf_counter() - begun, options)
    return int(any(result.violations for result in results))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(1, 301), metavar="A-B", help="default 1-300")
    parser.add_argument("--story", action="store_true", help="tell every seed's whole story")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes; default 1")
    parser.add_argument("--lies", action="store_true", help="let GitHub hide runs that it started")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("--brief", action="store_true", help="no stories, only what was violated")
    return parser.parse_args(arguments)


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _run(options: argparse.Namespace, console: Console) -> list[Result]:
    run = partial(simulate, lies=options.lies, whole=options.story)
    found = []
    columns = ("[progress.description]{task.description}", "{task.completed}/{task.total}")
    with Progress(
        *map(TextColumn, columns), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        bar = progress.add_task("worlds", total=len(options.seeds))
        for result in _results(run, options):
            found.append(result)
            progress.advance(bar)
            if result.violations:
                progress.update(bar, description=f"worlds, {sum(bool(r.violations) for r in found)} wrong")
                if options.first:
                    break
    return found


def _results(run: partial[Result], options: argparse.Namespace) -> Iterator[Result]:
    if options.jobs == 1:
        yield from map(run, options.seeds)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        yield from pool.map(run, options.seeds, chunksize=5)
        pool.shutdown(cancel_futures=True)


def told(result: Result) -> str:
    """Tell of one world: its story, what was violated, and how to run it again."""
    lines = [f"seed {result.seed}: {len(result.violations)} violations", result.story]
    lines += violated(result)
    lines.append(f"rerun: python -m tests.simulation --seeds {result.seed}-{result.seed}")
    return "\n".join(line for line in lines if line)


def violated(result: Result) -> Iterable[str]:
    """List what was violated."""
    return [f"violated: {each.name}: {each.text}" for each in result.violations]


def _report(console: Console, results: list[Result], seconds: float, options: argparse.Namespace) -> None:
    for result in results:
        if options.story or (result.violations and not options.brief):
            console.print(told(result), markup=False)
        elif result.violations:
            console.print(f"seed {result.seed}", *violated(result), sep="\n  ", markup=False)
    counts: Counter[str] = sum((result.counts for result in results), Counter())
    table = Table("", "all worlds", "a world", title=f"{len(results)} worlds in {seconds:.1f} s")
    for name, count in sorted(counts.items()):
        table.add_row(name, str(count), f"{count / len(results):.1f}")
    table.add_row("receives/message", "", f"{counts['receives'] / max(1, counts['messages']):.2f}")
    table.add_row("worlds/second", "", f"{len(results) / seconds:.1f}")
    console.print(table)
    names = Counter(name for result in results for name in {each.name for each in result.violations})
    for name, count in sorted(names.items()):
        seeds = [result.seed for result in results if name in {each.name for each in result.violations}]
        console.print(f"violated in {count} worlds: {name} (seeds {', '.join(map(str, seeds[:10]))})")


if __name__ == "__main__":
    sys.exit(main())
