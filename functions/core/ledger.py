"""The ledger: what happened to each delivery, written with conditions only.

    (nothing) ─► waiting ─► claimed ─┬─ GitHub accepted ───────────► dispatched     final
        └──────────────────▲  ▲      ├─ GitHub refused for now ────► waiting
                           │  │      ├─ nobody knows ──────────────► unknown
                           │  │      ├─ waiting won't mend it ─────► dead-lettered
                           │  │      └─ the attempt died: the claim lapses, and nobody knows
       waiting, unknown, dead-lettered (replayed) ─► claimed, dead-lettered, superseded;
       unknown ─► dispatched, where the run is found

| state         | what it means                            | what it survives                               |
|---------------|------------------------------------------|------------------------------------------------|
| waiting       | nothing was sent, or GitHub refused it   | everything: the queue brings it back           |
| claimed       | a call to GitHub begins, or is under way | a second function waits; a death ends it       |
| unknown       | GitHub may have started a run            | everything: it is looked up before it is sent  |
| dispatched    | GitHub started a run                     | duplicates and replays, for 90 days            |
| dead-lettered | a person must look                       | a lost letter: the message is buried again     |
| superseded    | a newer fact was dispatched instead      | duplicates; a forced replay sends it           |

Only an attempt moves a delivery, and each write is refused unless the entry is still as the attempt read it
(`revision`). A slot is what a newer fact replaces: one model's stage or alias on one route. It remembers when
the newest dispatched fact had happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery
from functions.core.event import identify

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_SECONDS: Final = 90 * 24 * 3600
LEASE_SECONDS: Final = 60.0
"""How long a claim holds: longer than the call to GitHub and the writing of its outcome can take."""

CALL_SECONDS: Final = 25.0
"""How long after its claim an attempt has to do with GitHub. What it starts there is created by then."""

BY_MODEL: Final = "by-model"
BY_STATE: Final = "by-state"
_REFUSED: Final = "ConditionalCheckFailed"
_PAGE_ITEMS: Final = 100
_MAX_KEY_BYTES: Final = 2048  # of an index's key: DynamoDB refuses the whole item above it


class State(StrEnum):
    """What is known of a delivery."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    DISPATCHED = "dispatched"
    DEAD_LETTERED = "dead-lettered"
    SUPERSEDED = "superseded"


class LedgerUnavailable(Exception):
    """DynamoDB did not do as it was told. Whether a write took effect is not known."""


class Overtaken(Exception):
    """Somebody else moved the delivery since its entry was read. Raised by a write, which did nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a delivery. Times are seconds since the epoch; 0 and "" mean none.

    Attributes:
        state: Where the delivery stands.
        revision: Counts the writes.
        holder: The attempt that wrote last.
        updated_at: When it wrote.
        attempts: How often a call to GitHub was begun.
        deaths: How many of them ended without an outcome.
        claimed_at: When the last one was begun.
        called_at: When it was sent.
        booked_at: When the delivery has its turn, where the gate put it off.
        doubt_since: Begin of the call of which nobody knows what it did; nothing was started earlier.
        doubt_until: End of it: GitHub created a run by then, or never.
        looks: How often GitHub's listing was asked in vain since.
        seen: The runs in it that may be the call's, as JSON.
        past: The spans of earlier calls in doubt that seemed to have started nothing, as JSON.
        decided: 1 where a person has decided that it is to be sent, whatever can't be found out.
        reason: Why it waits or was dead-lettered.
        detail: The same in words.
        run_id: The run that was started.
        run_url: Where people see it.
    """

    state: State = State.WAITING
    revision: int = 0
    holder: str = ""
    updated_at: float = 0.0
    attempts: int = 0
    deaths: int = 0
    claimed_at: float = 0.0
    called_at: float = 0.0
    booked_at: float = 0.0
    doubt_since: float = 0.0
    doubt_until: float = 0.0
    looks: int = 0
    seen: str = ""
    past: str = ""
    decided: int = 0
    reason: str = ""
    detail: str = ""
    run_id: int = 0
    run_url: str = ""

    @property
    def lapses_at(self) -> float:
        """When the claim no longer holds."""
        return self.claimed_at + LEASE_SECONDS

    @property
    def in_doubt(self) -> bool:
        """Whether GitHub may have started a run that is not on record."""
        return self.doubt_since > 0

    @property
    def doubt(self) -> tuple[float, float]:
        """The span of the call of which it is not on record what it did; zeros where there is none."""
        if self.state is State.CLAIMED:
            return self.claimed_at, self.claimed_at + CALL_SECONDS
        return self.doubt_since, self.doubt_until

    def recovered(self, now: float) -> Entry:
        """Give the entry as it is to be read where its claim has lapsed: nobody knows what the call did."""
        if self.state is not State.CLAIMED or now < self.lapses_at:
            return self
        since, until = self.doubt
        deaths = self.deaths + 1
        return replace(
            self, state=State.UNKNOWN, deaths=deaths, doubt_since=since, doubt_until=until, looks=0, seen=""
        )


@dataclass(frozen=True, slots=True)
class Record:
    """An entry with what it is about.

    Attributes:
        id: The delivery's.
        about: `route`, `model`, `version`, `kind`, stages, alias, `occurred_at`, `accepted_at` (in ms).
        entry: What happened to it.
    """

    id: str
    about: Mapping[str, str | float]
    entry: Entry


_FIELDS: Final[Mapping[str, Any]] = {field.name: field.default for field in fields(Entry)}


class Ledger:
    """Reads and writes the ledger.

    Args:
        client: DynamoDB.
        table: The table's name.

    Attributes:
        table: As it was given.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self.table = table

    def get(self, delivery_id: str) -> Entry:
        """Give a delivery's entry; one of revision 0 where the ledger does not know it.

        Raises:
            LedgerUnavailable: DynamoDB failed.
        """
        return _entry(self._item(delivery_id))

    def find(self, delivery_id: str) -> Record | None:
        """Give a delivery's entry with what it is about; None where the ledger does not know it.

        Raises:
            LedgerUnavailable: DynamoDB failed.
        """
        item = self._item(delivery_id)
        return _record(item) if item else None

    def move(self, delivery: Delivery, entry: Entry, now: float) -> Entry:
        """Write an entry in the place of the one of the same revision.

        Args:
            delivery: The delivery.
            entry: What is to stand there, with `revision` as it was read.
            now: Seconds since the epoch.

        Returns:
            The entry as it stands there now.

        Raises:
            Overtaken: Somebody moved the delivery since.
            LedgerUnavailable: DynamoDB failed; the write may have taken effect.
        """
        written = replace(entry, revision=entry.revision + 1, updated_at=round(now, 3))
        put = self._put(delivery, written)
        slot_id = _slot(delivery) if entry.state is State.DISPATCHED else ""
        try:
            if slot_id:
                advance = self._advance(slot_id, delivery, now)
                self._client.transact_write_items(TransactItems=[{"Put": put}, {"Update": advance}])
            else:
                self._client.put_item(**put)
        except self._client.exceptions.ConditionalCheckFailedException:
            self._confirm(delivery, written)
        except self._client.exceptions.TransactionCanceledException as error:
            response: Mapping[str, Any] = error.response
            ours, slot = (reason["Code"] for reason in response["CancellationReasons"])
            if ours == _REFUSED:
                self._confirm(delivery, written)
            elif slot == _REFUSED:
                self._move_alone(delivery, written, put)
            else:
                raise LedgerUnavailable(type(error).__name__) from error
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error
        return written

    def newest(self, delivery: Delivery) -> str:
        """Give when the newest dispatched fact of the delivery's slot had happened; empty without one.

        Raises:
            LedgerUnavailable: DynamoDB failed.
        """
        slot_id = _slot(delivery)
        item = self._item(slot_id) if slot_id else {}
        return str(item.get("occurred_at", {}).get("S", ""))

    def of_model(self, model: str) -> Iterator[Record]:
        """Give a model's deliveries, the one accepted last first; some seconds behind.

        Raises:
            LedgerUnavailable: DynamoDB failed.
        """
        return self._query(BY_MODEL, "#key = :key", {":key": {"S": model}}, "model")

    def in_state(self, state: State, since: float, until: float) -> Iterator[Record]:
        """Give the deliveries that came into a state between two moments, newest first; seconds behind.

        Raises:
            LedgerUnavailable: DynamoDB failed.
        """
        values = {":key": {"S": state.value}, ":since": {"N": str(since)}, ":until": {"N": str(until)}}
        return self._query(BY_STATE, "#key = :key AND updated_at BETWEEN :since AND :until", values, "state")

    def _query(self, index: str, condition: str, values: dict[str, Any], key: str) -> Iterator[Record]:
        page: dict[str, Any] = {"Limit": _PAGE_ITEMS}
        while True:
            try:
                answer = self._client.query(
                    TableName=self.table,
                    IndexName=index,
                    KeyConditionExpression=condition,
                    ExpressionAttributeNames={"#key": key},
                    ExpressionAttributeValues=values,
                    ScanIndexForward=False,
                    **page,
                )
            except (ClientError, BotoCoreError) as error:
                raise LedgerUnavailable(type(error).__name__) from error
            for item in answer["Items"]:
                yield _record(item)
            if "LastEvaluatedKey" not in answer:
                return
            page["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _item(self, item_id: str) -> Mapping[str, Any]:
        try:
            answer = self._client.get_item(TableName=self.table, Key=_key(item_id), ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error
        return answer.get("Item", {})

    def _put(self, delivery: Delivery, entry: Entry) -> Any:
        values = {name: value for name, value in asdict(entry).items() if value != _FIELDS[name]}
        item = {
            "id": delivery.id,
            "state": entry.state,
            "expires_at": int(entry.updated_at) + KEEP_SECONDS,
            **_description(delivery),
            **values,
        }
        return {
            "TableName": self.table,
            "Item": {name: attribute(value) for name, value in item.items()},
            **unless_written_since(entry.revision - 1),
        }

    def _advance(self, slot_id: str, delivery: Delivery, now: float) -> Any:
        """Tell the slot of a newer fact; refused where it knows one that is as new."""
        return {
            "TableName": self.table,
            "Key": _key(slot_id),
            "ConditionExpression": "attribute_not_exists(id) OR occurred_at < :occurred_at",
            "UpdateExpression": "SET occurred_at = :occurred_at, expires_at = :expires_at",
            "ExpressionAttributeValues": {
                ":occurred_at": {"S": delivery.event.occurred_at},
                ":expires_at": {"N": str(int(now) + KEEP_SECONDS)},
            },
        }

    def _move_alone(self, delivery: Delivery, written: Entry, put: Any) -> None:
        """Write without the slot, which knows a newer fact already."""
        try:
            self._client.put_item(**put)
        except self._client.exceptions.ConditionalCheckFailedException:
            self._confirm(delivery, written)
        except (ClientError, BotoCoreError) as error:
            raise LedgerUnavailable(type(error).__name__) from error

    def _confirm(self, delivery: Delivery, written: Entry) -> None:
        """Find out whether a refused write had taken effect before, at a try whose answer got lost."""
        found = self.get(delivery.id)
        if (found.revision, found.holder) != (written.revision, written.holder):
            raise Overtaken(delivery.id)


def unless_written_since(revision: int) -> dict[str, Any]:
    """Give the condition under which an item may be written that was read at a revision."""
    if not revision:
        return {"ConditionExpression": "attribute_not_exists(revision)"}
    return {
        "ConditionExpression": "revision = :revision",
        "ExpressionAttributeValues": {":revision": {"N": str(revision)}},
    }


def attribute(value: str | float) -> dict[str, str]:
    """Write a value as DynamoDB takes it."""
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def plain(value: Mapping[str, Any]) -> str | float:
    """Read a value as DynamoDB gives it."""
    return str(value["S"]) if "S" in value else float(value["N"])


def _key(item_id: str) -> dict[str, Any]:
    return {"id": {"S": item_id}}


def _slot(delivery: Delivery) -> str:
    """Name what a newer fact replaces: a stage, or an alias whether set or deleted. Other facts stand."""
    event = delivery.event
    whose = (event.workspace_id, event.model_name)
    if event.alias:
        return f"slot#{identify(delivery.route, *whose, 'alias', event.alias)[:32]}"
    if event.to_stage:
        return f"slot#{identify(delivery.route, *whose, event.kind, event.to_stage)[:32]}"
    return ""


def _description(delivery: Delivery) -> dict[str, Any]:
    """Give what people ask about a delivery. Names and times, never prose."""
    event = delivery.event
    description = {
        "route": delivery.route,
        "model": event.subject if len(event.subject.encode()) <= _MAX_KEY_BYTES else "",
        "version": event.version,
        "kind": event.kind,
        "from_stage": event.from_stage,
        "to_stage": event.to_stage,
        "alias": event.alias,
        "occurred_at": event.occurred_at,
        "accepted_at": delivery.accepted_at,
    }
    return {name: value for name, value in description.items() if value}  # an index takes no empty key


def _record(item: Mapping[str, Any]) -> Record:
    about = {name: plain(value) for name, value in item.items() if name not in _FIELDS and name != "id"}
    return Record(str(item["id"]["S"]), about, _entry(item))


def _entry(item: Mapping[str, Any]) -> Entry:
    values = {name: type(default)(plain(item[name])) for name, default in _FIELDS.items() if name in item}
    return Entry(**values)
