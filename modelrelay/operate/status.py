"""How the pipeline stands: one look at everything, each part by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from functions.core.ledger import Record, State
from functions.core.metrics import DISPATCH, SERVICE, Metric
from modelrelay.errors import CommandError
from modelrelay.operate import deliveries, gate
from modelrelay.operate.ages import iso
from modelrelay.operate.relay import DEAD_LETTERS, QUEUE, Relay

NEWEST: Final = 5
_COUNTED: Final = 1_000
"""How many deliveries in a state are counted at the most, so that a look stays quick."""

_QUOTA_SECONDS: Final = 3 * 3600
_PERIOD_SECONDS: Final = 300
_ALARM_TYPES: Final = ["CompositeAlarm", "MetricAlarm"]
"""CloudWatch lists no alarm that watches other alarms unless it is asked for them."""

_HELD: Final = (State.WAITING, State.UNKNOWN, State.CLAIMED)


def look(relay: Relay) -> dict[str, Any]:
    """Look at everything. A part that can't be read is `{"unreadable": why}` and doesn't spoil the rest.

    Raises:
        CommandError: There is no such stack, or AWS can't be asked at all.
    """
    parts: dict[str, Callable[[Relay], Any]] = {
        "queue": lambda relay: relay.count(QUEUE),
        "dead_letters": lambda relay: relay.count(DEAD_LETTERS)["waiting"],
        "dead_letters_by_reason": _by_reason,
        "gate": lambda relay: gate.view(relay.gate.read(), relay.clock()),
        "quota": _quota,
        "alarms": _alarms,
        "held": _held,
        "dispatched": _dispatched,
    }
    relay.output("QueueUrl")
    seen = {name: _part(relay, read) for name, read in parts.items()}
    return {"stack": relay.stack, "at": iso(relay.clock()), **seen, "needs_a_person": list(needs(seen))}


def unreadable(part: Any) -> str:
    """Say why a part can't be read; empty where it could."""
    return str(part.get("unreadable", "")) if isinstance(part, dict) else ""


def needs(seen: dict[str, Any]) -> Iterator[str]:
    """Name what a person must see to, a sentence each. What can't be seen may need one too."""
    for name, part in seen.items():
        if unreadable(part):
            yield f"{name} can't be read."
    if isinstance(seen["alarms"], list):
        yield from (f"{alarm['name']} is in alarm." for alarm in seen["alarms"])
    if isinstance(seen["dead_letters"], int) and seen["dead_letters"]:
        yield f"{seen['dead_letters']} in the dead letters."
    closed = seen["gate"].get("closed")
    if closed and closed["needs_a_person"]:
        yield f"The gate is closed: {closed['reason']}."


def _part(relay: Relay, read: Callable[[Relay], Any]) -> Any:
    try:
        with relay.asked():
            return read(relay)
    except CommandError as error:
        return {"unreadable": str(error)}


def _newest(relay: Relay, state: State, most: int) -> list[Record]:
    now = relay.clock()
    wanted = deliveries.Wanted(now - deliveries.RECENT_SECONDS, state=state, limit=most)
    return deliveries.find(relay, wanted)


def _by_reason(relay: Relay) -> dict[str, int]:
    letters = _newest(relay, State.DEAD_LETTERED, _COUNTED)
    return dict(Counter(record.entry.reason for record in letters).most_common())


def _dispatched(relay: Relay) -> list[dict[str, Any]]:
    records = _newest(relay, State.DISPATCHED, NEWEST)
    return [deliveries.row(record, relay.clock()) for record in records]


def _held(relay: Relay) -> list[dict[str, Any]]:
    """Count what is not settled by state and reason, with the oldest of each."""
    now = relay.clock()
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for state in _HELD:
        for record in _newest(relay, state, _COUNTED):
            row = deliveries.row(record, now)
            groups.setdefault((row["state"], row["reason"]), []).append(row)
    return [
        {"state": state, "reason": reason, "count": len(rows), "oldest": min(rows, key=_accepted)}
        for (state, reason), rows in groups.items()
    ]


def _accepted(row: dict[str, Any]) -> str:
    return row["accepted_at"] or ""


def _quota(relay: Relay) -> dict[str, Any] | None:
    """Give what GitHub said last of the calls that are left; None where nothing was measured lately."""
    now = relay.clock()
    answer = relay.client("cloudwatch").get_metric_statistics(
        Namespace=relay.stack,
        MetricName=Metric.REMAINING_QUOTA.title,
        Dimensions=[{"Name": SERVICE, "Value": DISPATCH}],
        StartTime=datetime.fromtimestamp(now - _QUOTA_SECONDS, UTC),
        EndTime=datetime.fromtimestamp(now, UTC),
        Period=_PERIOD_SECONDS,
        Statistics=["Minimum"],
    )
    points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    if not points:
        return None
    return {"remaining": int(points[-1]["Minimum"]), "at": iso(points[-1]["Timestamp"].timestamp())}


def _alarms(relay: Relay) -> list[dict[str, Any]]:
    """List the stack's alarms that are in alarm. CloudFormation calls them `<stack>-Alarms…`."""
    pages = relay.client("cloudwatch").get_paginator("describe_alarms")
    prefix = f"{relay.stack}-Alarms"
    found = [
        alarm
        for page in pages.paginate(AlarmNamePrefix=prefix, StateValue="ALARM", AlarmTypes=_ALARM_TYPES)
        for alarm in (*page.get("CompositeAlarms", ()), *page.get("MetricAlarms", ()))
    ]
    return [
        {
            "name": alarm["AlarmName"].removeprefix(prefix),
            "what": alarm.get("AlarmDescription", ""),
            "since": iso(alarm["StateUpdatedTimestamp"].timestamp()),
        }
        for alarm in islice(found, _COUNTED)
    ]
