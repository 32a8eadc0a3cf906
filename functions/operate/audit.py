"""Who did what to the pipeline by hand: a record of each act, in the ledger's table.

A record is found by the index `by-state` under the state `audit`, and kept for as long as the ledger keeps
deliveries.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.ledger import BY_STATE, KEEP_SECONDS, attribute, plain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATE: Final = "audit"
BEGUN: Final = "begun"


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did.

    Attributes:
        id: `audit#<ISO time>#<random>`.
        at: When it was last written down, in seconds since the epoch.
        who: The ARN of the caller's identity.
        action: The command (`dlq replay`).
        options: What was asked for. Names and times, never prose.
        outcome: `begun`, and then `done`, `failed` or `interrupted`; one that stays `begun` was killed.
        counts: What it came to.
    """

    id: str
    at: float
    who: str
    action: str
    options: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = BEGUN
    counts: Mapping[str, int] = field(default_factory=dict)


class Audit:
    """Reads and writes the records.

    Args:
        client: DynamoDB.
        table: The ledger's table.
        clock: Seconds since the epoch.
    """

    def __init__(self, client: DynamoDBClient, table: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    @contextmanager
    def recorded(
        self, who: str, action: str, options: Mapping[str, Any], counts: Mapping[str, int]
    ) -> Iterator[None]:
        """Keep a record of what is done in the block, also if it ends by an error or a signal.

        Args:
            who: The ARN of the caller's identity.
            action: The command.
            options: What was asked for.
            counts: Holds at the end what it came to.

        Raises:
            ClientError, BotoCoreError: DynamoDB failed; before the block, then nothing is done.
        """
        act = self.begin(who, action, options)
        try:
            yield
        except BaseException as error:
            with suppress(ClientError, BotoCoreError):  # The record stays `begun`; the error matters more.
                self.end(act, "failed" if isinstance(error, Exception) else "interrupted", counts)
            raise
        self.end(act, "done", counts)

    def begin(self, who: str, action: str, options: Mapping[str, Any]) -> Act:
        """Write down that something begins; what can't be written down is not to be done.

        Raises:
            ClientError, BotoCoreError: DynamoDB failed.
        """
        now = self._clock()
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        return self._write(Act(f"{STATE}#{moment}#{secrets.token_hex(4)}", now, who, action, options))

    def end(self, act: Act, outcome: str, counts: Mapping[str, int]) -> Act:
        """Write down what came of it.

        Raises:
            ClientError, BotoCoreError: DynamoDB failed.
        """
        return self._write(replace(act, at=self._clock(), outcome=outcome, counts=counts))

    def newest(self, limit: int = 50) -> Iterator[Act]:
        """Give the records, newest first, some seconds behind.

        Raises:
            ClientError, BotoCoreError: DynamoDB failed.
        """
        query = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_STATE,
            KeyConditionExpression="#state = :state",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":state": {"S": STATE}},
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": limit},
        )
        for page in query:
            yield from map(_act, page["Items"])

    def _write(self, act: Act) -> Act:
        item: dict[str, str | float] = {
            "id": act.id,
            "state": STATE,
            "updated_at": round(act.at, 3),
            "expires_at": int(act.at) + KEEP_SECONDS,
            "who": act.who,
            "action": act.action,
            "outcome": act.outcome,
            # As text, so that whoever reads the table finds nothing in it but text and numbers.
            "options": json.dumps(act.options, ensure_ascii=False),
            "counts": json.dumps(act.counts),
        }
        self._client.put_item(
            TableName=self._table, Item={name: attribute(value) for name, value in item.items()}
        )
        return act


def _act(item: Mapping[str, Any]) -> Act:
    values = {name: plain(value) for name, value in item.items()}
    return Act(
        id=str(values["id"]),
        at=float(values["updated_at"]),
        who=str(values["who"]),
        action=str(values["action"]),
        options=json.loads(str(values["options"])),
        outcome=str(values["outcome"]),
        counts=json.loads(str(values["counts"])),
    )
