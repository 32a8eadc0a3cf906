"""The ledger: what happened to each delivery, written with conditions only.

    (nothing) ──claim──► claimed ──GitHub accepted──────────► dispatched    final
                          ▲   │ ├──GitHub refused for now───► waiting
                          │   │ ├──nobody knows─────────────► unknown
                          │   │ ├──waiting won't mend it────► dead-lettered
                          │   │ └──a newer fact was dispatched──► superseded    final
                          │   └────the attempt died: the claim lapses
                          └─claim── waiting, unknown, dead-lettered (replayed), or lapsed

| state         | what it survives                                                                    |
|---------------|-------------------------------------------------------------------------------------|
| claimed       | a second function with the same delivery waits; the attempt's death ends the lease  |
| waiting       | everything: the message on the queue brings it back                                 |
| unknown       | everything: it is on record that GitHub may have started a run                      |
| dispatched    | duplicates and replays, for as long as the ledger remembers                         |
| dead-lettered | a lost dead letter: the message comes back and is tried                             |
| superseded    | duplicates and replays                                                              |

Only an attempt moves a delivery, and only while it holds the claim. A slot is what a newer fact replaces:
one model's stage or alias on one route. It remembers when the newest dispatched fact had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery
from functions.core.event import identify

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_SECONDS: Final = 90 * 24 * 3600
LEASE_SECONDS: Final = 90.0
"""How long a claim holds: longer than an attempt can take, shorter than the queue hides its message."""

_CLAIMABLE: Final = (
    "attribute_not_exists(id) OR #state IN (:waiting, :unknown, :dead) "
    "OR (#state = :state AND claimed_at < :lapsed)"
)
_REFUSED: Final = "ConditionalCheckFailed"


class State(StrEnum):
    """What is known of a delivery."""

    CLAIMED = "claimed"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    DISPATCHED = "dispatched"
    DEAD_LETTERED = "dead-lettered"
    SUPERSEDED = "superseded"


class LedgerUnavailable(Exception):
    """DynamoDB did not do as it was told. Whether a write took effect is not known."""


class NotOurs(Exception):
    """The claim has lapsed and somebody else moved the delivery on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a delivery. Times are seconds since the epoch.

    Attributes:
        state: Where the delivery stands.
        holder: Who claimed it last.
        attempts: How often it was claimed.
        claimed_at: When the last attempt began; nothing was sent to GitHub before.
        run_id: The run that was started.
        run_url: Where people see it.
    """

    state: State
    holder: str = ""
    attempts: int = 0
    claimed_at: float = 0.0
    run_id: int | None = None
    run_url: str = ""

    @property
    def lapses_at(self) -> float:
        """When the claim no longer holds."""
        return self.claimed_at + LEASE_SECONDS


class Ledger:
    """Reads and writes the ledger.

    Args:
        client: DynamoDB.
        table: The table's name.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def claim(self, delivery: Delivery, holder: str, now: float) -> Entry:
        """Claim a delivery for one attempt.

        Args:
            delivery: The delivery.
            holder: Names the attempt; the claim is ours if the entry's holder is this.
            now: Seconds since the epoch.

        Returns:
            The entry: with our holder and state `claimed`, or as it stands where it can't be claimed.

        Raises:
            LedgerUnavailable: DynamoDB failed. The claim may stand, and lapses.
        """
        sets = {"holder": holder, "claimed_at": round(now, 3)} | _moving(State.CLAIMED, now)
        values = {
            ":waiting": State.WAITING,
            ":unknown": State.UNKNOWN,
            ":dead": State.DEAD_LETTERED,
            ":lapsed": round(now - LEASE_SECONDS, 3),
        }
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(delivery.id),
                ConditionExpression=_CLAIMABLE,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_update(sets | _description(delivery), values, count="attempts"),
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            response: Mapping[str, Any] = error.response
            return _entry(response["Item"])
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error
        return _entry(answer["Attributes"])

    def newest(self, delivery: Delivery) -> str:
        """Give when the newest dispatched fact of the delivery's slot had happened; empty without one."""
        slot_id = _slot(delivery)
        item = self._item(slot_id) if slot_id else {}
        return str(item.get("occurred_at", {}).get("S", ""))

    def settle(self, delivery: Delivery, claim: Entry, state: State, now: float, **facts: Any) -> None:
        """Write what became of an attempt.

        Args:
            delivery: The delivery.
            claim: The claim that the attempt holds.
            state: What it became.
            now: Seconds since the epoch.
            facts: `reason`, `detail`, `run_id`, `run_url`.

        Raises:
            NotOurs: The claim had lapsed and somebody moved the delivery on.
            LedgerUnavailable: DynamoDB failed; the write may have taken effect.
        """
        update = self._settlement(delivery, claim, _moving(state, now) | facts)
        try:
            if state is State.DISPATCHED and (slot_id := _slot(delivery)):
                advance = self._advance(slot_id, delivery, now)
                self._client.transact_write_items(TransactItems=[{"Update": update}, {"Update": advance}])
            else:
                self._client.update_item(**update)
        except self._client.exceptions.ConditionalCheckFailedException:
            self._confirm(delivery, claim, state)
        except self._client.exceptions.TransactionCanceledException as error:
            response: Mapping[str, Any] = error.response
            ours, slot = (reason["Code"] for reason in response["CancellationReasons"])
            if ours == _REFUSED:
                self._confirm(delivery, claim, state)
            elif slot == _REFUSED:
                self._settle_alone(update)
            else:
                raise LedgerUnavailable(type(error).__name__) from error
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error

    def get(self, delivery_id: str) -> Entry | None:
        """Give a delivery's entry, if the ledger knows it."""
        item = self._item(delivery_id)
        return _entry(item) if item else None

    def _item(self, item_id: str) -> Mapping[str, Any]:
        try:
            answer = self._client.get_item(TableName=self._table, Key=_key(item_id), ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error
        return answer.get("Item", {})

    def _settlement(self, delivery: Delivery, claim: Entry, sets: dict[str, Any]) -> Any:
        return {
            "TableName": self._table,
            "Key": _key(delivery.id),
            "ConditionExpression": "#state = :claimed AND holder = :holder",
            **_update(sets, {":claimed": State.CLAIMED, ":holder": claim.holder}),
        }

    def _advance(self, slot_id: str, delivery: Delivery, now: float) -> Any:
        """Tell the slot of a newer fact; refused where it knows one that is as new."""
        sets = {"occurred_at": delivery.event.occurred_at, "expires_at": int(now) + KEEP_SECONDS}
        return {
            "TableName": self._table,
            "Key": _key(slot_id),
            "ConditionExpression": "attribute_not_exists(id) OR occurred_at < :occurred_at",
            **_update(sets, {}),
        }

    def _settle_alone(self, update: Any) -> None:
        """Settle without the slot, which knows a newer fact already."""
        try:
            self._client.update_item(**update)
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error

    def _confirm(self, delivery: Delivery, claim: Entry, state: State) -> None:
        """Find out whether a refused write had taken effect before, at a try whose answer got lost."""
        entry = self.get(delivery.id)
        if entry is None or (entry.holder, entry.state) != (claim.holder, state):
            raise NotOurs(delivery.id)


def _moving(state: State, now: float) -> dict[str, Any]:
    return {"state": state, "updated_at": round(now, 3), "expires_at": int(now) + KEEP_SECONDS}


def _key(item_id: str) -> dict[str, Any]:
    return {"id": {"S": item_id}}


def _slot(delivery: Delivery) -> str:
    """Name what a newer fact replaces: a stage, or an alias whether set or deleted. Other facts stand."""
    event = delivery.event
    if event.alias:
        return f"slot#{identify(delivery.route, event.model_name, 'alias', event.alias)[:32]}"
    if event.to_stage:
        return f"slot#{identify(delivery.route, event.model_name, event.kind, event.to_stage)[:32]}"
    return ""


def _description(delivery: Delivery) -> dict[str, Any]:
    """Give what people ask about a delivery. Names and times, never prose."""
    event = delivery.event
    description = {
        "route": delivery.route,
        "model": event.model_name,
        "version": event.version,
        "kind": event.kind,
        "to_stage": event.to_stage,
        "alias": event.alias,
        "occurred_at": event.occurred_at,
        "accepted_at": delivery.accepted_at,
    }
    return {name: value for name, value in description.items() if value is not None}


def _update(sets: Mapping[str, Any], values: Mapping[str, Any], count: str = "") -> dict[str, Any]:
    """Write an update expression; `values` are those that only its condition names."""
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
    given = {**{f":{name}": value for name, value in sets.items()}, **values}
    if count:
        expression += f" ADD {count} :one"
        given[":one"] = 1
    return {
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {f"#{name}": name for name in sets},
        "ExpressionAttributeValues": {name: _attribute(value) for name, value in given.items()},
    }


def _attribute(value: Any) -> dict[str, str]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _entry(item: Mapping[str, Any]) -> Entry:
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    def number(name: str) -> float:
        return float(item.get(name, {}).get("N", 0))

    return Entry(
        state=State(text("state")),
        holder=text("holder"),
        attempts=int(number("attempts")),
        claimed_at=number("claimed_at"),
        run_id=int(item["run_id"]["N"]) if "run_id" in item else None,
        run_url=text("run_url"),
    )
