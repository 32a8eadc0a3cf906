"""DynamoDB's tables: conditional writes, and indexes that are a little behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.expressions import Scope, condition
from tests.simulation.notes import changes
from tests.simulation.updates import update
from tests.simulation.values import Invalid, Item, Unsupported, Value, below, canonical, kind_of

INDEXES: Final[Mapping[str, tuple[str, str]]] = {
    "by-model": ("model", "accepted_at"),
    "by-state": ("state", "updated_at"),
}
"""The ledger's secondary indexes: a partition key that is text, a sort key that is a number."""

_PAGE_ITEMS: Final = 5
"""A page holds what fits into a megabyte; here it holds so few that readers have to turn pages."""

_EXPRESSIONS: Final = frozenset({"ExpressionAttributeNames", "ExpressionAttributeValues"})
_WRITE: Final = frozenset(
    {"TableName", "ConditionExpression", "ReturnValues", "ReturnValuesOnConditionCheckFailure"} | _EXPRESSIONS
)
_PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "Update": _WRITE | {"Key", "UpdateExpression"},
    "Put": _WRITE | {"Item"},
    "Delete": _WRITE | {"Key"},
    "ConditionCheck": _WRITE | {"Key"},
    "Get": frozenset({"TableName", "Key", "ConsistentRead"}),
    "Query": frozenset(
        {
            "TableName",
            "IndexName",
            "KeyConditionExpression",
            "FilterExpression",
            "ScanIndexForward",
            "Limit",
            "ExclusiveStartKey",
        }
    )
    | _EXPRESSIONS,
    "TransactWrite": frozenset({"TransactItems", "ClientRequestToken"}),
}


@dataclass(slots=True)
class Table:
    """The items of one table by their key `id`, and what they were before, for the indexes."""

    items: dict[str, Item] = field(default_factory=dict)
    past: dict[str, list[tuple[float, Item | None]]] = field(default_factory=dict)

    def put(self, key: str, item: Item | None, now: float) -> None:
        """Put an item, or take it away."""
        if item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = item
        self.past.setdefault(key, []).append((now, item))

    def seen_at(self, moment: float) -> list[Item]:
        """Give the items as they were at a moment."""
        versions = (
            next((item for at, item in reversed(past) if at <= moment), None) for past in self.past.values()
        )
        return [item for item in versions if item is not None]


@dataclass(frozen=True, slots=True)
class Write:
    """A write whose condition holds: what to put, and what was there."""

    table: Table
    key: str
    old: Item | None
    new: Item | None

    def note(self) -> str:
        """Tell what changes."""
        return changes(self.old, self.new)


class Refused(Exception):
    """A condition does not hold on the item as it is."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class Tables:
    """The service behind its client: does what a call asks, at once.

    Args:
        clock: Virtual time.
        lag: How many seconds the indexes are behind; asked at each query.
    """

    def __init__(self, clock: Callable[[], float], lag: Callable[[], float]) -> None:
        self._clock = clock
        self._lag = lag
        self.tables: dict[str, Table] = {}

    def write(self, kind: str, parameters: Mapping[str, Any]) -> Write:
        """Prepare an `Update`, `Put`, `Delete` or `ConditionCheck`.

        Raises:
            Refused: The condition does not hold.
        """
        check(kind, parameters)
        table = self.tables[parameters["TableName"]]
        given = canonical_item(parameters["Item"]) if kind == "Put" else canonical_item(parameters["Key"])
        key = str(given["id"]["S"])
        old = table.items.get(key)
        scope = _scope(parameters, old or {}, kind)
        if (text := parameters.get("ConditionExpression")) and not condition(text).holds(scope):
            raise Refused(old)
        new: Item | None = old
        if kind == "Update":
            new = {**given, **_updated(parameters["UpdateExpression"], scope)}
        elif kind != "ConditionCheck":
            new = given if kind == "Put" else None
        return Write(table, key, old, new)

    def commit(self, *writes: Write) -> None:
        """Do writes, all at once."""
        for each in writes:
            if each.new != each.old or each.new is None:
                each.table.put(each.key, each.new, self._clock())

    def get(self, parameters: Mapping[str, Any]) -> Item | None:
        """Read an item; only consistent reads are supported."""
        check("Get", parameters)
        if not parameters.get("ConsistentRead"):
            raise Unsupported("an eventually consistent get_item")
        return self.tables[parameters["TableName"]].items.get(parameters["Key"]["id"]["S"])

    def query(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Read a page of an index as it was a little while ago."""
        check("Query", parameters)
        if parameters.get("IndexName") not in INDEXES:
            raise Unsupported(f"a query without one of the indexes {list(INDEXES)}")
        partition, sort = INDEXES[parameters["IndexName"]]
        seen = self.tables[parameters["TableName"]].seen_at(self._clock() - self._lag())
        indexed = [item for item in seen if _is(item, partition, "S") and _is(item, sort, "N")]
        backwards = parameters.get("ScanIndexForward") is False
        indexed.sort(key=lambda item: (float(item[sort]["N"]), item["id"]["S"]), reverse=backwards)
        scope = _scope(parameters, {}, "Query")
        chosen = [item for item in indexed if _holds(parameters["KeyConditionExpression"], scope, item)]
        return _page(parameters, scope, chosen, (partition, sort))


def canonical_item(item: Item) -> dict[str, Value]:
    """Bring all of an item's values into their canonical form."""
    return {name: canonical(value) for name, value in item.items()}


def check(kind: str, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that the simulation does not know."""
    if unknown := sorted(set(parameters) - _PARAMETERS[kind]):
        raise Unsupported(f"the parameters {unknown} of {kind}")


def _scope(parameters: Mapping[str, Any], item: Item, kind: str) -> Scope:
    """Give what the expressions are evaluated on; placeholders that none of them uses are refused."""
    names = parameters.get("ExpressionAttributeNames", {})
    values = parameters.get("ExpressionAttributeValues", {})
    used: set[str] = set()
    for name in ("ConditionExpression", "KeyConditionExpression", "FilterExpression"):
        if name in parameters:
            used |= condition(parameters[name]).used
    if kind == "Update":
        used |= update(parameters["UpdateExpression"]).used
    if superfluous := sorted({*names, *values} - used):
        raise Invalid(
            f"Value provided in ExpressionAttributeNames or Values unused in expressions: {superfluous}"
        )
    if undefined := sorted(used - {*names, *values}):
        raise Invalid(f"An expression attribute name or value is not defined: {undefined}")
    return Scope(item, names, canonical_item(values))


def _updated(text: str, scope: Scope) -> Item:
    compiled = update(text)
    if any(path[0] == "id" for path in compiled.targets(scope.names)):
        raise Invalid("Cannot update attribute id. This attribute is part of the key")
    return compiled.apply(scope)


def _holds(text: str, scope: Scope, item: Item) -> bool:
    return condition(text).holds(Scope(item, scope.names, scope.values))


def _is(item: Item, name: str, kind: str) -> bool:
    return name in item and kind_of(item[name]) == kind


def _page(
    parameters: Mapping[str, Any], scope: Scope, chosen: Sequence[Item], index: tuple[str, str]
) -> dict[str, Any]:
    """Cut out a page: what was evaluated counts against the limit, also where the filter drops it."""
    if (start := parameters.get("ExclusiveStartKey")) is not None:
        keys = [item["id"]["S"] for item in chosen]
        place = (
            keys.index(start["id"]["S"]) + 1 if start["id"]["S"] in keys else _beyond(chosen, start, index)
        )
        chosen = chosen[place:]
    limit = parameters.get("Limit")
    size = min(limit or _PAGE_ITEMS, _PAGE_ITEMS)
    page, rest = chosen[:size], chosen[size:]
    kept = page
    if text := parameters.get("FilterExpression"):
        kept = [item for item in page if _holds(text, scope, item)]
    answer: dict[str, Any] = {"Items": list(kept), "Count": len(kept), "ScannedCount": len(page)}
    if rest or len(page) == limit:
        answer["LastEvaluatedKey"] = {name: page[-1][name] for name in ("id", *index)}
    return answer


def _beyond(chosen: Sequence[Item], start: Item, index: tuple[str, str]) -> int:
    """Find where to go on when the item that the last page ended with is no longer there."""
    sort = index[1]
    return next((n for n, item in enumerate(chosen) if below(start[sort], item[sort])), len(chosen))
