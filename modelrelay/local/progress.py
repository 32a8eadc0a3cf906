"""Progress for people: a line for each step with its time, and a spinner where there is a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console


class Progress:
    """Tells what is being done and how long it took.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextlib.contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Show `doing` while the block runs, and `done` with the seconds it took when it is through."""
        started = time.monotonic()
        with self._spinner(doing):
            yield
        seconds = time.monotonic() - started
        self.console.print(f"[green]✓[/green] {done} [dim]{seconds:.1f} s[/dim]", highlight=False)

    def _spinner(self, doing: str) -> contextlib.AbstractContextManager[object]:
        if self.console.is_terminal:
            return self.console.status(f"{doing} …")
        return contextlib.nullcontext()
