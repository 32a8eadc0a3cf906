"""The story of a simulated world: one line for everything that happened, in the order in which it did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from tests.simulation.scheduler import Scheduler

_LONGEST: Final = 400
_HEAD: Final = 80
_WIDTH: Final = 260


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened.

    Attributes:
        at: When, in virtual epoch seconds.
        who: The task that did it, or the outside part to which it happened.
        what: What it was, or what gives it: most stories are never told.
        about: The deliveries that it concerns; empty where it concerns all.
    """

    at: float
    who: str
    what: str | Callable[[], str]
    about: tuple[str, ...]


class Story:
    """Collects the lines. What a task does is about the deliveries that it has at hand (`topics`)."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._lines: list[Line] = []
        self._topics: dict[str, tuple[str, ...]] = {}

    def topic(self, who: str, *deliveries: str) -> None:
        """Say which deliveries a task has at hand from now on."""
        self._topics[who] = deliveries

    def topics(self, who: str) -> tuple[str, ...]:
        """Give the deliveries that a task has at hand."""
        return self._topics.get(who, ())

    def tell(self, who: str, what: str | Callable[[], str], *about: str) -> None:
        """Add a line."""
        if not self._scheduler.closing:
            line = Line(self._scheduler.now, who, what, about or self._topics.get(who, ()))
            self._lines.append(line)

    def whole(self) -> str:
        """Write down everything."""
        return "\n".join(self._shown(line) for line in self._lines)

    def of(self, deliveries: Collection[str]) -> str:
        """Write down what concerns some deliveries; what happened in between is left out."""
        if not deliveries:
            return "\n".join(_cut([self._shown(line) for line in self._lines]))
        abouts = [line.about or self._topics.get(line.who, ()) for line in self._lines]
        wanted = [
            line
            for line, about in zip(self._lines, abouts, strict=True)
            if not about or any(each in deliveries for each in about)
        ]
        # What concerns nobody in particular matters while one of the deliveries is at hand, or as weather.
        moments = [line.at for line in wanted if line.about]
        first, last = (min(moments) - 60, max(moments) + 60) if moments else (0.0, 0.0)
        shown = [self._shown(line) for line in wanted if first <= line.at <= last]
        return "\n".join(_cut([_shortened(line) for line in shown]))

    def _shown(self, line: Line) -> str:
        what = line.what if isinstance(line.what, str) else line.what()
        return f"{line.at - self._scheduler.start:11.3f} s  {line.who:<12} {what}"


def _cut(lines: list[str]) -> Iterator[str]:
    """Leave out the middle of what nobody would read to the end."""
    if len(lines) <= _LONGEST:
        yield from lines
        return
    tail = _LONGEST - _HEAD
    yield from lines[:_HEAD]
    yield f"              … {len(lines) - _LONGEST} lines; --story shows them …"
    yield from lines[-tail:]


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]} …"
