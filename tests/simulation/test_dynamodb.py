"""The simulated DynamoDB does what the embedded AWS's does, call by call."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelrelay.local.emulator import Emulator
from tests.simulation import programs
from tests.simulation.dynamodb import DynamoDBClient
from tests.simulation.expressions import condition
from tests.simulation.tables import INDEXES, Table, Tables, canonical_item
from tests.simulation.values import Unsupported

_KEYS = (f"key-{number}" for number in itertools.count())
bounded = settings(
    max_examples=100,
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
        self.table = "compared"
        tables = Tables(lambda: 0.0, lambda: 0.0)
        tables.tables[self.table] = Table()
        self.simulated = DynamoDBClient(tables, Direct(), lambda _: None)  # type: ignore[arg-type]
        self.embedded = emulator.client("dynamodb")
        typed = {
            "id": "S",
            **{name: kind for keys in INDEXES.values() for name, kind in zip(keys, "SN", strict=True)},
        }
        self.embedded.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, kind in typed.items()
            ],
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


@pytest.fixture(scope="module")
def pair(emulator: Emulator) -> Pair:
    """The two clients."""
    return Pair(emulator)


@bounded
@given(program=st.data())
def test_answers_and_refuses_like_the_embedded_aws(pair: Pair, program: st.DataObject) -> None:
    """Whatever conditions and updates are tried, items and refusals are the same."""
    keys = next(_KEYS), next(_KEYS)
    for method, parameters in program.draw(programs.programs(pair.table, keys)):
        simulated, embedded = pair.both(method, parameters)
        assert simulated == embedded or _both_invalid(simulated, embedded)
        for key in keys:
            given = {"TableName": pair.table, "Key": {"id": {"S": key}}, "ConsistentRead": True}
            simulated, embedded = pair.both("get_item", given)
            assert simulated == embedded


def _both_invalid(simulated: Any, embedded: Any) -> bool:
    return all("ValidationException" in str(answer) for answer in (simulated, embedded))


@settings(bounded, max_examples=25)
@given(seed=st.randoms(use_true_random=False), backwards=st.booleans(), limit=st.integers(1, 4))
def test_pages_of_an_index_come_like_the_embedded_aws_gives_them(
    pair: Pair, *, seed: Random, backwards: bool, limit: int
) -> None:
    """A query by state and time gives the same items in the same order, page by page."""
    state = f"state-{next(_KEYS)}"
    for moment in seed.sample(range(20), 6):
        item = {"id": {"S": next(_KEYS)}, "updated_at": {"N": str(moment)}}
        if seed.random() < 0.8:  # What has no state is not in the index.
            item["state"] = {"S": state}
        pair.both("put_item", {"TableName": pair.table, "Item": item})
    query = {
        "TableName": pair.table,
        "IndexName": "by-state",
        "KeyConditionExpression": "#state = :state AND updated_at BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":state": {"S": state}, ":low": {"N": "3"}, ":high": {"N": "17"}},
        "ScanIndexForward": not backwards,
        "Limit": limit,
    }
    for _ in range(8):
        simulated, embedded = pair.both("query", query)
        assert simulated == embedded
        if "LastEvaluatedKey" not in simulated:
            return
        query["ExclusiveStartKey"] = simulated["LastEvaluatedKey"]
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("size(aa) > :n", "size"),
        ("contains(aa, :n)", "contains"),
        ("aa[0] = :n", "["),
        ("aa == :n", "="),
        ("aa = :n extra", "extra"),
        ("attribute_exists(:n)", ":n"),
    ],
)
def test_what_it_does_not_know_is_refused_loudly(text: str, part: str) -> None:
    """An expression beyond the grammar raises, and is never guessed at."""
    with pytest.raises(Unsupported, match=re.escape(part)):
        condition(text)


def test_a_call_that_is_wrong_is_noted_as_a_defect() -> None:
    """A superfluous value is refused as the real service does, and the simulation hears of it."""
    tables, defects = Tables(lambda: 0.0, lambda: 0.0), list[str]()
    tables.tables["t"] = Table()
    client = DynamoDBClient(tables, Direct(), defects.append)  # type: ignore[arg-type]
    wrong = {"ConditionExpression": "attribute_exists(id)", "ExpressionAttributeValues": {":n": {"N": "1"}}}
    with pytest.raises(ClientError, match="ValidationException"):
        client.put_item(TableName="t", Item={"id": {"S": "k"}}, **wrong)
    assert "unused" in defects[0]
