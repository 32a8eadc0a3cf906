"""Stopping by signal, at any moment and in good order."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn, Self, cast

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody wants us to end. Raised in the main thread wherever it is, once."""


class Signals:
    """The signals that end a local run.

    The first one raises `Stopped` in the main thread; further ones don't disturb the clearing up.
    """

    def __init__(self) -> None:
        self._came = False
        self._held = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, cast("signal.Handlers", handler))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold a signal back until the block is through.

        For starting something and arranging for its end: a signal between the two would leave it behind.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            raise Stopped

    def wait(self) -> NoReturn:
        """Wait for a signal."""
        while True:
            time.sleep(1)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        first, self._came = not self._came, True
        if first and not self._held:
            raise Stopped
