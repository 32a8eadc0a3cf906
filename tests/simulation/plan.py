"""What a seed makes of a world before it begins: routes, limits, acts of people, and phases of trouble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final

from functions.core.event import STAGE_TRANSITIONED
from functions.core.settings import Route, Target
from modelrelay.local.github import Workflow

START: Final = 1_790_000_000.0
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0

STAGES: Final = ("Staging", "Production", "Archived")
GENERIC: Final = "MODEL_VERSION_TRANSITIONED_STAGE"

TROUBLES: Final[Mapping[str, tuple[float, float, float]]] = {
    # kind: weight, shortest and longest duration in seconds
    "failing": (5, 2 * _MINUTE, 4 * _HOUR),
    "down": (3, 3 * _MINUTE, 12 * _HOUR),
    "hanging": (1, 3 * _MINUTE, 1 * _HOUR),
    "limited": (3, 1 * _MINUTE, 1 * _HOUR),
    "revoked": (2, 10 * _MINUTE, 4 * _HOUR),
    "forbidden": (2, 10 * _MINUTE, 2 * _HOUR),
    "refusing": (5, 10 * _MINUTE, 5 * _HOUR),
    "renamed": (1, 10 * _MINUTE, 4 * _HOUR),
    "slow": (1, 5 * _MINUTE, 1 * _HOUR),
    "dynamodb": (2, 1 * _MINUTE, 1 * _HOUR),
    "sqs": (2, 1 * _MINUTE, 30 * _MINUTE),
    "secretsmanager": (1, 1 * _MINUTE, 1 * _HOUR),
    "flaky": (3, 5 * _MINUTE, 3 * _HOUR),
    "deaths": (3, 5 * _MINUTE, 3 * _HOUR),
    "deployment": (1, 2 * _MINUTE, 1 * _HOUR),
}


class Kind(Enum):
    """What a workflow does with a delivery's id: `run-name` shows it; it isn't told, or in vain.

    It is dispatched itself, or listens to its repository's events.
    """

    SHOWS = auto()
    PLAIN = auto()
    HIDES = auto()
    LISTENS = auto()
    LISTENS_AND_SHOWS = auto()

    @property
    def listens(self) -> bool:
        """Whether it is started by its repository's events."""
        return self in {Kind.LISTENS, Kind.LISTENS_AND_SHOWS}

    @property
    def is_told(self) -> bool:
        """Whether it is told the delivery's id."""
        return self not in {Kind.PLAIN, Kind.LISTENS}


@dataclass(frozen=True, slots=True)
class Phase:
    """Something goes wrong for a while; times are seconds since the beginning. `style` varies how."""

    kind: str
    starts: float
    ends: float
    style: int


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does to a model in the registry.

    Attributes:
        number: Unlike any other act's.
        at: When, in seconds since the beginning.
        sends: The webhooks that tell of it: after how many seconds, and under which event name.
    """

    number: int
    model: str
    version: int
    from_stage: str
    to_stage: str
    at: float
    sends: tuple[tuple[float, str], ...]

    @property
    def timestamp(self) -> int:
        """The `event_timestamp` of its webhooks."""
        return round((START + self.at) * 1000)


@dataclass(frozen=True, slots=True)
class Plan:
    """A world before it begins.

    Attributes:
        horizon: After how many seconds nothing goes wrong any more.
        lies: Whether GitHub, or a workflow, keeps from us what a look-up needs to know.
        kinds: For each route, whether its workflow is told the delivery's id and shows it.
        app: Whether GitHub is called as an App and not with a personal token.
        skew: How many seconds GitHub's clock is ahead of ours.
        trouble: How likely a call to GitHub goes wrong at any time.
        faults: How likely a try of a call to AWS goes wrong at any time.
        deaths: How likely an invocation dies at any time.
        visits: When the operator looks at the dead letters.
        batch_size: How many messages an invocation is given at the most; deployed is 1, and more must do.
    """

    seed: int
    lies: bool
    horizon: float
    routes: tuple[Route, ...]
    workflows: tuple[Workflow, ...]
    kinds: Mapping[str, Kind]
    app: bool
    skew: float
    models: tuple[str, ...]
    acts: tuple[Act, ...]
    phases: tuple[Phase, ...]
    max_per_minute: int
    max_per_hour: int
    max_age_hours: int
    github_per_hour: int
    github_per_minute: int | None
    listing_lag: float
    misses: float
    trouble: float
    faults: float
    deaths: float
    ghosts: float
    index_lag: float
    recycling: float
    visits: tuple[float, ...]
    batch_size: int = 1


def plan(seed: int, *, lies: bool = False) -> Plan:
    """Make the plan that a seed stands for."""
    random = Random(f"{seed}/plan")
    horizon = random.choice([10 * _MINUTE, _HOUR, 4 * _HOUR, 12 * _HOUR, 30 * _HOUR, 50 * _HOUR])
    calm = random.random() < 0.1
    kinds = _kinds(random, lies=lies)
    models = tuple(f"model-{letter}" for letter in "abcdef"[: random.randint(1, 6)])
    phases = () if calm else tuple(_phases(random, horizon))
    rough = 0.0 if calm else 1.0
    return Plan(
        seed=seed,
        lies=lies,
        horizon=horizon,
        routes=tuple(_route(name, random.choice(["retry", "hold"]), kind) for name, kind in kinds.items()),
        workflows=tuple(
            _workflow(number, name, kind) for number, (name, kind) in enumerate(kinds.items(), 7)
        ),
        kinds=kinds,
        app=random.random() < 0.04,
        skew=random.choice([0.0, 0.0, -0.9, 0.9]),
        models=models,
        acts=tuple(_acts(random, models, horizon, phases)),
        phases=phases,
        max_per_minute=random.choice([60, 60, 20, 6]),
        max_per_hour=random.choice([500, 500, 60, 20]),
        max_age_hours=random.choice([24, 24, 6, 2, 1]),
        github_per_hour=random.choice([5000, 5000, 5000, 60]),
        github_per_minute=random.choice([None, 80, 80, 10]),
        listing_lag=random.choice([0.0, 2.0, 5.0, 12.0]),
        misses=random.choice([0.0, 0.0, 0.1, 0.3]) * rough,
        trouble=random.choice([0.0, 0.02, 0.05, 0.15]) * rough,
        faults=random.choice([0.0, 0.002, 0.01, 0.03]) * rough,
        deaths=random.choice([0.0, 0.01, 0.05, 0.15]) * rough,
        ghosts=random.choice([0.0, 0.01, 0.05]) * rough,
        index_lag=random.choice([0.05, 0.5, 5.0]),
        recycling=random.choice([0.0, 0.05, 0.5]),
        visits=tuple(sorted(random.uniform(0.1, 1.1) * horizon for _ in range(random.randint(0, 6)))),
        batch_size=random.choice([1, 1, 1, 10]),
    )


def _kinds(random: Random, *, lies: bool) -> dict[str, Kind]:
    """Choose one route or two, and what kind of workflow each has.

    One that is told the id and does not show it may cost a second run (docs/architecture.md); it is
    another way of lying.
    """
    names = ["default"] if random.random() < 0.7 else ["production", "everything"]
    weights = [6, 3, 1, 1, 1] if lies else [6, 4, 0, 1, 1]
    return {name: random.choices(list(Kind), weights)[0] for name in names}


def _route(name: str, on_unknown: str, kind: Kind) -> Route:
    told = {"model_name": "${model_name}", "model_version": "${version}"}
    if kind.is_told:
        told["delivery_id"] = "${delivery_id}"
    target = (
        Target("acme", "models", event_type=name, client_payload=told)
        if kind.listens
        else Target("acme", "models", f"{name}.yml", "main")
    )
    return Route(
        name=name,
        events=(STAGE_TRANSITIONED,),
        models=(),
        to_stages=("Production",) if name == "production" else (),
        aliases=(),
        target=target,
        inputs={} if kind.listens else told,
        on_unknown=on_unknown,
    )


def _workflow(number: int, name: str, kind: Kind) -> Workflow:
    inputs = ("model_name", "model_version", "delivery_id")
    titles = {
        Kind.SHOWS: "Deploy ${{ inputs.delivery_id }}",
        Kind.LISTENS_AND_SHOWS: "Deploy ${{ github.event.client_payload.delivery_id }}",
    }
    return Workflow(
        "acme",
        "models",
        number,
        f"{name}.yml",
        f"Deploy {name}",
        inputs=inputs if kind.is_told else inputs[:2],
        run_name=titles.get(kind, ""),
        has_dispatch_trigger=not kind.listens,
        event_types=(name,) if kind.listens else (),
    )


def _phases(random: Random, horizon: float) -> Iterator[Phase]:
    kinds, weights = list(TROUBLES), [weight for weight, _, _ in TROUBLES.values()]
    for kind in random.choices(kinds, weights, k=random.choice([0, 1, 2, 3, 5])):
        _, shortest, longest = TROUBLES[kind]
        starts = random.random() * horizon * 0.8
        lasts = shortest * (longest / shortest) ** random.random()  # Short ones are as likely as long ones.
        yield Phase(kind, starts, min(starts + lasts, horizon), random.randrange(1000))


def _acts(
    random: Random, models: tuple[str, ...], horizon: float, phases: tuple[Phase, ...]
) -> Iterator[Act]:
    """Give acts in bursts, of which many fall into a phase of trouble. No two have the same version."""
    moments: list[float] = []
    for _ in range(random.randint(1, 5)):
        phase = random.choice(phases) if phases and random.random() < 0.6 else None
        begin = random.uniform(phase.starts, phase.ends) if phase else random.random() * horizon * 0.8
        spread = random.choice([0.5, 5.0, 60.0, 600.0])
        moments += [
            begin + random.random() * spread for _ in range(random.randint(1, random.choice([3, 12])))
        ]
    versions = dict.fromkeys(models, 0)
    for number, at in enumerate(sorted(moments), 1):
        model = random.choice(models)
        versions[model] += 1
        to_stage = random.choice([*STAGES, "Production", "Production"])
        yield Act(
            number, model, versions[model], "None", to_stage, at, tuple(_sends(random, to_stage, horizon))
        )


def _sends(random: Random, to_stage: str, horizon: float) -> Iterator[tuple[float, str]]:
    """Give when an act is told of, and how: late, twice within seconds, again after hours or days."""
    own = f"MODEL_VERSION_TRANSITIONED_TO_{to_stage.upper()}"
    first = random.uniform(0.05, 2.0) if random.random() < 0.9 else random.uniform(5, 600)
    yield first, random.choice([GENERIC, own])
    if random.random() < 0.25:
        yield first + random.uniform(0.0, 20.0), random.choice([GENERIC, own])
    if random.random() < 0.15:
        yield first + random.uniform(0.0, 1.2) * horizon, random.choice([GENERIC, own])
