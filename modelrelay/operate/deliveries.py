"""Finds deliveries in the ledger, by its indexes and never by a scan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, Final

from functions.core.ledger import Record, State
from modelrelay.errors import CommandError
from modelrelay.operate.ages import iso
from modelrelay.operate.relay import Relay

KEPT_SECONDS: Final = 14 * 24 * 3600.0
"""How long SQS keeps a message. What was accepted earlier than that moves only where a person replays it."""

RECENT_SECONDS: Final = KEPT_SECONDS
_SEARCHED: Final = 5_000
"""How many of the newest deliveries are searched for an id of which only the beginning is known."""

_ID: Final = re.compile(r"[0-9a-f]{32}")
_BEGINNING: Final = re.compile(r"[0-9a-f]{8,31}")
_ABOUT: Final = ("route", "model", "version", "kind", "from_stage", "to_stage", "alias")
_FUTURE_SECONDS: Final = 60.0
"""How far AWS's clock may be ahead of this machine's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries to list.

    Attributes:
        since: Only what moved since then, in epoch seconds.
        model: Of this model or job; empty for all.
        state: In this state; None for all.
        route: On this route; empty for all.
        limit: The newest so many.
    """

    since: float
    model: str = ""
    state: State | None = None
    route: str = ""
    limit: int = 50


def find(relay: Relay, wanted: Wanted) -> list[Record]:
    """List deliveries: a model's the one accepted last first, others the one that moved last first.

    Raises:
        CommandError: The ledger can't be read.
    """
    now = relay.clock()
    with relay.asked():
        records = _of_model(relay, wanted) if wanted.model else _newest(relay, wanted, now)
        fitting = (record for record in records if _fits(record, wanted, now))
        return list(islice(fitting, wanted.limit))


def _of_model(relay: Relay, wanted: Wanted) -> Iterator[Record]:
    for record in relay.ledger.of_model(wanted.model):
        if float(record.about.get("accepted_at", 0)) / 1000 < wanted.since - KEPT_SECONDS:
            return
        yield record


def _newest(relay: Relay, wanted: Wanted, now: float) -> Iterator[Record]:
    """Merge the states' deliveries, newest first. A lapsed claim stands in the index as claimed."""
    states = tuple(State) if wanted.state is None else (wanted.state,)
    if wanted.state is State.UNKNOWN:
        states = (State.UNKNOWN, State.CLAIMED)
    found = [relay.ledger.in_state(state, wanted.since, now + _FUTURE_SECONDS) for state in states]
    return merge(*found, key=lambda record: record.entry.updated_at, reverse=True)


def _fits(record: Record, wanted: Wanted, now: float) -> bool:
    return (
        record.entry.updated_at >= wanted.since
        and (wanted.state is None or record.entry.recovered(now).state is wanted.state)
        and (not wanted.route or record.about.get("route") == wanted.route)
    )


def row(record: Record, now: float) -> dict[str, Any]:
    """Give a delivery as a list shows it, for programs. A claim that has lapsed is `unknown`."""
    entry = record.entry.recovered(now)
    return {
        "id": record.id,
        **{name: record.about[name] for name in _ABOUT if name in record.about},
        "state": entry.state.value,
        "reason": entry.reason,
        "accepted_at": iso(float(record.about.get("accepted_at", 0)) / 1000),
        "updated_at": iso(entry.updated_at),
        "attempts": entry.attempts,
        "run_url": entry.run_url or None,
    }


def get(relay: Relay, wanted: str) -> Record:
    """Give the delivery of an id, or of the beginning of one that moved lately.

    Raises:
        CommandError: It is no id, nothing or more than one thing has it, or the ledger can't be read.
    """
    wanted = wanted.strip().lower()
    if _ID.fullmatch(wanted):
        return _by_id(relay, wanted)
    if not _BEGINNING.fullmatch(wanted):
        raise CommandError(f"{wanted}: a delivery's id has 32 hexadecimal digits; its first 8 will do.")
    found = [record for record in recent(relay) if record.id.startswith(wanted)]
    if len(found) > 1:
        ids = ", ".join(record.id for record in found[:5])
        raise CommandError(f"{wanted} is the beginning of several ids: {ids}. Give more digits.")
    if not found:
        raise CommandError(
            f"None of the newest deliveries of the last 14 days has an id that begins with {wanted}. "
            "Give all 32 digits for an older one."
        )
    return found[0]


def recent(relay: Relay) -> Iterable[Record]:
    """Give the newest deliveries in any state."""
    now = relay.clock()
    with relay.asked():
        return list(islice(_newest(relay, Wanted(now - RECENT_SECONDS), now), _SEARCHED))


def _by_id(relay: Relay, wanted: str) -> Record:
    with relay.asked():
        record = relay.ledger.find(wanted)
    if record is None:
        raise CommandError(
            f"The ledger knows no delivery {wanted}. It knows one from its first attempt on, for 90 "
            "days; one that waits for an earlier one of its model has had no attempt yet."
        )
    return record
