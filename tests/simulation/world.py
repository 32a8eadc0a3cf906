"""A world: everything outside and around the functions, from a seed to what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.simulation.actors import Bystanders, Operator, Senders, Stage
from tests.simulation.dynamodb import DynamoDBClient
from tests.simulation.facts import Violation
from tests.simulation.functions import Function
from tests.simulation.github import SimulatedGitHub
from tests.simulation.history import History
from tests.simulation.invariants import judge
from tests.simulation.line import Line
from tests.simulation.mapping import EventSourceMapping, delivery_of
from tests.simulation.plan import START, Phase, Plan, plan
from tests.simulation.scheduler import Scheduler
from tests.simulation.secretsmanager import SecretsClient
from tests.simulation.skies import Skies
from tests.simulation.sqs import SQS, Queue, SQSClient
from tests.simulation.story import Story
from tests.simulation.tables import Table, Tables
from tests.simulation.weather import Weather
from tests.simulation.wire import Wire
from tests.simulation.wiring import DEAD_LETTERS, QUEUE, TABLE, Outside, Wiring

REST_SECONDS: Final = 4 * 24 * 3600.0
"""How long after the last trouble all must be done: trying ends after a day, hiding after half a day."""

_MOST_STEPS: Final = 400_000
_INGEST_SECONDS: Final = 29.0
_DISPATCH_SECONDS: Final = 120.0
_VISIBILITY_SECONDS: Final = 720.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a world."""

    seed: int
    violations: tuple[Violation, ...]
    counts: Counter[str]
    story: str


class World:
    """A world of one seed."""

    def __init__(self, chosen: Plan, history: Callable[[Callable[[], float]], History] = History) -> None:
        self.plan = chosen
        self.scheduler = Scheduler(chosen.seed, START)
        self.story = Story(self.scheduler)
        self.history = history(self.scheduler.clock)
        self.weather = Weather(chosen, self.scheduler.clock)
        self.github = SimulatedGitHub(chosen, self.scheduler.clock)
        skies = Skies(chosen, self.weather, self.github.moved)
        self.line = Line(self.github, skies, self.scheduler, self.story)
        self.line.on_heard.append(self.history.heard)
        self.tables = Tables(self.scheduler.clock, _lag(chosen))
        self.tables.tables[TABLE] = Table()
        self.sqs = SQS(self.scheduler.clock, chosen.seed, chosen.ghosts, self._nudge)
        self._make_queues()
        self.secrets = SecretsClient(self._wire("secretsmanager"))
        self.sqs_client = SQSClient(self.sqs, self._wire("sqs"), self.history.defect)
        self._make_functions()
        self._make_actors()

    def run(self, *, whole: bool = False) -> Result:
        """Let everything happen, and judge it. The story is told where something is wrong, or `whole`."""
        horizon = START + self.plan.horizon
        self.scheduler.at(horizon, self._clear_up)
        for phase in self.plan.phases:
            self._announce(phase)
        rested = self.scheduler.run(horizon + REST_SECONDS, _MOST_STEPS)
        violations = judge(self, rested=rested)
        self.scheduler.close()
        return Result(self.plan.seed, violations, self._counts(), self._told(violations, whole=whole))

    def _told(self, violations: tuple[Violation, ...], *, whole: bool) -> str:
        if whole:
            return self.story.whole()
        concerned = {each: None for violation in violations for each in violation.deliveries}
        return self.story.of(concerned) if violations else ""

    def _make_queues(self) -> None:
        dead = Queue(DEAD_LETTERS, 30.0)
        self.sqs.queues[DEAD_LETTERS] = dead
        self.sqs.queues[QUEUE] = Queue(QUEUE, _VISIBILITY_SECONDS, dead_letters=dead)
        self.sqs.on_send.append(self.history.stored)

    def _make_functions(self) -> None:
        outside = Outside(
            dynamodb=DynamoDBClient(self.tables, self._wire("dynamodb"), self.history.defect),
            sqs=self.sqs_client,
            secrets=self.secrets,
            pool=self.line,
            clock=self.scheduler.clock,
            sleep=self.scheduler.sleep,
            log=self._log,
            at_hand=self._at_hand,
        )
        wiring = Wiring(self.plan, outside)
        parts = (self.plan, self.scheduler, self.story, self.weather)
        self.ingest = Function("ingest", wiring.ingest, _INGEST_SECONDS, *parts)
        self.dispatch = Function("dispatch", wiring.dispatch, _DISPATCH_SECONDS, *parts)
        self.dispatch.on_killed = self.history.killed
        self.mapping = EventSourceMapping(
            QUEUE, self.dispatch, self.sqs, self.plan, self.scheduler, self.story, self.history.defect
        )

    def _make_actors(self) -> None:
        stage = Stage(self.plan, self.scheduler, self.story, self.history)
        self.operator = Operator(stage, self.sqs_client, self.secrets, self.github)
        self.operator.begin()
        Bystanders(stage, self.github).begin()
        Senders(stage, self.ingest, self.secrets).begin()

    def _wire(self, service: str) -> Wire:
        return Wire(service, self.scheduler, self.story, self.weather.aws, self.history, self.plan.seed)

    def _nudge(self) -> None:
        self.mapping.nudge()

    def _at_hand(self, body: str) -> None:
        if self.scheduler.current and (delivery := delivery_of(body)):
            self.story.topic(self.scheduler.current.name, delivery)

    def _log(self, message: str, **fields: Any) -> None:
        if self.scheduler.closing:
            return  # It is dead, and only unwinds.
        task = self.scheduler.current
        who = task.name if task else "?"
        self.history.logged(message, fields)
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        about = [str(fields["delivery"])] if "delivery" in fields else []
        self.story.tell(who, f"logs {message} {words}", *about)

    def _announce(self, phase: Phase) -> None:
        def tell(what: str) -> Callable[[], None]:
            return lambda: self.story.tell("weather", f"{phase.kind} ({phase.style}) {what}")

        self.scheduler.at(START + phase.starts, tell("begins"))
        self.scheduler.at(START + phase.ends, tell("ends"))

    def _clear_up(self) -> None:
        """Let everything be well from now on."""
        self.sqs.ghosts = 0.0
        self.operator.mend()
        self.story.tell("weather", "is fine from now on")
        self._nudge()

    def _counts(self) -> Counter[str]:
        calls = self.line.calls
        counts: Counter[str] = Counter(
            {
                "events": len(self.plan.acts),
                "accepted": len(self.history.accepted),
                "runs": sum(call.run is not None for call in calls),
                "receives": self.sqs.queues[QUEUE].received,
                "messages": len(self.history.sent),
                "POSTs": sum(call.creates for call in calls),
                "look-ups": sum(call.method == "GET" for call in calls),
                "dead letters": len(self.history.letters),
                "kills": self.dispatch.counts["kills"] + self.ingest.counts["kills"],
                "invocations": self.dispatch.counts["invocations"] + self.ingest.counts["invocations"],
                "faults": self.history.faults.total(),
            }
        )
        return counts


def _lag(chosen: Plan) -> Any:
    random = Random(f"{chosen.seed}/indexes")
    return lambda: random.random() * chosen.index_lag


def simulate(seed: int, *, lies: bool = False, whole: bool = False) -> Result:
    """Run the world of a seed, and give what came of it."""
    world = World(plan(seed, lies=lies))
    return world.run(whole=whole)
