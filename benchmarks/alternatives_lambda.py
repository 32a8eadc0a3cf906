"""A function as many are written: a client called for each message of a batch, and SQS to try again.

Assumptions, each to its advantage: the same FIFO queue as ours, so models keep their order as long as nothing
is given up; 15 minutes of time, the longest there is, and six times that as visibility time-out, as AWS
advises; Lambda runs as many copies as there are models at once ("Configuring scaling behavior for SQS event
source mappings") without a ramp, or as many as `concurrency` says; a cold start takes no time. The queue's
`maxReceiveCount` is 5. A batch that fails stays hidden until its visibility ends, and comes back whole:
partial answers (`ReportBatchItemFailures`) are not the default.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.alternatives import Client, GaveUp, Octokit, PyGithub, Site
from benchmarks.drain_github import StrictGitHub
from benchmarks.drain_queue import GroupedQueue, GroupedSQS
from benchmarks.drain_scene import MOST_SECONDS, Outcome, Scene, calm, runs_of
from functions.core.delivery import Delivery
from tests.simulation.plan import START
from tests.simulation.scheduler import Scheduler
from tests.simulation.sqs import Message
from tests.simulation.wiring import DEAD_LETTERS, QUEUE

MOST_RECEIVES: Final = 5
FUNCTION_SECONDS: Final = 900.0
VISIBILITY_SECONDS: Final = 6 * FUNCTION_SECONDS
_STEPS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Design:
    """A choice of client, and of the event source's two numbers.

    Attributes:
        client: Makes a client for a new process.
        batch_size: Messages an invocation; AWS's default is 10.
        concurrency: Invocations at once; None for as many as there are models.
    """

    client: Callable[[Site], Client]
    batch_size: int = 10
    concurrency: int | None = None


DESIGNS: Final = {
    "Lambda with PyGithub, defaults": Design(PyGithub),
    "Lambda with PyGithub, batch 1, 2 at once": Design(PyGithub, 1, 2),
    "Lambda with Octokit, defaults": Design(Octokit),
    "Lambda with Octokit, batch 1, 2 at once": Design(Octokit, 1, 2),
}


class NaiveLambda:
    """A queue, an event source and a function."""

    def __init__(self, scene: Scene, design: Design) -> None:
        plan = calm(scene)
        self._scene = scene
        self._design = design
        self._scheduler = Scheduler(plan.seed, START)
        self._github = StrictGitHub(plan, self._scheduler.clock, scene.quota)
        token = str(json.loads(self._github.renew())["token"])
        self._site = Site(self._github, self._scheduler, token)
        self._sqs = GroupedSQS(self._scheduler.clock, plan.seed, 0.0, lambda: None)
        dead = GroupedQueue(DEAD_LETTERS, 30.0, MOST_RECEIVES, None)
        self._queue = GroupedQueue(QUEUE, VISIBILITY_SECONDS, MOST_RECEIVES, dead)
        self._sqs.queues = {QUEUE: self._queue, DEAD_LETTERS: dead}
        self._free = design.concurrency or scene.models
        self._idle: list[Client] = []
        self._looks_at = float("inf")

    def run(self) -> Outcome:
        """Let the backlog drain, and tell what came of it."""
        for delivery in self._scene.backlog():
            self._sqs.send(QUEUE, delivery.to_message(), delivery.group, delivery.id, {})
        self._look_at(START)
        self._scheduler.run(START + MOST_SECONDS, _STEPS)
        self._scheduler.close()
        limits = self._github.limits
        return Outcome(
            deliveries=self._scene.deliveries,
            runs=runs_of(self._github),
            calls=[],
            requests=self._site.requests,
            refused=limits.refused,
            intrusions=self._github.violations,
            receives=self._queue.received,
            buried=self._queue.redriven,
        )

    def _poll(self) -> None:
        """Hand batches to free copies; look again when something becomes visible."""
        while self._free and self._sqs.waiting(QUEUE):
            messages = self._sqs.receive(QUEUE, self._design.batch_size)
            if messages:
                self._invoke(messages)
        if self._free and (then := self._sqs.next_change(QUEUE)) is not None:
            self._look_at(then + 0.05)

    def _look_at(self, moment: float) -> None:
        """Poll at a moment, unless that is planned for an earlier one."""
        if moment < self._looks_at:
            self._looks_at = moment
            self._scheduler.at(moment, lambda: self._look(moment))

    def _look(self, moment: float) -> None:
        if moment == self._looks_at:
            self._looks_at = float("inf")
            self._poll()

    def _invoke(self, messages: list[Message]) -> None:
        self._free -= 1
        client = self._idle.pop() if self._idle else self._design.client(self._site)

        def end() -> None:
            self._free += 1
            self._look_at(self._scheduler.now + 0.02)

        def work() -> None:
            try:
                for message in messages:
                    client.dispatch(Delivery.from_message(message.body))
            except GaveUp:
                end()  # Lambda leaves the whole batch to its visibility time-out.
                return
            self._idle.append(client)
            for message in messages:
                self._sqs.delete(QUEUE, message.handle)
            end()

        task = self._scheduler.spawn("function", work)
        task.on_kill = end
        self._scheduler.after(FUNCTION_SECONDS, lambda: self._scheduler.kill(task, "timed out"))
