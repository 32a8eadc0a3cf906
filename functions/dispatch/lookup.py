"""Looks for the run of a call of which nobody knows what it did, before anything is sent again.

GitHub has no idempotency key, and its listing of runs tells no inputs. So a run is recognised

1. by the delivery's id in its title, where the route passes `delivery_id` and the workflow's `run-name`
   shows it. That is certain. A route that passes it is taken to have such a workflow until runs of ours are
   seen that don't show it.
2. otherwise by exclusion: it was created while the call was under way, on the route's ref, by the account
   that starts our other runs, and the ledger knows it as no other delivery's. Calls are made one after the
   other, and after an unknown one there is silence until its time is over, so no other call of ours fits. A
   run that a person started by hand within those seconds does, if nothing tells who starts ours.

The event of a repository (`repository_dispatch`) may start the runs of several workflows, or none. Any of
them shows that GitHub took the event; where none listens, sending it once more does no harm.

The listing is eventually consistent, and now and then it misses a run that it has shown before. A run that is
not in it after `FIRST_LOOK_SECONDS` and again after `LAST_LOOK_SECONDS` counts as never created.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from functions.core.delivery import Delivery
from functions.core.ledger import CALL_SECONDS, Entry, Ledger, State
from functions.core.settings import Route
from functions.core.template import texts
from functions.dispatch.outcome import NOT_PERMITTED, Failed, Limited, Rejected
from functions.dispatch.transport import Answer

FIRST_LOOK_SECONDS: Final = 6.0
LAST_LOOK_SECONDS: Final = 20.0
"""After the call's end. GitHub promises no time by which a run is listed; seconds are usual."""

SKEW_SECONDS: Final = 1.0
"""How far GitHub's clock and ours may be apart; both are kept by NTP."""

APART_SECONDS: Final = 2 * SKEW_SECONDS + 1.0
"""How long after the end of one call another's runs can be told from its own: GitHub tells whole seconds."""

KNOWN_SECONDS: Final = 7 * 24 * 3600.0
KNOWN_RUNS: Final = 200
"""How far back, and at how many of our runs, to look for what tells who starts them and how they are called.

GitHub lists the hundred newest of that time.
"""

_LOOKS: Final = 2
_PAST_CALLS: Final = 20
_DELIVERY_ID: Final = re.compile(r"\b[0-9a-f]{32}\b")


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
    """Too early to tell: look again at this time, in epoch seconds, and remember what was seen."""

    at: float
    seen: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """It can't be told, and time will not help."""

    why: str


Verdict = Found | NotStarted | LookAgain | Undecided


@dataclass(frozen=True, slots=True)
class Run:
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
    return answer.status == HTTPStatus.NOT_IMPLEMENTED or trouble.reason == NOT_PERMITTED


def listed(answer: Answer) -> list[Run] | None:
    """Read the runs of a listing; None where it can't be read, or not as a whole."""
    runs = answer.content.get("workflow_runs")
    if not isinstance(runs, list):
        return None
    read = [_run(each) for each in runs]
    return None if None in read else [run for run in read if run]


def judge(
    runs: list[Run],
    delivery: Delivery,
    routes: Mapping[str, Route],
    entry: Entry,
    ledger: Ledger,
    now: float,
    *,
    shared: bool = False,
) -> Verdict:
    """Find the run of a call among those that GitHub lists.

    Args:
        runs: The runs of `span(entry)`.
        delivery: What was to be delivered.
        routes: The routes as configured today.
        entry: What the ledger says; it is in doubt.
        ledger: Knows the runs of other deliveries.
        now: Seconds since the epoch.
        shared: Whether another stack calls with the same credential. Its runs are in a ledger that can't be
            read here; silence keeps those after a call in doubt apart, but not the one just before.

    Raises:
        LedgerUnavailable: DynamoDB failed.
    """
    for run in runs:
        if delivery.id in run.title:
            return Found(run.id, run.url)
    known = {run.id: run for run in [*_seen(entry), *runs]}
    candidates = _candidates(list(known.values()), routes[delivery.route], entry, ledger)
    if entry.looks + 1 < _LOOKS or now < entry.doubt_until + LAST_LOOK_SECONDS:
        at = max(now + FIRST_LOOK_SECONDS, entry.doubt_until + LAST_LOOK_SECONDS)
        seen = [asdict(run) for run in candidates]
        return LookAgain(at, json.dumps(seen) if seen else "")
    if not candidates:
        return NotStarted()
    may_be_several = bool(routes[delivery.route].target.event_type)
    spans = _rivals(candidates, delivery, routes, ledger, now)
    own = [run for run in candidates if not _fits(run, spans)]
    if not own or (len(candidates) > 1 and not may_be_several):
        return Undecided("More than one run may be its own.")
    if shared and own[0].created_at <= entry.doubt_since + SKEW_SECONDS:
        return Undecided("The run may be another stack's.")
    return Found(own[0].id, own[0].url)


def _seen(entry: Entry) -> list[Run]:
    """Give the candidates of earlier looks: a listing may miss a run that one before had shown."""
    return [Run(**run) for run in json.loads(entry.seen or "[]")]


def _candidates(runs: list[Run], route: Route, entry: Entry, ledger: Ledger) -> list[Run]:
    """Keep the runs that fit one of the delivery's calls and belong to no other delivery."""
    ours = _ours(entry, ledger)
    known = [run for run in runs if run.id in ours]
    shown = any(_DELIVERY_ID.search(run.title) for run in runs)
    if passes_id(route) and (shown or (goes_by_title(route) and not known)):
        return []  # The workflow shows delivery ids, and none of the titles has this one's.
    actors = {run.actor for run in known}
    ref = route.target.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return [
        run
        for run in runs
        if run.id not in ours
        and _fits(run, json.loads(past(entry) or "[]"))
        and (route.target.event_type or run.ref == ref)
        and not _DELIVERY_ID.search(run.title)
        and (not actors or run.actor in actors)
    ]


def past(entry: Entry) -> str:
    """Give the spans of all calls in doubt, to be kept where another call is made."""
    if not entry.in_doubt:
        return entry.past
    spans = [*json.loads(entry.past or "[]"), [entry.doubt_since, entry.doubt_until]]
    return json.dumps(spans[-_PAST_CALLS:])


def _fits(run: Run, spans: Iterable[tuple[float, float]]) -> bool:
    """Tell whether a run may have been created in one of the spans; GitHub tells whole seconds."""
    return any(int(since - SKEW_SECONDS) <= run.created_at <= until + SKEW_SECONDS for since, until in spans)


def goes_by_title(route: Route) -> bool:
    """Tell whether a run is taken to be known by its title, until one of ours is seen that isn't.

    GitHub tells no run of a repository's event, so none of ours could be seen not to show its id.
    """
    return passes_id(route) and not route.target.event_type


def passes_id(route: Route) -> bool:
    """Tell whether a route passes the delivery's id to its workflow, which may show it."""
    return any("${delivery_id" in template for template in texts(route.templates))


def _ours(entry: Entry, ledger: Ledger) -> frozenset[int]:
    since, until = span(entry)
    dispatched = ledger.in_state(State.DISPATCHED, since, until + 60.0)
    return frozenset(record.entry.run_id for record in islice(dispatched, KNOWN_RUNS))


def _rivals(
    candidates: list[Run], delivery: Delivery, routes: Mapping[str, Route], ledger: Ledger, now: float
) -> list[tuple[float, float]]:
    """Give the spans of other deliveries' calls to the same target, of which no run is on record."""
    since = min(run.created_at for run in candidates) - SKEW_SECONDS - CALL_SECONDS
    mine = routes[delivery.route].target.starts
    elsewhere = {name for name, route in routes.items() if route.target.starts != mine}
    return [
        span
        for state in (State.UNKNOWN, State.CLAIMED, State.DEAD_LETTERED, State.DISPATCHED)
        for other in ledger.in_state(state, since, now)
        if other.id != delivery.id and other.about["route"] not in elsewhere
        for span in _unaccounted(other.entry)
    ]


def _unaccounted(entry: Entry) -> list[tuple[float, float]]:
    """Give the spans of a delivery's calls of which it is not on record which run they started."""
    spans = [(since, until) for since, until in json.loads(entry.past or "[]")]
    if entry.state is State.DISPATCHED and not entry.run_id:
        spans.append((entry.called_at, entry.updated_at))  # A GitHub that tells no run.
    since, until = entry.doubt
    return [*spans, (since, until)] if since else spans


def _run(listed: Any) -> Run | None:
    try:
        return Run(
            id=int(listed["id"]),
            title=str(listed.get("display_title") or ""),
            url=str(listed.get("html_url") or ""),
            ref=str(listed.get("head_branch") or ""),
            actor=str((listed.get("actor") or listed.get("triggering_actor") or {}).get("login") or ""),
            created_at=datetime.fromisoformat(listed["created_at"]).timestamp()
            if "created_at" in listed
            else 0.0,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
