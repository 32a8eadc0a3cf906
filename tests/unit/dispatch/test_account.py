"""The account of an attempt: the fields of its log line, and its metrics."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.metrics import Metric
from functions.dispatch.account import measured, told
from functions.dispatch.engine import Attempt
from functions.dispatch.outcome import DeadLetter, Dispatched, Duplicate, Outcome, Superseded, Told, Wait

from ..samples import NOW, delivery

SENT = delivery()
GITHUB = Told(422, "No.", "51AD")
DONE = Dispatched(Told(200, "", "51AD"), 17, "https://github.com/17")
NAMES = {
    "delivery": SENT.id,
    "route": "default",
    "kind": "model_version.stage_transitioned",
    "model": "churn",
    "version": "8",
}
SAID = {"status": 422, "detail": "No.", "github_request_id": "51AD"}


@pytest.mark.parametrize(
    ("outcome", "fields"),
    [
        (
            DONE,
            {
                "outcome": "Dispatched",
                "status": 200,
                "github_request_id": "51AD",
                "run_id": 17,
                "run_url": "https://github.com/17",
            },
        ),
        (
            replace(DONE, redirected=True),
            {
                "outcome": "Dispatched",
                "status": 200,
                "github_request_id": "51AD",
                "run_id": 17,
                "run_url": "https://github.com/17",
                "redirected": True,
            },
        ),
        (Dispatched(Told(204)), {"outcome": "Dispatched", "status": 204}),
        (
            Duplicate(Told(), "dispatched", 17, "https://github.com/17"),
            {
                "outcome": "Duplicate",
                "state": "dispatched",
                "run_id": 17,
                "run_url": "https://github.com/17",
            },
        ),
        (Duplicate(Told(), "superseded"), {"outcome": "Duplicate", "state": "superseded"}),
        (Superseded(Told(detail="Newer.")), {"outcome": "Superseded", "detail": "Newer."}),
        (Wait(GITHUB, "busy", 6.26), {"outcome": "Wait", **SAID, "reason": "busy", "wait_seconds": 6.3}),
        (Wait(Told(), "busy", 0.0), {"outcome": "Wait", "reason": "busy", "wait_seconds": 0.0}),
        (DeadLetter(GITHUB, "github-refused"), {"outcome": "DeadLetter", **SAID, "reason": "github-refused"}),
    ],
)
def test_line_tells_what_happened_to_which_delivery(outcome: Outcome, fields: dict[str, Any]) -> None:
    """Each outcome has its fields, and none that says nothing."""
    assert told(Attempt(SENT, outcome)) == NAMES | fields


def test_line_of_no_delivery_names_none() -> None:
    """A message that nobody can read has no names."""
    letter = DeadLetter(Told(detail="What?"), "malformed")
    assert told(Attempt(None, letter)) == {"outcome": "DeadLetter", "detail": "What?", "reason": "malformed"}


def test_line_names_what_the_event_has() -> None:
    """A model has no version."""
    attempt = Attempt(delivery(version=None), Superseded(Told()))
    assert "version" not in told(attempt)


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        (
            {"attempt": 0, "remaining": 0, "github_milliseconds": 0},
            ["attempt", "remaining", "github_milliseconds"],
        ),
        ({"gate": "open", "look_up": "Found", "unsettled": "Overtaken"}, ["gate", "look_up", "unsettled"]),
        ({"doubt": True, "again": True}, ["doubt", "again"]),
        ({"remaining": None, "doubt": False, "gate": ""}, []),
    ],
)
def test_line_tells_the_facts_of_the_call(facts: dict[str, Any], kept: list[str]) -> None:
    """A fact is told as it is, a zero too; what is not known is left out."""
    assert told(Attempt(SENT, DONE, facts)).items() >= {name: facts[name] for name in kept}.items()
    assert told(Attempt(SENT, DONE, facts)).keys() & facts.keys() == set(kept)


@pytest.mark.parametrize(
    ("outcome", "story", "values", "reason"),
    [
        (DONE, {}, {Metric.DISPATCHED: 1, Metric.END_TO_END: 9.0}, ""),
        (
            replace(DONE, redirected=True),
            {},
            {Metric.DISPATCHED: 1, Metric.END_TO_END: 9.0, Metric.REDIRECTED: 1},
            "",
        ),
        (
            DONE,
            {"remaining": 0, "github_milliseconds": 0},
            {
                Metric.DISPATCHED: 1,
                Metric.END_TO_END: 9.0,
                Metric.REMAINING_QUOTA: 0,
                Metric.GITHUB_LATENCY: 0,
            },
            "",
        ),
        (Duplicate(Told(), "dispatched", 17), {}, {Metric.DUPLICATE: 1}, ""),
        (Superseded(Told()), {}, {Metric.SUPERSEDED: 1}, ""),
        (Wait(Told(), "busy", 1), {}, {Metric.DEFERRED: 1, Metric.WAIT_AGE: 70}, "busy"),
        (
            Wait(Told(), "no-answer", 1),
            {"doubt": True, "github_milliseconds": 15_000},
            {
                Metric.DEFERRED: 1,
                Metric.WAIT_AGE: 70,
                Metric.UNKNOWN: 1,
                Metric.GITHUB_LATENCY: 15_000,
            },
            "no-answer",
        ),
        (
            Wait(Told(), "credential-rejected", 1),
            {},
            {Metric.DEFERRED: 1, Metric.WAIT_AGE: 70, Metric.CREDENTIAL_WAITS: 1},
            "credential-rejected",
        ),
        (
            DeadLetter(Told(), "github-refused"),
            {"remaining": 4_000},
            {Metric.DEAD_LETTERED: 1, Metric.REMAINING_QUOTA: 4_000},
            "github-refused",
        ),
    ],
)
def test_metrics_of_an_attempt(
    outcome: Outcome, story: dict[str, Any], values: dict[Metric, float], reason: str
) -> None:
    """Each outcome is counted once, with its reason, and with what else the attempt showed."""
    attempt = Attempt(SENT, outcome, story)
    line = {"age_seconds": 70, **told(attempt)}
    assert measured(line, attempt, NOW + 9) == (values, reason)


@pytest.mark.parametrize("attempt", [None, Attempt(SENT, Wait(Told(), "busy", 1)), Attempt(SENT, DONE)])
def test_failure_is_counted_as_nothing_else(attempt: Attempt | None) -> None:
    """An attempt whose outcome could not take effect is no success and no wait."""
    line = {**(told(attempt) if attempt else {}), "outcome": "Failed", "age_seconds": 0}
    assert measured(line, attempt, NOW) == ({Metric.FAILED: 1}, "")


def at(occurred_at: str, accepted_at: float = NOW) -> Delivery:
    """Give a delivery by the times of its event and of its acceptance."""
    return delivery(occurred_at=occurred_at, accepted_at=int(accepted_at * 1000))


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (at("2026-09-21T14:13:20.000Z"), 5.0),
        (at("2026-09-21T14:13:10.500Z"), 14.5),
        (at("2026-09-21T16:13:20+02:00"), 5.0),
        (at("2026-09-21T14:13:24Z"), 5.0),
        (at("2027-01-01T00:00:00Z"), 5.0),
        (at("2026-09-21T14:13:24Z", NOW + 60), 1.0),
        (at("2027-01-01T00:00:00Z", NOW + 60), 0.0),
        (at("yesterday"), 5.0),
        (at(""), 5.0),
    ],
)
def test_time_from_end_to_end_is_from_the_event(sent: Delivery, seconds: float) -> None:
    """It is counted by the sender's clock as far as that can be, or by ours, and never below zero."""
    values, _ = measured({"outcome": "Dispatched"}, Attempt(sent, DONE), NOW + 5)
    assert values[Metric.END_TO_END] == seconds
