"""Looks for the run of a call of which nobody knows what it did, before anything is sent again.

GitHub has no idempotency key, and its listing of runs tells no inputs. So a run is recognised

1. by the delivery's id in its title, where the route passes `delivery_id` and the workflow's `run-name`
   shows it. That is certain.
2. otherwise by exclusion: it was created while the call was under way, on the route's ref, by the account
   that starts our other runs, and the ledger knows it as no other delivery's. Calls are made one after the
   other, and after an unknown one there is silence until its time is over, so no other call of ours fits. A
   run that a person started by hand within those seconds does, if nothing tells who starts ours.

The listing is eventually consistent. A run that is not in it after `FIRST_LOOK_SECONDS` and again after
`LAST_LOOK_SECONDS` counts as never created.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from functions.core.delivery import Delivery
from functions.core.ledger import CALL_SECONDS, Entry, Ledger, State
from functions.core.settings import Route
from functions.dispatch.outcome import Failed, Limited, Rejected
from functions.dispatch.transport import Answer

FIRST_LOOK_SECONDS: Final = 6.0
LAST_LOOK_SECONDS: Final = 20.0
"""After the call's end. GitHub promises no time by which a run is listed; seconds are usual."""

SKEW_SECONDS: Final = 1.0
"""How far GitHub's clock and ours may be apart; both are kept by NTP."""

KNOWN_SECONDS: Final = 600.0
"""How far back to look for runs of ours that tell who starts them."""

_LOOKS: Final = 2
_DELIVERY_ID: Final = re.compile(r"\b[0-9a-f]{32}\b")
_NOT_TO_BE_LISTED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_IMPLEMENTED})
"""What looks like trouble that time or a person mends, and yet says that this is not for us to see."""


@dataclass(frozen=True, slots=True)
class Found:
    """The run of the call."""

    run_id: int
    run_url: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The call started nothing: it is safe to call again."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Too early to tell: look again at this time, in epoch seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class Undecided:
    """It can't be told, and time will not help."""

    why: str


Verdict = Found | NotStarted | LookAgain | Undecided


@dataclass(frozen=True, slots=True)
class _Run:
    """A run as GitHub lists it."""

    id: int
    title: str
    url: str
    ref: str
    actor: str
    created_at: float


def first_look_at(entry: Entry) -> float:
    """Give the time from which a look is worth its call."""
    return entry.doubt_until + FIRST_LOOK_SECONDS


def span(entry: Entry) -> tuple[float, float]:
    """Give the span of time whose runs are to be listed, in epoch seconds."""
    return entry.doubt_since - KNOWN_SECONDS, entry.doubt_until + SKEW_SECONDS


def effect_until(answer: Answer | None, called_at: float, answered_at: float) -> float:
    """Give the time by which a call without a good answer has had whatever effect it has.

    An answer of GitHub's own ends the work on a request. A gateway's (502, 504) doesn't, nor does a
    connection that breaks: GitHub works on for up to 10 s after the call.
    """
    ended = answer is not None and answer.status not in {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
    return answered_at if ended else max(answered_at, called_at + 10.0)


def refused(answer: Answer, trouble: Limited | Rejected | Failed) -> bool:
    """Tell whether GitHub will never show the listing, however often it is asked."""
    return answer.status in _NOT_TO_BE_LISTED and not isinstance(trouble, Limited)


def judge(
    answer: Answer, delivery: Delivery, route: Route, entry: Entry, ledger: Ledger, now: float
) -> Verdict:
    """Find the run of a call in GitHub's listing of runs.

    Args:
        answer: The listing of `span(entry)`, a 200.
        delivery: What was to be delivered.
        route: The route as configured today.
        entry: What the ledger says; it is in doubt.
        ledger: Knows the runs of other deliveries.
        now: Seconds since the epoch.

    Raises:
        LedgerUnavailable: DynamoDB failed.
    """
    runs = _runs(answer.content)
    for run in runs:
        if delivery.id in run.title:
            return Found(run.id, run.url)
    looked_enough = entry.looks + 1 >= _LOOKS and now >= entry.doubt_until + LAST_LOOK_SECONDS
    candidates = _candidates(runs, route, entry, ledger)
    if not looked_enough:
        return LookAgain(max(now + FIRST_LOOK_SECONDS, entry.doubt_until + LAST_LOOK_SECONDS))
    if not candidates:
        return NotStarted()
    if len(candidates) > 1 or _has_rival(delivery, entry, ledger, now):
        return Undecided("More than one run may be its own.")
    return Found(candidates[0].id, candidates[0].url)


def _candidates(runs: list[_Run], route: Route, entry: Entry, ledger: Ledger) -> list[_Run]:
    """Keep the runs that fit the call and belong to no other delivery."""
    ours = dict(_dispatched(ledger, *span(entry)))
    known = [run for run in runs if run.id in ours]
    if any(ours[run.id] in run.title for run in known):
        return []  # The workflow shows delivery ids, and none of the titles has this one's.
    actors = {run.actor for run in known}
    first, last = int(entry.doubt_since - SKEW_SECONDS), entry.doubt_until + SKEW_SECONDS
    return [
        run
        for run in runs
        if run.id not in ours
        and first <= run.created_at <= last
        and run.ref == route.target.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        and not _DELIVERY_ID.search(run.title)
        and (not actors or run.actor in actors)
    ]


def _dispatched(ledger: Ledger, since: float, until: float) -> Iterable[tuple[int, str]]:
    for delivery_id, entry in ledger.in_state(State.DISPATCHED, since, until + 60.0):
        yield entry.run_id, delivery_id


def _has_rival(delivery: Delivery, entry: Entry, ledger: Ledger, now: float) -> bool:
    """Tell whether another delivery's call, of which nobody knows what it did, was made at the same time."""
    first, last = entry.doubt_since - SKEW_SECONDS, entry.doubt_until + SKEW_SECONDS
    for state in (State.UNKNOWN, State.CLAIMED, State.DEAD_LETTERED):
        for other_id, other in ledger.in_state(state, first - CALL_SECONDS, now):
            since, until = other.doubt
            if other_id != delivery.id and since and since <= last and until >= first:
                return True
    return False


def _runs(content: Mapping[str, Any]) -> list[_Run]:
    listed = content.get("workflow_runs")
    return [run for each in (listed if isinstance(listed, list) else []) if (run := _run(each))]


def _run(listed: Any) -> _Run | None:
    try:
        return _Run(
            id=int(listed["id"]),
            title=str(listed.get("display_title") or ""),
            url=str(listed.get("html_url") or ""),
            ref=str(listed.get("head_branch") or ""),
            actor=str((listed.get("triggering_actor") or listed.get("actor") or {}).get("login") or ""),
            created_at=datetime.fromisoformat(listed["created_at"]).timestamp(),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
