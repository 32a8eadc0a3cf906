"""How old something is, as people say it."""

from __future__ import annotations

from typing import Final

_STEPS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_LARGE: Final = 2
"""A unit is left for the next larger one when there are two of that: 90 min, and then 2 h."""


def spoken(seconds: float) -> str:
    """Say how long something takes or how old it is: `45 s`, `3 min`, `2 h`, `5 d`."""
    for size, unit in _STEPS:
        if seconds >= _LARGE * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
