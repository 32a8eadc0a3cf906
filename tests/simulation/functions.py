"""Lambda: functions in sandboxes that live across invocations, time out, die, and are recycled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any, Final

from tests.simulation.plan import Plan
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.story import Story
from tests.simulation.weather import Weather

Sandbox = Callable[[Any, Any], Any]
_COLD_SECONDS: Final = 0.6


class Function:
    """A Lambda function.

    Args:
        name: How the story calls its invocations.
        make: Makes a sandbox: what is built once and lives across invocations.
        seconds: Its time-out.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Sandbox],
        seconds: float,
        plan: Plan,
        scheduler: Scheduler,
        story: Story,
        weather: Weather,
    ) -> None:
        self.name = name
        self._make = make
        self._seconds = seconds
        self._plan = plan
        self._scheduler = scheduler
        self._story = story
        self._weather = weather
        self._random = Random(f"{plan.seed}/{name}")
        self._idle: list[Sandbox] = []
        self._count = 0
        self.running = 0
        self.on_killed: Callable[[str, tuple[str, ...]], None] = _ignore
        self.counts: Counter[str] = Counter()

    def invoke(self, event: Any, then: Callable[[Any], None]) -> Task:
        """Start an invocation.

        Args:
            event: What it is given.
            then: Is given its result; None where it failed, died or ran out of time.
        """
        self._count += 1
        self.running += 1
        self.counts["invocations"] += 1
        deadline = self._scheduler.now + self._seconds
        task = self._scheduler.spawn(
            f"{self.name}#{self._count}", lambda: self._body(task, event, deadline, then)
        )
        task.doomed_at = self._weather.dies_at()
        task.on_kill = lambda: self._killed(task, then)
        self._scheduler.at(deadline, lambda: self._scheduler.kill(task, "timed out"))
        return task

    def _body(self, task: Task, event: Any, deadline: float, then: Callable[[Any], None]) -> None:
        if self._weather.phase("deployment"):
            self._scheduler.sleep(_COLD_SECONDS)
            self._finish(task, None, then, "fails at import: a bad deployment")
            return
        sandbox = self._sandbox()
        context = SimpleNamespace(
            function_name=self.name,
            memory_limit_in_mb=512,
            invoked_function_arn=f"arn:aws:lambda:eu-west-1:111122223333:function:{self.name}",
            aws_request_id=task.name,
            get_remaining_time_in_millis=lambda: max(0, int((deadline - self._scheduler.now) * 1000)),
        )
        try:
            result = sandbox(event, context)
        except Exception as error:  # noqa: BLE001 - as Lambda does
            self._finish(task, None, then, f"raised {type(error).__name__}: {error}")
            return
        self._scheduler.sleep(0.002)
        if self._random.random() >= self._plan.recycling or self._weather.fine:
            self._idle.append(sandbox)
        self._finish(task, result, then, "")

    def _sandbox(self) -> Sandbox:
        if self._idle:
            return self._idle.pop(self._random.randrange(len(self._idle)))
        self._scheduler.sleep(_COLD_SECONDS)
        self.counts["cold starts"] += 1
        return self._make()

    def _finish(self, task: Task, result: Any, then: Callable[[Any], None], why: str) -> None:
        if why:
            self.counts["failures"] += 1
            self._story.tell(task.name, why)
        self.running -= 1
        task.on_kill = _nothing
        self._scheduler.after(0.01, lambda: then(result))

    def _killed(self, task: Task, then: Callable[[Any], None]) -> None:
        self.counts["kills"] += 1
        self.running -= 1
        self._story.tell(task.name, f"† {task.killed}")
        self.on_killed(task.name, self._story.topics(task.name))
        self._scheduler.after(0.01, lambda: then(None))


def _nothing() -> None:
    """Do nothing."""


def _ignore(_who: str, _about: tuple[str, ...]) -> None:
    """Do nothing."""
