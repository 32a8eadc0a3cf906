"""The simulated DynamoDB does what the embedded AWS's does, call by call."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelrelay.local.emulator import Emulator
from tests.simulation import programs
from tests.simulation.dynamodb import DynamoDBClient
from tests.simulation.tables import INDEXES, Table, Tables, canonical_item
from tests.simulation.values import Unsupported

_NAMES = (f"compared-{number}" for number in itertools.count())
bounded = settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Direct:
    """A wire on which nothing happens: each call takes effect at once."""

    def call(self, operation: str, key: str, effect: Callable[[], tuple[Any, Any]]) -> Any:
        """Make a call."""
        return effect()[0]


class Pair:
    """The two clients, with a table of the same name in each."""

    def __init__(self, emulator: Emulator) -> None:
        self.table = next(_NAMES)
        tables = Tables(lambda: 0.0, lambda: 0.0)
        tables.tables[self.table] = Table()
        self.simulated = DynamoDBClient(tables, Direct(), lambda _: None)  # type: ignore[arg-type]
        self.embedded = emulator.client("dynamodb")
        typed = {"id": "S", **{name: kind for keys in INDEXES.values() for name, kind in zip(keys, "SN", strict=True)}}
        self.embedded.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in typed.items()],
            GlobalSecondaryIndexes=[_index(name, *keys) for name, keys in INDEXES.items()],
            BillingMode="PAY_PER_REQUEST",
        )

    def both(self, method: str, parameters: dict[str, Any]) -> list[Any]:
        """Call both; give what each answers or how it refuses."""
        return [_answer(getattr(client, method), parameters) for client in (self.simulated, self.embedded)]


def _index(name: str, partition: str, sort: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


def _answer(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    try:
        answer = call(**parameters)
    except ClientError as error:
        return _refusal(error)
    for name in ("Item", "Attributes", "LastEvaluatedKey"):
        if name in answer:
            answer[name] = canonical_item(answer[name])
    if "Items" in answer:
        answer["Items"] = [canonical_item(item) for item in answer["Items"]]
    return {name: content for name, content in answer.items() if name != "ResponseMetadata"}


def _refusal(error: ClientError) -> Any:
    response: Any = error.response
    reasons = [
        (reason["Code"], canonical_item(reason["Item"]) if reason.get("Item") else None)
        for reason in response.get("CancellationReasons", ())
    ]
    if any(code == "ValidationError" for code, _ in reasons):
        return "ValidationException"  # It tells of mistakes in the same call as a reason.
    code = response["Error"]["Code"]
    return code, canonical_item(response["Item"]) if response.get("Item") else None, reasons


@pytest.fixture
def pair(emulator: Emulator) -> Pair:
    """The two clients."""
    return Pair(emulator)


@bounded
@given(program=st.data())
def test_answers_and_refuses_like_the_embedded_aws(emulator: Emulator, program: st.DataObject) -> None:
    """Whatever conditions and updates are tried, items and refusals are the same."""
    pair = Pair(emulator)
    for method, parameters in program.draw(programs.programs(pair.table)):
        simulated, embedded = pair.both(method, parameters)
        assert simulated == embedded or _both_invalid(simulated, embedded)
        for key in programs.KEYS:
            given = {"TableName": pair.table, "Key": {"id": {"S": key}}, "ConsistentRead": True}
            simulated, embedded = pair.both("get_item", given)
            assert simulated == embedded


def _both_invalid(simulated: Any, embedded: Any) -> bool:
    return all("ValidationException" in str(answer) for answer in (simulated, embedded))
