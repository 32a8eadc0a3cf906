"""Fixtures: a clock, AWS as the functions see it, and a ledger in a real table."""

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.core.ledger import BY_MODEL, BY_STATE, Ledger
from modelrelay.local.emulator import Emulator

from .aws import Aws
from .samples import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS's stand-in, to which every client made during the test leads."""
    with Aws() as stand_in:
        environment = {
            "AWS_ENDPOINT_URL": stand_in.url,
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield stand_in


@pytest.fixture(scope="session")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The embedded AWS, for its DynamoDB: conditions and transactions are not worth simulating."""
    emulator = Emulator(tmp_path_factory.mktemp("dynamodb"))
    try:
        emulator.wait_until_ready()
        yield emulator
    finally:
        emulator.stop()


_TABLES = (f"Ledger-{number}" for number in itertools.count())


@pytest.fixture
def table(dynamodb: Emulator) -> str:
    """A new, empty table for the ledger."""
    return new_table(dynamodb)


@pytest.fixture
def other_table(dynamodb: Emulator) -> str:
    """One more: another stack's."""
    return new_table(dynamodb)


def new_table(dynamodb: Emulator) -> str:
    """Make a table like the stack's."""
    name = next(_TABLES)
    indexes = {BY_MODEL: ("model", "accepted_at"), BY_STATE: ("state", "updated_at")}
    types = {"id": "S", "model": "S", "accepted_at": "N", "state": "S", "updated_at": "N"}
    dynamodb.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": type_} for attribute, type_ in types.items()
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": key, "KeyType": "HASH"},
                    {"AttributeName": order, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, (key, order) in indexes.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


class Flaky:
    """DynamoDB, of which a call may fail before or after it took effect.

    Attributes:
        failing: How an operation fails, once: "before" or "after" its effect; or "repeated", where the client
            sent it again on its own account after the answer to the first got lost.
        meanwhile: What somebody else does, once, just before an operation takes effect.
        calls: The operations that were asked for.
        asked: What they were asked with.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.failing: dict[str, str] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Any:
        """Give an operation that does as it is told, once."""
        real = getattr(self._client, operation)
        if operation == "exceptions":
            return real

        def call(**parameters: Any) -> Any:
            self.calls.append(operation)
            self.asked.append(parameters)
            if act := self.meanwhile.pop(operation, None):
                act()
            how = self.failing.pop(operation, "")
            if how in {"after", "repeated"}:
                real(**parameters)
            if how in {"before", "after"}:
                raise EndpointConnectionError(endpoint_url="http://dynamodb")
            return real(**parameters)

        return call


@pytest.fixture
def flaky(dynamodb: Emulator) -> Flaky:
    """A client of DynamoDB that fails on demand."""
    return Flaky(dynamodb.client("dynamodb"))


@pytest.fixture
def ledger(flaky: Any, table: str) -> Ledger:
    """An empty ledger."""
    return Ledger(flaky, table)
