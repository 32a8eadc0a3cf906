"""Makes a cold start short. A handler imports this before all else, and calls `ready` at its end.

Between the two, the garbage collector does not run: what a start makes is kept, and looking through it again
and again takes a tenth of the time.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Final

_LATER: Final = ("asyncio",)
"""What is imported and not used: Powertools' batch utility imports it for coroutines, and we have none."""

_UNLOGGED: Final = ("logAsyncioTasks", "logMultiprocessing", "logProcesses", "logThreads")
"""What `logging` need not find out for each line: none of ours tells it, and the first loads asyncio.

Source: "Optimization", Python's Logging HOWTO.
"""


def ready(build: Callable[[], object]) -> None:
    """Build what the first request needs, while Lambda starts the function and no request waits.

    What fails now is tried again by the first request, which tells what is wrong.
    """
    with contextlib.suppress(Exception):
        build()
    gc.freeze()
    gc.enable()


def _load_when_used(name: str) -> None:
    """Put a module in place that makes room for the real one at the first look into it.

    Python's own `LazyLoader` looks into a module as soon as a second one imports it.
    """
    if name in sys.modules:
        return
    module = sys.modules[name] = ModuleType(name)

    def look(attribute: str) -> object:
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    module.__getattr__ = look  # type: ignore[method-assign]  # PEP 562


gc.disable()
for _name in _LATER:
    _load_when_used(_name)
for _name in _UNLOGGED:
    setattr(logging, _name, False)
