"""What a backlog drains in: a scene, its deliveries, and what came of it, the same for every candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks.drain_github import Quota, StrictGitHub
from functions.core.delivery import Delivery
from functions.core.event import STAGE_TRANSITIONED, Event, identify
from modelrelay.local.github import Workflow
from tests.simulation.plan import START, Kind, Plan, plan
from tests.unit.samples import ROUTE

MODELS: Final = 100
"""Over how many models a backlog is spread; deliveries of one model keep their order."""

PER_MINUTE: Final = 60
PER_HOUR: Final = 500
MOST_SECONDS: Final = 14 * 24 * 3600.0
"""After so long a scene ends in any case: SQS keeps no message longer."""

_INPUTS: Final = ("model_name", "model_version")
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """A backlog, and the limits under which it drains.

    Attributes:
        deliveries: How many lie on the queue at the beginning.
        models: Of how many models.
        quota: What GitHub allows.
        later: What it allows once half of the deliveries have a run; None for no change.
        per_minute: `github.max_per_minute` of ours.
        per_hour: `github.max_per_hour` of ours.
        stacks: Among how many stacks of one credential the models are divided.
        one_gate: Whether they know of each other, by `github.same_credential_as`.
    """

    deliveries: int
    models: int = MODELS
    quota: Quota = field(default_factory=Quota)
    later: Quota | None = None
    per_minute: int = PER_MINUTE
    per_hour: int = PER_HOUR
    stacks: int = 1
    one_gate: bool = False

    def backlog(self) -> list[Delivery]:
        """Make the deliveries in the order of their acceptance: each model's first, then each's second."""
        return [_delivery(number, self.models) for number in range(self.deliveries)]


@dataclass(slots=True)
class Call:
    """A request that asks for a run: when it began and ended, in virtual epoch seconds."""

    began: float
    ended: float


@dataclass(slots=True)
class Outcome:
    """What came of a backlog.

    Attributes:
        deliveries: How many there were.
        runs: The runs as (model, version, moment), oldest first.
        calls: The requests that were answered with a run, in their order.
        requests: How many requests were sent in all.
        refused: How many were answered 403 or 429 because of a limit.
        intrusions: How many came while an earlier answer had asked for silence.
        receives: How often a message was taken off the queue.
        buried: How many messages ended among the dead letters.
        made: The calls to AWS by operation.
    """

    deliveries: int
    runs: list[tuple[str, int, float]]
    calls: list[Call]
    requests: int
    refused: int
    intrusions: int
    receives: int
    buried: int
    made: Counter[str] = field(default_factory=Counter)

    @property
    def seconds(self) -> float:
        """From the first run to the last one."""
        return self.runs[-1][2] - self.runs[0][2] if self.runs else 0.0

    @property
    def twice(self) -> int:
        """How many runs were started beside a delivery's first."""
        return len(self.runs) - len(self._firsts())

    @property
    def lost(self) -> int:
        """How many deliveries have no run."""
        return self.deliveries - len(self._firsts())

    @property
    def disordered(self) -> int:
        """How many runs started after one of a later version of their model."""
        newest: dict[str, int] = {}
        late = 0
        for model, version, _ in self.runs:
            late += version < newest.get(model, 0)
            newest[model] = max(version, newest.get(model, 0))
        return late

    def _firsts(self) -> set[tuple[str, int]]:
        return {(model, version) for model, version, _ in self.runs}


@dataclass(frozen=True, slots=True)
class Rule:
    """How fast GitHub may be called.

    Attributes:
        spacing: Seconds between the begins of two calls, at the least.
        per_hour: Calls in any hour, at the most.
    """

    spacing: float
    per_hour: int


def least(durations: Sequence[float], rule: Rule, later: Rule | None = None) -> float:
    """Give the least seconds from the begin of the first call to that of the last one, under all rules.

    Each call begins a spacing after the one before it at the earliest, not before that one's end (calls are
    made serially), and an hour after the one that is `per_hour` calls before it.

    Args:
        durations: How long each call takes, in seconds.
        rule: What holds.
        later: What holds for the second half of the calls, where that is something else.
    """
    starts: list[float] = []
    for number in range(len(durations)):
        holds = later if later and number * 2 >= len(durations) else rule
        moments = [0.0]
        if number:
            moments.append(starts[-1] + max(holds.spacing, durations[number - 1]))
        if number >= holds.per_hour:
            moments.append(starts[number - holds.per_hour] + 3600.0)
        starts.append(max(moments))
    return starts[-1] if starts else 0.0


def calm(scene: Scene, seed: int = _SEED) -> Plan:
    """Make the plan of a world in which nothing goes wrong but what the limits do."""
    quiet: dict[str, Any] = dict.fromkeys(
        ("horizon", "listing_lag", "misses", "trouble", "faults", "deaths", "ghosts", "recycling", "skew"),
        0.0,
    )
    return replace(
        plan(_SEED),
        **quiet,
        seed=seed,
        routes=(ROUTE,),
        workflows=(_WORKFLOW,),
        kinds={"default": Kind.PLAIN},
        phases=(),
        acts=(),
        visits=(),
        app=False,
        max_per_minute=scene.per_minute,
        max_per_hour=scene.per_hour,
        max_age_hours=72,
        batch_size=1,
    )


def runs_of(github: StrictGitHub) -> list[tuple[str, int, float]]:
    """Give GitHub's runs as an outcome tells of them."""
    return [
        (str(run.inputs["model_name"]), int(run.inputs["model_version"]), run.created_at)
        for run in github.started()
    ]


_WORKFLOW: Final = Workflow("acme", "models", 7, "deploy.yml", "Deploy", inputs=_INPUTS, run_name="")


def _delivery(number: int, models: int) -> Delivery:
    accepted_at = round(START * 1000) + number
    event = Event(
        source="databricks",
        kind=STAGE_TRANSITIONED,
        name="MODEL_VERSION_TRANSITIONED_STAGE",
        fact=identify("backlog", str(number)),
        occurred_at=datetime.fromtimestamp(accepted_at / 1000, UTC).isoformat(timespec="milliseconds"),
        model_name=f"model-{number % models}",
        version=str(number // models + 1),
        from_stage="None",
        to_stage="Production",
    )
    return Delivery(event, "default", accepted_at)
