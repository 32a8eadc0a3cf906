"""Keeps the gate's state: one DynamoDB item, written back only if nobody wrote in between (`revision`).

Dispatch's functions change it through `gate.Gate`, and operators (a pause) through this very class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.ledger import attribute, unless_written_since
from functions.dispatch.gate_state import GateState, Ticket
from functions.dispatch.learning import Learned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIES: Final = 8
"""So many others would have to write between our read and our write, one after the other."""

_WHOLE_MINUTE: Final = 60

Result = TypeVar("Result")


class GateUnavailable(Exception):
    """DynamoDB did not do as it was told: nobody may call GitHub."""


class GateStore:
    """Reads and writes the state of one gate.

    Args:
        client: DynamoDB.
        table: A ledger's table, which holds the gate's item too.
        name: Names the credential: its secret.
        clock: Seconds since the epoch.
    """

    def __init__(self, client: DynamoDBClient, table: str, name: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._id = f"gate#{name}"
        self._clock = clock

    def read(self) -> GateState:
        """Read the gate's state.

        Raises:
            GateUnavailable: DynamoDB failed.
        """
        key = {"id": {"S": self._id}}
        try:
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise GateUnavailable(type(error).__name__) from error
        item = answer.get("Item")
        return _read_state(item["gate"]["S"]) if item else GateState()

    def change(
        self, change: Callable[[GateState, float], tuple[GateState, Result]]
    ) -> tuple[GateState, Result]:
        """Read, change, and write unless somebody wrote in between; then once more.

        A write whose answer got lost is done again on top of itself: a call counted twice, or a failure
        twice, errs on the side of silence.

        Args:
            change: Gives the next state and a result, from the state as it is and the time.

        Returns:
            The state as it is now (its revision as it was read), and the result.

        Raises:
            GateUnavailable: DynamoDB failed; the write may have taken effect.
        """
        for _ in range(_TRIES):
            state = self.read()
            changed, result = change(state, self._clock())
            if changed == state or self._write(changed):
                return changed, result
        raise GateUnavailable("too many writers")

    def _write(self, state: GateState) -> bool:
        written = replace(state, revision=state.revision + 1)
        item: dict[str, str | float] = {
            "id": self._id,
            "revision": written.revision,
            "gate": _write_state(written),
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item={name: attribute(value) for name, value in item.items()},
                **unless_written_since(state.revision),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            raise GateUnavailable(type(error).__name__) from error
        return True


def _write_state(state: GateState) -> str:
    return json.dumps(asdict(state), separators=(",", ":"))


def _read_state(text: str) -> GateState:
    told = json.loads(text)
    state = _known(GateState, told)
    for name in ("calls", "bookings"):
        state[name] = {int(minute): _calls(told) for minute, told in state[name].items()}
    state["tickets"] = tuple(Ticket(**_known(Ticket, ticket)) for ticket in state["tickets"])
    state["learned"] = Learned(**_known(Learned, state.get("learned", {})))
    return GateState(**state)


def _calls(told: list[int] | int) -> tuple[int, int]:
    """Read a minute's calls; an earlier version told their number alone."""
    count, last = (told, _WHOLE_MINUTE) if isinstance(told, int) else told
    return count, last


def _known(kind: type[GateState | Ticket | Learned], told: Mapping[str, Any]) -> dict[str, Any]:
    """Give what this version knows: a later one that was taken back may have written more."""
    return {field.name: told[field.name] for field in fields(kind) if field.name in told}
