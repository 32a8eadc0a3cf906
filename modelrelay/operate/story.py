"""The whole story of one delivery: what happened, how it stands, why, and what a person does next."""

from __future__ import annotations

import json
from typing import Any

from functions.core.ledger import Entry, Record, State
from functions.dispatch.gate_state import PAUSED
from functions.operate.reasons import MEANING, advice, next_step
from modelrelay.errors import CommandError
from modelrelay.operate import attempts, gate
from modelrelay.operate.ages import epoch, iso
from modelrelay.operate.relay import Relay

_MOVING = frozenset({State.WAITING, State.CLAIMED, State.UNKNOWN})


def tell(relay: Relay, record: Record) -> dict[str, Any]:
    """Tell a delivery's story, for programs. What can't be read besides the ledger is `unreadable`."""
    now = relay.clock()
    entry = record.entry.recovered(now)
    about = dict(record.about)
    accepted = float(about.pop("accepted_at", 0)) / 1000
    occurred = str(about.pop("occurred_at", ""))
    until = now if entry.state in _MOVING else entry.updated_at
    return {
        "id": record.id,
        **about,
        **_times(entry, occurred, accepted),
        "state": entry.state.value,
        "means": MEANING[entry.state],
        "reason": entry.reason or None,
        "because": advice(entry.reason).means or None,
        "detail": entry.detail or None,
        "next": next_step(entry.state, entry.reason),
        "paused": _pause(relay) if entry.reason == PAUSED and entry.state in _MOVING else None,
        "attempts": entry.attempts,
        "deaths": entry.deaths,
        "doubt": _doubt(entry),
        "run": {"id": entry.run_id or None, "url": entry.run_url} if entry.run_url else None,
        "log": readable(lambda: attempts.of_delivery(relay, record.id, accepted, until)),
    }


def _times(entry: Entry, occurred: str, accepted: float) -> dict[str, Any]:
    """Give when things happened, and how many seconds they took."""
    dispatched = entry.updated_at if entry.state is State.DISPATCHED else 0.0
    happened = epoch(occurred)
    return {
        "occurred_at": occurred or None,
        "accepted_at": iso(accepted),
        "called_at": iso(entry.called_at),
        "dispatched_at": iso(dispatched),
        "updated_at": iso(entry.updated_at),
        "turn_at": iso(entry.booked_at) if entry.state in _MOVING else None,
        "seconds": {
            "until_accepted": round(accepted - happened, 1) if accepted and happened else None,
            "until_dispatched": round(dispatched - accepted, 1) if accepted and dispatched else None,
        },
    }


def _doubt(entry: Entry) -> dict[str, Any] | None:
    """Give the spans of time in which GitHub may have started runs of it that are on no record."""
    since, until = entry.doubt
    if not since or entry.state is State.DISPATCHED:
        return None
    earlier = [{"since": iso(begun), "until": iso(end)} for begun, end in json.loads(entry.past or "[]")]
    return {"since": iso(since), "until": iso(until), "looks": entry.looks, "earlier": earlier}


def _pause(relay: Relay) -> Any:
    def read() -> Any:
        with relay.asked():
            return gate.view(relay.gate.read(), relay.clock())["paused"]

    return readable(read)


def readable(read: Any) -> Any:
    """Read a part, or say why it can't be read: a missing permission must not spoil the rest."""
    try:
        return read()
    except CommandError as error:
        return {"unreadable": str(error)}
