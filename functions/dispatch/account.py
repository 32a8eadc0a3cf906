"""Gives an account of an attempt: the fields of its log line, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.core.metrics import Metric
from functions.dispatch.engine import Attempt
from functions.dispatch.gate_state import CREDENTIAL
from functions.dispatch.outcome import DeadLetter, Dispatched, Duplicate, Superseded, Wait

_COUNTED = {
    Dispatched: Metric.DISPATCHED,
    Duplicate: Metric.DUPLICATE,
    Superseded: Metric.SUPERSEDED,
    Wait: Metric.DEFERRED,
    DeadLetter: Metric.DEAD_LETTERED,
}


def told(attempt: Attempt) -> dict[str, Any]:
    """Give the fields of the log line: what happened to which delivery, and why. Names, never prose."""
    fields: dict[str, Any] = {
        "outcome": type(attempt.outcome).__name__,
        "status": attempt.outcome.told.status,
        "detail": attempt.outcome.told.detail,
        "github_request_id": attempt.outcome.told.request_id,
        **attempt.facts,
    }
    if attempt.delivery:
        event = attempt.delivery.event
        fields |= {
            "delivery": attempt.delivery.id,
            "route": attempt.delivery.route,
            "kind": event.kind,
            "model": event.subject,
            "version": event.version,
        }
    match attempt.outcome:
        case Dispatched(run_id=run_id, run_url=run_url, redirected=redirected):
            fields |= {"run_id": run_id, "run_url": run_url, "redirected": redirected}
        case Duplicate(state=state, run_id=run_id, run_url=run_url):
            fields |= {"state": state, "run_id": run_id, "run_url": run_url}
        case Wait(reason=reason, seconds=seconds):
            fields |= {"reason": reason, "wait_seconds": round(seconds, 1)}
        case DeadLetter(reason=reason):
            fields |= {"reason": reason}
        case _:  # A superseded delivery has its reason in the detail.
            pass
    fields["status"] = fields["status"] or None  # Where there was no answer, there is no status.
    return {key: value for key, value in fields.items() if value not in (None, "") and value is not False}


def measured(
    story: Mapping[str, Any], attempt: Attempt | None, now: float
) -> tuple[dict[Metric, float], str]:
    """Give the metrics of an attempt, and the reason under which they are counted too."""
    if attempt is None or story.get("outcome") == "Failed":
        return {Metric.FAILED: 1}, ""
    reason = str(story.get("reason", ""))
    values: dict[Metric, float] = {_COUNTED[type(attempt.outcome)]: 1}
    if "remaining" in story:
        values[Metric.REMAINING_QUOTA] = story["remaining"]
    if "github_milliseconds" in story:
        values[Metric.GITHUB_LATENCY] = story["github_milliseconds"]
    if story.get("doubt"):
        values[Metric.UNKNOWN] = 1
    match attempt.outcome:
        case Dispatched(redirected=redirected):
            values[Metric.END_TO_END] = _seconds_since_event(attempt, now)
            values |= {Metric.REDIRECTED: 1} if redirected else {}
        case Wait():
            values[Metric.WAIT_AGE] = story["age_seconds"]
            values |= {Metric.CREDENTIAL_WAITS: 1} if reason.startswith(CREDENTIAL) else {}
    return values, reason


def _seconds_since_event(attempt: Attempt, now: float) -> float:
    """Give the seconds since the event by its sender's clock; by ours, where that can't be."""
    assert attempt.delivery is not None  # noqa: S101 - only a delivery is dispatched
    accepted = attempt.delivery.accepted_at / 1000
    try:
        occurred = datetime.fromisoformat(attempt.delivery.event.occurred_at).timestamp()
    except (ValueError, OverflowError):
        occurred = accepted
    return max(0.0, now - min(occurred, accepted))
