"""The log line and the metrics of each attempt in a batch, and what they never tell."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.core.metrics import Metric
from modelrelay.local.github import PRESETS, Fault

from ..samples import NOW, ROUTE, delivery
from .bench import NAMESPACE, SECRET, Bench
from .simulator import TOKEN, record, refusal

CANARY = "canary-4be1"
FRAUD = delivery(model_name="fraud")


def counted(line: dict[str, Any]) -> dict[str, float]:
    """Give the numbers of a line, after a look at its form."""
    titles = {metric.title for metric in Metric}
    numbers = {name: value for name, value in line.items() if name in titles}
    assert line.keys() <= {"_aws", "service", "reason", *numbers}
    assert line["service"] == "dispatch"
    assert {each["Namespace"] for each in line["_aws"]["CloudWatchMetrics"]} == {NAMESPACE}
    return numbers


def test_line_of_a_success(bench: Bench) -> None:
    """One line tells which delivery became which run, what it took, and how GitHub stands."""
    sent = delivery()
    bench.hang("POST dispatches", bench.takes(0.25), after=True)
    bench.hang("put claimed", bench.takes(0.5))
    bench.run(record(sent, receives=3, sent_at=NOW - 70))
    run = bench.simulator.run
    assert bench.lines == [
        {
            "message": "attempt",
            "message_id": "m-1",
            "outcome": "Dispatched",
            "status": 200,
            "github_request_id": bench.simulator.requests()[0].request_id,
            "gate": "open",
            "remaining": 4999,
            "github_milliseconds": 250,
            "attempt": 1,
            "delivery": sent.id,
            "route": "default",
            "kind": "model_version.stage_transitioned",
            "model": "churn",
            "version": "8",
            "run_id": run.id,
            "run_url": run.html_url,
            "receives": 3,
            "age_seconds": 70,
            "milliseconds": 750,
        }
    ]
    [line] = bench.metrics
    assert counted(line) == {
        "Dispatched": 1.0,
        "RemainingQuota": 4999.0,
        "GitHubMilliseconds": 250.0,
        "EndToEndSeconds": 0.75,
    }
    assert line["_aws"]["Timestamp"] == int((NOW + 0.75) * 1000)


LINES: dict[str, tuple[Fault, dict[str, Any], dict[str, float]]] = {
    "limited": (
        refusal(429, "Slow down.", retry_after="60", x_ratelimit_remaining="7"),
        {
            "outcome": "Wait",
            "reason": "rate-limited",
            "wait_seconds": 60.0,
            "status": 429,
            "detail": "Slow down.",
            "remaining": 7,
        },
        {"Deferred": 1, "WaitAgeSeconds": 0, "RemainingQuota": 7, "GitHubMilliseconds": 0},
    ),
    "unknown": (
        refusal(503, "Oh."),
        {
            "outcome": "Wait",
            "reason": "github-unavailable",
            "wait_seconds": 6.0,
            "status": 503,
            "detail": "Oh.",
            "doubt": True,
            "remaining": 5000,
        },
        {"Deferred": 1, "WaitAgeSeconds": 0, "RemainingQuota": 5000, "GitHubMilliseconds": 0, "Unknown": 1},
    ),
    "rejected": (
        refusal(403, "No."),
        {
            "outcome": "Wait",
            "reason": "credential-not-permitted",
            "wait_seconds": 60.0,
            "status": 403,
            "detail": "No.",
            "remaining": 5000,
        },
        {
            "Deferred": 1,
            "WaitAgeSeconds": 0,
            "RemainingQuota": 5000,
            "GitHubMilliseconds": 0,
            "CredentialWaits": 1,
        },
    ),
    "refused": (
        refusal(422, "No ref found for: main"),
        {
            "outcome": "DeadLetter",
            "reason": "github-refused",
            "status": 422,
            "detail": "No ref found for: main",
            "remaining": 5000,
        },
        {"DeadLettered": 1, "RemainingQuota": 5000, "GitHubMilliseconds": 0},
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_line_of_trouble(bench: Bench, case: str) -> None:
    """The line has the reason, GitHub's words and what follows; the numbers are counted with the reason."""
    fault, fields, numbers = LINES[case]
    bench.simulator.inject(fault)
    bench.run(record(delivery()))
    [line] = bench.lines
    names = {"delivery", "route", "kind", "model", "version"}
    always = {"message", "message_id", "receives", "age_seconds", "milliseconds", "attempt", "gate"}
    call = {"github_milliseconds", "github_request_id"}
    assert line.items() >= {"attempt": 1, "gate": "open", **fields}.items()
    assert line.keys() == names | always | call | fields.keys()
    [metrics] = bench.metrics
    assert counted(metrics) == numbers
    assert metrics["reason"] == fields["reason"]


def test_line_without_a_call(bench: Bench) -> None:
    """The line of an attempt that called nobody has nothing of GitHub's."""
    bench.simulator.inject(refusal(429, retry_after="60"))
    bench.run(record(delivery()))
    bench.run(record(FRAUD))
    line = bench.lines[1]
    assert line.items() >= {"outcome": "Wait", "reason": "rate-limited", "attempt": 0}.items()
    assert line["gate"] == "closed: rate-limited"
    assert not {"status", "remaining", "github_milliseconds", "github_request_id", "doubt"} & line.keys()
    assert counted(bench.metrics[1]) == {"Deferred": 1, "WaitAgeSeconds": 0}


def test_line_of_a_look(bench: Bench) -> None:
    """The line of a delivery that was found says how."""
    bench.routes = [replace(ROUTE, inputs={"delivery_id": "${delivery_id}"})]
    bench.simulator.inject(replace(PRESETS["outage"], accept=True))
    bench.run(record(delivery()))
    bench.clock.now += 6
    bench.run(record(delivery()))
    run = bench.simulator.run
    told = {"outcome": "Dispatched", "look_up": "Found", "run_id": run.id, "attempt": 1, "age_seconds": 6}
    assert bench.lines[1].items() >= told.items()
    assert not {"doubt", "status", "github_milliseconds"} & bench.lines[1].keys()


def test_line_of_a_duplicate(bench: Bench) -> None:
    """A duplicate is done with, and its line names the run that there is."""
    bench.run(record(delivery()))
    assert bench.run(record(delivery())) == []
    told = {"outcome": "Duplicate", "state": "dispatched", "run_id": bench.simulator.run.id}
    assert bench.lines[1].items() >= told.items()
    assert counted(bench.metrics[1]) == {"Duplicate": 1}


def test_line_of_a_redirect(bench: Bench) -> None:
    """A renamed repository shows in the line and in a number, so that somebody mends the configuration."""
    bench.simulator.inject(PRESETS["redirect"])
    bench.run(record(delivery()))
    assert bench.lines[0].items() >= {"outcome": "Dispatched", "redirected": True}.items()
    assert counted(bench.metrics[0])["Redirected"] == 1


def test_line_of_no_delivery(bench: Bench) -> None:
    """The line of a message that nobody can read has the reason, and no field that has no value."""
    bench.run(record("{", receives=2))
    assert bench.lines == [
        {
            "message": "attempt",
            "message_id": "m-1",
            "outcome": "DeadLetter",
            "detail": "The message was refused: it is not a delivery (JSONDecodeError).",
            "reason": "malformed",
            "receives": 2,
            "age_seconds": 0,
            "milliseconds": 0,
        }
    ]
    assert counted(bench.metrics[0]) == {"DeadLettered": 1}


QUOTING = refusal(422, f"Provided value '{CANARY}' for input 'x' with {TOKEN} not in the list")
REVEALING = {
    **{
        name: PRESETS[name] for name in ("outage", "unprocessable", "bad-credentials", "garbage", "forbidden")
    },
    "quoting": QUOTING,
    "quoting at length": refusal(422, f"{'x' * 480} {CANARY} {TOKEN}"),
    "quoting with a 500": refusal(500, f"{CANARY} {TOKEN}"),
    "quoting with a 403": refusal(403, f"{CANARY} {TOKEN}", x_github_sso=TOKEN),
}


@pytest.mark.parametrize("failing", ["", "SendMessage", "ChangeMessageVisibility", "GetSecretValue"])
@pytest.mark.parametrize("fault", REVEALING)
def test_nothing_is_given_away(
    bench: Bench, capsys: pytest.CaptureFixture[str], failing: str, fault: str
) -> None:
    """No line, number or letter tells the token, a tag or the fact's digest, and no number the model."""
    bench.aws.fail(failing)
    bench.routes = [replace(ROUTE, inputs={"note": "${tags.note:-}"})]
    bench.simulator.inject(replace(REVEALING[fault], times=0))
    sent = delivery(model_name="a-model-by-name", tags={"note": CANARY})
    bench.run(record(sent), record(f'{{"{CANARY}": 1}}', 2), record(CANARY, 3))
    printed = capsys.readouterr()
    letters = [each["MessageAttributes"] for each in bench.aws.parameters("SendMessage")]
    shown = json.dumps([bench.lines, bench.metrics, letters]) + printed.out + printed.err
    assert len(bench.lines) >= 2
    assert not [each for each in (CANARY, CANARY[:10], TOKEN, TOKEN[:18], sent.event.fact) if each in shown]
    assert "a-model-by-name" in json.dumps(bench.lines)
    assert "a-model-by-name" not in json.dumps(bench.metrics)


def test_secret_of_another_form_is_not_repeated(bench: Bench) -> None:
    """Whatever was pasted into the secret, its line says only what is wrong with it."""
    bench.fill(CANARY)
    bench.run(record(delivery()))
    assert bench.lines[0]["reason"] == "credential-malformed"
    assert CANARY not in json.dumps([bench.lines, bench.metrics])
    assert bench.aws.parameters("GetSecretValue")[0]["SecretId"] == SECRET
