"""A cooperative scheduler in virtual time: what runs next is decided by the seed alone.

Each task is a greenlet with a stack of its own, so the code under test need not know that it is not
alone: it calls a stand-in of something outside, and that switches to here. Between two such calls a task
runs undisturbed, as if no time passed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Final

from greenlet import GreenletExit, getcurrent, greenlet

NEVER: Final = float("inf")


class Task:
    """Something that runs: an invocation of a function, or an actor.

    Attributes:
        name: How the story calls it.
        ended: Whether it has returned, raised or been killed.
        killed: Why it was killed, if it was.
        switches: How often it has waited for something.
        doomed_at: At which of its waits it is killed.
    """

    def __init__(self, name: str, body: Callable[[], None], hub: greenlet) -> None:
        self.name = name
        self.ended = False
        self.killed = ""
        self.switches = 0
        self.doomed_at: float = NEVER
        self.on_kill: Callable[[], None] = _nothing
        self.alarm = 0  # Which of its wake-up calls counts; an older one is stale.
        self.stack = greenlet(body, parent=hub)


def _nothing() -> None:
    """Do nothing."""


class Scheduler:
    """Runs tasks and timers in the order of their times; ties are broken by the seed.

    Args:
        seed: Decides about ties.
        start: The virtual time at the beginning, in epoch seconds.
    """

    def __init__(self, seed: int, start: float) -> None:
        self.start = start
        self.now = start
        self.closing = False
        self._random = Random(f"{seed}/scheduler")
        self._heap: list[tuple[float, float, int, Callable[[], None]]] = []
        self._count = 0
        self._hub = getcurrent()
        self._tasks: list[Task] = []
        self.current: Task | None = None

    def clock(self) -> float:
        """Tell the virtual time. Nothing else runs meanwhile."""
        return self.now

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at a moment; it must not wait."""
        self._count += 1
        entry = (max(moment, self.now), self._random.random(), self._count, action)
        heapq.heappush(self._heap, entry)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after some seconds; it must not wait."""
        self.at(self.now + seconds, action)

    def spawn(self, name: str, body: Callable[[], None], delay: float = 0.0) -> Task:
        """Start a task after a delay."""
        task = Task(name, body, self._hub)
        self._tasks.append(task)
        self.after(delay, lambda: self._resume(task))
        return task

    def sleep(self, seconds: float) -> None:
        """Let the running task wait."""
        if self.closing:
            raise GreenletExit
        task = self.current
        if task is None:
            raise RuntimeError("only a task can wait")
        task.switches += 1
        if task.switches >= task.doomed_at:
            self.kill(task, "died")
        else:
            task.alarm += 1
            alarm = task.alarm
            self.after(seconds, lambda: self._wake(task, alarm))
        self._hub.switch()
        if self.closing:
            raise GreenletExit

    def kill(self, task: Task, why: str) -> None:
        """End a task where it stands: it is never resumed, and no `finally` of it runs."""
        if not task.ended:
            task.ended = True
            task.killed = why
            task.on_kill()

    def run(self, until: float, most: int) -> bool:
        """Run until nothing is left to do; give up at a moment, or after so many steps. Tell which it was."""
        for _ in range(most):
            if not self._heap:
                return True
            moment, _, _, action = heapq.heappop(self._heap)
            if moment > until:
                return False
            self.now = moment
            action()
        return False

    def close(self) -> None:
        """Let the stacks of killed tasks unwind. Whatever they do outside on their way is not done."""
        self.closing = True
        for task in self._tasks:
            if task.stack and not task.stack.dead:
                task.stack.throw(GreenletExit)

    def _wake(self, task: Task, alarm: int) -> None:
        if task.alarm == alarm:
            self._resume(task)

    def _resume(self, task: Task) -> None:
        if task.ended:
            return
        self.current = task
        try:
            task.stack.switch()
        finally:
            self.current = None
        if task.stack.dead:
            task.ended = True
