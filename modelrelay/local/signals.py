"""Stopping by signal, at any moment and in good order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody wants us to end. Raised in the main thread wherever it is, once."""


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Turn the first signal into `Stopped`; further ones don't disturb the clearing up.

    Yields:
        An event that is never set by us: waiting for it is waiting for a signal.
    """
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise Stopped

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield threading.Event()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
