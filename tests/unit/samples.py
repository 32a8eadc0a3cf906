"""An event, a route and settings such as a test changes in one place, and a clock that it moves."""

from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from functions.core.delivery import Delivery
from functions.core.event import STAGE_TRANSITIONED, Event, identify
from functions.core.settings import GitHubSettings, IngestSettings, RelaySettings, Route, Target
from functions.dispatch.gate_state import Caller
from functions.dispatch.pacing import Minutes

NOW = 1_790_000_000.0

EVENT = Event(
    source="databricks",
    kind=STAGE_TRANSITIONED,
    name="MODEL_VERSION_TRANSITIONED_STAGE",
    fact=identify("a fact"),
    model_name="churn",
    occurred_at="2026-09-21T14:13:20.000Z",
    version="8",
    from_stage="None",
    to_stage="Production",
)
ROUTE = Route(
    name="default",
    events=(STAGE_TRANSITIONED,),
    models=(),
    to_stages=(),
    aliases=(),
    target=Target("acme", "models", "deploy.yml", "main"),
    inputs={"model_name": "${model_name}", "model_version": "${version}"},
)
SETTINGS = RelaySettings(
    routes=(ROUTE,),
    github=GitHubSettings(api_url="https://api.github.com", api_version="2026-03-10"),
    ingest=IngestSettings(senders=("databricks",), allowed_cidrs=(), max_body_bytes=4096),
    max_age_hours=24,
)


class Clock:
    """A clock in epoch seconds that stands still until it is moved, or until somebody sleeps by it.

    Attributes:
        now: The time.
        naps: How long somebody slept, nap by nap.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.naps: list[float] = []
        self._agenda: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the clock, and do on the way what was to be done by then."""
        assert seconds >= 0
        end = self.now + seconds
        self.naps.append(seconds)
        while due := [each for each in self._agenda if each[0] <= end]:
            moment, act = min(due, key=itemgetter(0))
            self._agenda.remove((moment, act))
            self.now = max(self.now, moment)
            act()
        self.now = max(self.now, end)

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Have something done while somebody sleeps."""
        self._agenda.append((moment, act))


def delivery(route: str = "default", *, accepted_at: int = int(NOW * 1000), **changes: Any) -> Delivery:
    """Give a delivery of the event; each other version or model is a fact of its own."""
    fact = identify(sorted(changes.items()))
    return Delivery(replace(EVENT, **{"fact": fact, **changes}), route, accepted_at)


def caller(owner: str = "a", **changes: Any) -> Caller:
    """Give somebody who comes to the gate for the first time, with patience for three seconds."""
    usual = Caller(owner, f"{owner}-1", f"{owner}-delivery", booked_at=0.0, credential="key", patience=3.0)
    return replace(usual, **changes)


def total(minutes: Minutes) -> int:
    """Count the calls, or bookings, of all minutes."""
    return sum(count for count, _ in minutes.values())


def lambda_context(remaining_milliseconds: int = 600_000) -> Any:
    """Give what Lambda tells a function of its invocation."""
    return SimpleNamespace(
        function_name="relay",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:eu-west-1:111122223333:function:relay",
        aws_request_id="r-1",
        get_remaining_time_in_millis=lambda: remaining_milliseconds,
    )
