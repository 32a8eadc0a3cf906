"""Puts the real functions together as their handlers do, with simulated outside parts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from functions.core.ledger import Ledger
from functions.core.metrics import DISPATCH, Meter
from functions.core.secrets import Secret
from functions.core.settings import GitHubSettings, IngestSettings, RelaySettings
from functions.dispatch.batch import Batch
from functions.dispatch.books import Books
from functions.dispatch.calls import Calls
from functions.dispatch.credentials import Credentials
from functions.dispatch.engine import Attempt, Engine, Message
from functions.dispatch.gate import Gate
from functions.dispatch.github import GitHub
from functions.dispatch.pacing import Pace
from functions.dispatch.settlement import Queues
from functions.dispatch.transport import Transport
from functions.dispatch.trouble import Trouble
from functions.ingest.http import Refused, Request, Response
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.senders import SENDERS
from tests.simulation.functions import Sandbox
from tests.simulation.plan import Plan

QUEUE: Final = "https://sqs/deliveries.fifo"
DEAD_LETTERS: Final = "https://sqs/dead-letters.fifo"
TABLE: Final = "Ledger"
GITHUB_SECRET: Final = "github"
WEBHOOK_SECRET: Final = "databricks"


@dataclass(frozen=True, slots=True)
class Outside:
    """What the functions are handed instead of the real outside."""

    dynamodb: Any
    sqs: Any
    secrets: Any
    pool: Any
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    log: Callable[..., None]
    at_hand: Callable[[str], None]
    emit: Callable[[str], None] = lambda _line: None
    ledger: str = TABLE
    gate: str = TABLE


class WatchedEngine(Engine):
    """The engine, which tells which message it has at hand."""

    at_hand: Callable[[str], None]

    def attempt(self, message: Message, time_left: Callable[[], float]) -> Attempt:
        """Attempt a message as the engine does."""
        self.at_hand(message.body)
        return super().attempt(message, time_left)


class Wiring:
    """Makes sandboxes, each with functions built once.

    Args:
        plan: The world's plan.
        outside: What they are handed.
    """

    def __init__(self, plan: Plan, outside: Outside) -> None:
        self._plan = plan
        self._outside = outside
        self._random = Random(f"{plan.seed}/functions")
        self._names = itertools.count(1)
        self.settings = _settings(plan)

    def ingest(self) -> Sandbox:
        """Build ingest once, as its handler does."""
        outside = self._outside
        ingest = Ingest(
            self.settings,
            SENDERS,
            secrets={name: Secret(outside.secrets, WEBHOOK_SECRET, outside.clock) for name in SENDERS},
            queue=DeliveryQueue(outside.sqs, QUEUE),
            clock=outside.clock,
        )

        def handle(request: Request, _context: Any) -> Response:
            try:
                return ingest.answer(request)
            except Refused as refused:
                return Response.refusing(refused)

        return handle

    def dispatch(self) -> Sandbox:
        """Build dispatch once, as its handler does."""
        outside, settings = self._outside, self.settings
        ledger = Ledger(outside.dynamodb, outside.ledger)
        github = GitHub(settings.github, Transport(outside.pool, outside.clock))
        secret = Secret(outside.secrets, GITHUB_SECRET, outside.clock, stages=("AWSCURRENT",))
        gate = Gate(
            outside.dynamodb,
            outside.gate,
            GITHUB_SECRET,
            ledger=ledger,
            pace=Pace(settings.github.max_per_minute, settings.github.max_per_hour),
            clock=outside.clock,
            sleep=outside.sleep,
        )
        credentials = Credentials(secret, github, outside.clock)
        books = Books(ledger, outside.clock, outside.sleep)
        trouble = Trouble(
            gate=gate,
            credentials=credentials,
            books=books,
            clock=outside.clock,
            sleep=outside.sleep,
            jitter=self._random.random,
        )
        routes = {route.name: route for route in settings.routes}
        calls = Calls(
            routes=routes,
            ledger=ledger,
            books=books,
            gate=gate,
            github=github,
            credentials=credentials,
            trouble=trouble,
            clock=outside.clock,
            sandbox=f"{outside.ledger}-{next(self._names)}",
        )
        engine = WatchedEngine(
            routes=routes,
            ledger=ledger,
            calls=calls,
            max_age_seconds=settings.max_age_hours * 3600,
            clock=outside.clock,
            holder=lambda: f"attempt-{next(self._names)}",
        )
        engine.at_hand = outside.at_hand
        meter = Meter(DISPATCH, "simulated", outside.emit, outside.clock)
        return Batch(engine, Queues(outside.sqs, QUEUE, DEAD_LETTERS), outside.log, meter, outside.clock).run


def _settings(plan: Plan) -> RelaySettings:
    return RelaySettings(
        routes=plan.routes,
        github=GitHubSettings(
            api_url="https://api.github.com",
            api_version="2026-03-10",
            max_per_minute=plan.max_per_minute,
            max_per_hour=plan.max_per_hour,
        ),
        ingest=IngestSettings(senders=("databricks",), allowed_cidrs=(), max_body_bytes=65_536),
        max_age_hours=plan.max_age_hours,
    )
