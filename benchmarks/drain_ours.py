"""Our own way of draining a backlog: the real dispatch code in virtual time, with simulated outside parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from benchmarks.drain_github import StrictGitHub
from benchmarks.drain_queue import GroupedQueue, GroupedSQS
from benchmarks.drain_scene import MOST_SECONDS, Call, Outcome, Scene, calm, runs_of
from functions.core.delivery import Delivery
from tests.simulation.backlog import Account
from tests.simulation.dynamodb import DynamoDBClient
from tests.simulation.functions import Function
from tests.simulation.history import History
from tests.simulation.line import Line
from tests.simulation.mapping import EventSourceMapping
from tests.simulation.plan import START, Plan
from tests.simulation.scheduler import Scheduler
from tests.simulation.secretsmanager import SecretsClient
from tests.simulation.skies import Skies
from tests.simulation.sqs import SQSClient
from tests.simulation.story import Story
from tests.simulation.tables import Table, Tables
from tests.simulation.weather import Weather
from tests.simulation.wire import Wire
from tests.simulation.wiring import DEAD_LETTERS, GITHUB_SECRET, QUEUE, Outside, Wiring

DISPATCH_SECONDS: Final = 120.0
VISIBILITY_SECONDS: Final = 720.0
_MOST_RECEIVES: Final = 1000
_STEPS: Final = 10**9


class Silent(Story):
    """A story that nobody will read: a long backlog's would fill the memory."""

    def tell(self, who: str, what: str | Callable[[], str], *about: str) -> None:
        """Forget it."""


class Drain:
    """One GitHub, and as many stacks as a scene has, each with a queue, a ledger and a gate of its own."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.plan = calm(scene)
        self.scheduler = Scheduler(self.plan.seed, START)
        self.story = Silent(self.scheduler)
        self.history = Account(self.scheduler.clock)
        self.weather = Weather(self.plan, self.scheduler.clock)
        self.github = StrictGitHub(self.plan, self.scheduler.clock, scene.quota)
        skies = Skies(self.plan, self.weather, self.github.moved)
        self.line = Line(self.github, skies, self.scheduler, self.story)
        self.line.on_heard.append(self.history.heard)
        self.secret = self.github.renew()
        self.tables = Tables(self.scheduler.clock, lambda: 0.0)
        self.stacks = [Stack(self, calm(scene, number)) for number in range(1, scene.stacks + 1)]

    def run(self) -> Outcome:
        """Let the backlog drain, and tell what came of it."""
        for number, delivery in enumerate(self.scene.backlog()):
            self.stacks[number % self.scene.models % len(self.stacks)].take(delivery)
        if self.scene.later:
            self.line.on_heard.append(lambda _call: self._change())
        rested = self.scheduler.run(START + MOST_SECONDS, _STEPS)
        assert rested, "the backlog did not drain"  # noqa: S101 - a benchmark of what never ends says nothing
        assert not self.history.defects, self.history.defects  # noqa: S101 - nor one of calls that can't be
        self.scheduler.close()
        return self._outcome()

    def outside(self, plan: Plan, sqs: GroupedSQS) -> Outside:
        """Make what a stack's function is handed; what it calls takes as long as in the simulation."""
        ledger = f"Ledger-{plan.seed}"
        self.tables.tables[ledger] = Unindexed()
        secrets = SecretsClient(self._wire("secretsmanager", plan))
        secrets.keep(GITHUB_SECRET, self.secret)
        return Outside(
            dynamodb=DynamoDBClient(self.tables, self._wire("dynamodb", plan), self.history.defect),
            sqs=SQSClient(sqs, self._wire("sqs", plan), self.history.defect),
            secrets=secrets,
            pool=self.line,
            clock=self.scheduler.clock,
            sleep=self.scheduler.sleep,
            log=_logged(self.history),
            at_hand=lambda _body: None,
            ledger=ledger,
            gate="Ledger-1" if self.scene.one_gate else ledger,
        )

    def _wire(self, service: str, plan: Plan) -> Wire:
        return Wire(service, self.scheduler, self.story, self.weather.aws, self.history, plan.seed)

    def _change(self) -> None:
        if self.scene.later and self.github.accepted * 2 >= self.scene.deliveries:
            self.github.limits.change(self.scene.later)

    def _outcome(self) -> Outcome:
        queues = [stack.sqs.queues[QUEUE] for stack in self.stacks]
        letters = [stack.sqs.queues[DEAD_LETTERS] for stack in self.stacks]
        calls = [call for call in self.line.calls if call.run]
        return Outcome(
            deliveries=self.scene.deliveries,
            runs=runs_of(self.github),
            calls=[Call(call.started, call.heard or call.started) for call in calls],
            requests=len(self.line.calls),
            refused=self.github.limits.refused,
            intrusions=self.github.violations,
            receives=sum(queue.received for queue in queues),
            buried=sum(_held(letter) for letter in letters),
            made=self.history.calls,
        )


class Stack:
    """One deployed stack: its queue, ledger, gate, function and event source."""

    def __init__(self, drain: Drain, plan: Plan) -> None:
        scheduler, story, history = drain.scheduler, drain.story, drain.history
        self.mapping: EventSourceMapping | None = None
        self.sqs = GroupedSQS(scheduler.clock, plan.seed, 0.0, self._nudge)
        dead = GroupedQueue(DEAD_LETTERS, 30.0, _MOST_RECEIVES, None)
        self.sqs.queues[DEAD_LETTERS] = dead
        self.sqs.queues[QUEUE] = GroupedQueue(QUEUE, VISIBILITY_SECONDS, _MOST_RECEIVES, dead)
        wiring = Wiring(plan, drain.outside(plan, self.sqs))
        parts = (plan, scheduler, story, drain.weather)
        dispatch = Function("dispatch", wiring.dispatch, DISPATCH_SECONDS, *parts)
        self.mapping = EventSourceMapping(QUEUE, dispatch, self.sqs, plan, scheduler, story, history.defect)

    def take(self, delivery: Delivery) -> None:
        """Put a delivery onto the queue, as ingest does."""
        self.sqs.send(QUEUE, delivery.to_message(), delivery.group, delivery.id, {})

    def _nudge(self) -> None:
        if self.mapping:
            self.mapping.nudge()


class Unindexed(Table):
    """A table that keeps no past: nobody asks its indexes."""

    def put(self, key: str, item: Any, now: float) -> None:  # noqa: ARG002 - as the table's
        """Put an item."""
        self.items[key] = item


def _logged(history: History) -> Callable[..., None]:
    def log(message: str, **fields: Any) -> None:
        history.logged(message, fields)

    return log


def _held(queue: Any) -> int:
    groups = sum(len(group) for group in queue.groups.values())
    return groups + len(queue.messages)
