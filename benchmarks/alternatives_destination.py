"""EventBridge's API destination: a rule's target with a fixed rate, which tries again by itself.

Sources: "API destinations as targets in Amazon EventBridge" and "How EventBridge retries delivering events"
in the user guide. The rate is a whole number a second, 1 at the least; a request is given 5 s; 429 and 5xx
are tried again, up to 185 times within 24 h, with exponential back-off and jitter, and not before
`Retry-After` says; every other answer is final, and so is a 403. What was not delivered goes to a dead-letter
queue.

Assumptions: the back-off doubles from a second to fifteen minutes, the upper half of it by chance (AWS does
not publish its numbers); first tries keep the order in which events came (nothing promises that); what is
tried again takes its turn in the same rate. `Retry-After` delays the event that met it and no other: the
guide speaks of the follow-up request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Final

from benchmarks.alternatives import Site
from benchmarks.drain_github import StrictGitHub
from benchmarks.drain_scene import MOST_SECONDS, Outcome, Scene, calm, runs_of
from functions.core.delivery import Delivery
from modelrelay.local.github import Answer
from tests.simulation.plan import START
from tests.simulation.scheduler import Scheduler

PER_SECOND: Final = 1
MOST_RETRIES: Final = 185
MOST_AGE_SECONDS: Final = 86_400.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 900.0
_FAILED: Final = 500
_LIMITED: Final = 429
_STEPS: Final = 10**9


@dataclass(slots=True)
class Event:
    """An event on its way: how often it was tried again."""

    delivery: Delivery
    retries: int = 0


class Destination:
    """A bus whose rule has one API destination; everything is published at the beginning."""

    def __init__(self, scene: Scene) -> None:
        plan = calm(scene)
        self._scene = scene
        self._scheduler = Scheduler(plan.seed, START)
        self._github = StrictGitHub(plan, self._scheduler.clock, scene.quota)
        token = str(json.loads(self._github.renew())["token"])
        self._site = Site(self._github, self._scheduler, token)
        self._random = Random(f"{plan.seed}/destination")  # noqa: S311 - a simulation's
        self._free_at = START
        self._tries = 0
        self._buried = 0

    def run(self) -> Outcome:
        """Let the backlog drain, and tell what came of it."""
        for delivery in self._scene.backlog():
            self._book(Event(delivery), START)
        self._scheduler.run(START + MOST_SECONDS, _STEPS)
        self._scheduler.close()
        return Outcome(
            deliveries=self._scene.deliveries,
            runs=runs_of(self._github),
            calls=[],
            requests=self._site.requests,
            refused=self._github.limits.refused,
            intrusions=self._github.violations,
            receives=self._tries,
            buried=self._buried,
        )

    def _book(self, event: Event, earliest: float) -> None:
        """Try an event from a moment on, as soon as the rate permits."""
        if earliest > self._scheduler.now:
            self._scheduler.at(earliest, lambda: self._book(event, earliest))
            return
        at = max(earliest, self._free_at)
        self._free_at = at + 1 / PER_SECOND
        self._scheduler.at(at, lambda: self._begin(event))

    def _begin(self, event: Event) -> None:
        if self._scheduler.now - START > MOST_AGE_SECONDS:
            self._buried += 1
            return
        self._tries += 1
        self._scheduler.spawn("destination", lambda: self._try(event))

    def _try(self, event: Event) -> None:
        answer = self._site.post(event.delivery)
        if answer.status in {200, 204}:
            return
        if not is_tried_again(answer) or event.retries >= MOST_RETRIES:
            self._buried += 1
            return
        pause = pause_after(answer, event.retries, self._random.random())
        event.retries += 1
        self._book(event, self._scheduler.now + pause)


def is_tried_again(answer: Answer) -> bool:
    """Tell whether an answer leads to another try at all."""
    return answer.status == _LIMITED or answer.status >= _FAILED


def pause_after(answer: Answer, retries: int, chance: float) -> float:
    """Give the seconds to the next try: the longer of the back-off and `Retry-After`.

    Args:
        answer: What came.
        retries: How often the event was tried again before.
        chance: From 0 to 1.
    """
    back_off = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(retries, 20))
    return max(back_off * (0.5 + chance / 2), float(answer.headers.get("retry-after", 0)))
