"""A deployed pipeline without AWS: the simulated DynamoDB, and answers that a test sets for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from botocore.exceptions import ClientError

from functions.core.delivery import Delivery
from functions.core.ledger import Entry, Ledger
from modelrelay.operate.relay import Relay
from modelrelay.stack import Session
from tests.simulation.dynamodb import DynamoDBClient
from tests.simulation.tables import Table, Tables
from tests.simulation.wiring import TABLE
from tests.unit.samples import NOW, delivery

OUTPUTS: Final = {
    "QueueUrl": "https://sqs/deliveries.fifo",
    "DeadLetterQueueUrl": "https://sqs/dead-letters.fifo",
    "LedgerTableName": TABLE,
    "GitHubSecretName": "github",
    "GateTableName": TABLE,
    "GateName": "github",
}
WHO: Final = "arn:aws:sts::111122223333:assumed-role/Operator/ada"


class _Wire:
    """A wire on which nothing happens: each call takes effect at once."""

    def call(self, _operation: str, _key: str, effect: Callable[[], tuple[Any, Any]]) -> Any:
        return effect()[0]


class Service:
    """A service of AWS: each operation gives what a test has set, and its calls are kept."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        """Give an operation."""

        def call(**parameters: Any) -> Any:
            self.asked.append((operation, parameters))
            answer = self.answers[operation]
            return answer(**parameters) if callable(answer) else answer

        return call

    def get_paginator(self, operation: str) -> Any:
        """Give an operation whose pages are all in one."""
        service, name = self, operation

        class Paginator:
            def paginate(self, **parameters: Any) -> Iterator[Any]:
                yield getattr(service, name)(**parameters)

        return Paginator()


class StandIn(Session):
    """A session whose AWS is made up; `refuse` a service to see what is left."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        defects: list[str] = []
        tables = Tables(clock, lambda: 0.0)
        tables.tables[TABLE] = Table()
        self.dynamodb: Any = DynamoDBClient(tables, _Wire(), defects.append)  # type: ignore[arg-type]
        self.counts = {"waiting": 0, "in flight": 0, "dead": 0}
        self.services: dict[str, Any] = {
            "dynamodb": self.dynamodb,
            "sqs": Service(get_queue_attributes=self._attributes),
            "cloudwatch": Service(
                get_metric_statistics={"Datapoints": []}, describe_alarms={"MetricAlarms": []}
            ),
            "cloudformation": Service(list_stack_resources={"StackResourceSummaries": []}),
            "logs": Service(filter_log_events={"events": []}),
            "sts": Service(get_caller_identity={"Arn": WHO}),
        }

    def output(self, name: str) -> str:
        """Give an output."""
        return OUTPUTS[name]

    def client(self, service: Any) -> Any:
        """Give a service."""
        return self.services[service]

    def refuse(self, service: str) -> None:
        """Let every call of a service be refused."""
        self.services[service] = _Refusing()

    def _attributes(self, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803 - AWS's names
        is_dead = "dead" in QueueUrl
        waiting = self.counts["dead" if is_dead else "waiting"]
        in_flight = 0 if is_dead else self.counts["in flight"]
        return {"Attributes": dict(zip(AttributeNames, (str(waiting), str(in_flight)), strict=True))}


class _Refusing:
    """A service that the person may not ask."""

    def __getattr__(self, operation: str) -> Any:
        """Give an operation that is refused."""
        if operation == "exceptions":
            return DynamoDBClient.exceptions

        def call(*_: Any, **__: Any) -> Any:
            told = {"Error": {"Code": "AccessDenied", "Message": f"{operation} is not allowed."}}
            raise ClientError(told, operation)  # type: ignore[arg-type]  # as much as is read of it

        return call


class Pipeline:
    """The pipeline with a clock, for tests to put deliveries into."""

    def __init__(self) -> None:
        self.now = NOW
        self.session = StandIn(lambda: self.now)
        self.relay = self.relay_of()

    def relay_of(self) -> Relay:
        """Give the pipeline as a new command sees it, with new clients."""
        return Relay(self.session, "ModelRelay", lambda: self.now)

    def put(self, entry: Entry, *, at: float = 0.0, **what: Any) -> Delivery:
        """Put a delivery into the ledger that moved so many seconds ago."""
        route = what.pop("route", "default")
        accepted = what.pop("accepted_at", int((self.now - at - 1) * 1000))
        sent = delivery(route, accepted_at=accepted, **what)
        ledger = Ledger(self.session.dynamodb, TABLE)
        known = ledger.get(sent.id)
        ledger.move(sent, replace(entry, revision=known.revision), self.now - at)
        return sent
