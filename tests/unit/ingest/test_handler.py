"""The ingest function as Lambda calls it, with its log and its metrics."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.metrics import NAMESPACE_VARIABLE
from functions.core.settings import FILE_NAME, load
from functions.ingest import handler as module

from ..aws import Aws
from ..core.test_metrics import Kept, kept
from ..samples import SETTINGS, lambda_context
from .webhooks import CANARIES, REVEALING, SECRET, TRANSITION, changed, gateway_event, webhook


class Function:
    """The function in an environment such as the stack gives it; each request adds to the log."""

    def __init__(self, log: io.StringIO, printed: pytest.CaptureFixture[str]) -> None:
        self._log = log
        self._printed = printed

    def call(self, event: dict[str, Any]) -> dict[str, Any]:
        """Hand one event over."""
        answer: dict[str, Any] = module.handler(event, lambda_context())
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """Give the log's lines so far."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    def metrics(self) -> list[Kept]:
        """Give what CloudWatch reads from each line printed since the last look."""
        return [kept(line) for line in self._printed.readouterr().out.splitlines()]

    @property
    def log(self) -> str:
        """The log as it was written."""
        return self._log.getvalue()


@pytest.fixture
def function(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Function]:
    """The function with a bundle's settings, its queue and its secret."""
    (tmp_path / FILE_NAME).write_text(SETTINGS.to_json(), encoding="utf-8")
    monkeypatch.setattr(module, "load", lambda: load(tmp_path))
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    monkeypatch.setenv("DATABRICKS_SECRET_ID", "webhook")
    monkeypatch.setenv(NAMESPACE_VARIABLE, "Relay")
    aws.keep_secret("webhook", SECRET)
    log = io.StringIO()
    before = module.logger.registered_handler.stream  # type: ignore[attr-defined]  # it is a stream handler
    module.logger.registered_handler.setStream(log)  # type: ignore[attr-defined]
    module._ingest.cache_clear()
    module._meter.cache_clear()
    yield Function(log, capsys)
    module._ingest.cache_clear()
    module._meter.cache_clear()
    module.logger.registered_handler.setStream(before)  # type: ignore[attr-defined]


def test_event_is_stored_and_accepted(aws: Aws, function: Function) -> None:
    """A signed webhook ends on the queue; one line tells of it, and one counts it."""
    answer = function.call(gateway_event(webhook(changed())))
    [sent] = aws.parameters("SendMessage")
    delivery = Delivery.from_message(sent["MessageBody"])
    assert answer == {
        "statusCode": 202,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"deliveries": [{"id": delivery.id, "route": "default"}]}),
    }
    [line] = function.lines()
    told = {
        "level": "INFO",
        "message": "request",
        "service": "ingest",
        "function_request_id": "r-1",
        "method": "POST",
        "path": "/databricks",
        "status": 202,
        "kind": "model_version.stage_transitioned",
        "model": "Airline_Delay_SparkML",
        "version": "8",
    }
    assert told.items() <= line.items()
    assert line["deliveries"] == [{"id": delivery.id, "route": "default"}]
    assert "reason" not in line
    assert function.metrics() == [{("Relay", "Received", "ingest"): 1, ("Relay", "Queued", "ingest"): 1}]


def test_everything_is_built_once(aws: Aws, function: Function) -> None:
    """A warm function asks Secrets Manager no more than the first call did."""
    for version in range(3):
        function.call(gateway_event(webhook(changed(version=version))))
    assert len(aws.parameters("GetSecretValue")) == 2


def test_refusal_is_a_warning(function: Function) -> None:
    """A refusal is answered, logged at a level that stands out, and counted, with one and the same reason."""
    answer = function.call(gateway_event(webhook(changed(), secret="wrong")))
    [line] = function.lines()
    assert answer["statusCode"] == 401
    assert line.items() >= {"level": "WARNING", "status": 401, "reason": "unauthorized"}.items()
    assert function.metrics() == [
        {
            ("Relay", "Received", "ingest"): 1,
            ("Relay", "Rejected", "ingest"): 1,
            ("Relay", "Rejected", "ingest", "unauthorized"): 1,
        }
    ]


def test_ignored_event_has_its_reason_in_log_and_metrics(function: Function) -> None:
    """What starts nothing is told and counted with its reason."""
    function.call(gateway_event(webhook(changed(event="NEW_KIND"))))
    [line] = function.lines()
    assert line.items() >= {"level": "INFO", "status": 200, "reason": "unknown-event"}.items()
    [metrics] = function.metrics()
    assert metrics["Relay", "Ignored", "ingest", "unknown-event"] == 1


def test_broken_body_is_refused_before_ingest_sees_it(function: Function) -> None:
    """What can't be decoded is the sender's fault, not ours."""
    event = {**gateway_event(webhook(changed())), "body": "!", "isBase64Encoded": True}
    assert function.call(event)["statusCode"] == 400


@pytest.mark.parametrize(
    "event",
    [None, [], "x", 5, {}, {"requestContext": None}, {"requestContext": {"http": "x"}, "rawPath": "/"}],
)
def test_event_that_is_none_of_api_gateways_is_no_crash(function: Function, event: Any) -> None:
    """Whoever invokes the function by hand, with whatever, gets an answer, and the log tells of it."""
    assert function.call(event)["statusCode"] == 503
    _, line = function.lines()
    assert line.items() >= {"message": "request", "status": 503, "reason": "unexpected"}.items()


def test_long_path_is_cut_in_the_log(function: Function) -> None:
    """Strangers can't fill the log with their paths."""
    assert function.call(gateway_event(webhook(b"", path="/" + "x" * 5_000)))["statusCode"] == 404
    assert function.lines()[0]["path"] == "/" + "x" * 99


def test_unexpected_failure_is_503_and_says_where(function: Function, tmp_path: Path) -> None:
    """What we did not expect is our fault: the sender may come again, and the log has type and place."""
    limited = replace(SETTINGS, ingest=replace(SETTINGS.ingest, allowed_cidrs=("192.0.2.0/24",)))
    (tmp_path / FILE_NAME).write_text(limited.to_json(), encoding="utf-8")
    answer = function.call(gateway_event(webhook(changed(), source_ip=CANARIES[0])))
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "30")
    error, line = function.lines()
    assert error.items() >= {"level": "ERROR", "message": "unexpected", "error": "ValueError"}.items()
    assert "ipaddress.py:" in error["where"]
    assert line["reason"] == "unexpected"
    [metrics] = function.metrics()
    assert metrics["Relay", "Rejected", "ingest", "unexpected"] == 1
    assert CANARIES[0] not in function.log


def test_failed_start_is_not_kept(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that could not be built answers 503, counts it, and is built anew for the next request."""
    monkeypatch.delenv("QUEUE_URL")
    assert function.call(gateway_event(webhook(changed())))["statusCode"] == 503
    assert ("Relay", "Rejected", "ingest", "unexpected") in function.metrics()[0]
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    assert function.call(gateway_event(webhook(changed())))["statusCode"] == 202


def test_metrics_that_fail_lose_no_event(
    aws: Aws, function: Function, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that can't count takes events all the same, and its log says that it can't count."""
    monkeypatch.delenv(NAMESPACE_VARIABLE)
    with caplog.at_level(logging.WARNING):
        assert function.call(gateway_event(webhook(changed())))["statusCode"] == 202
    assert len(aws.parameters("SendMessage")) == 1
    assert function.metrics() == []
    assert "metrics-failed: ValueError" in caplog.messages


@pytest.mark.parametrize("failing", ["", "SendMessage", "GetSecretValue"])
@pytest.mark.parametrize("secret", [SECRET, "wrong"])
def test_log_gives_nothing_away(
    aws: Aws, function: Function, capsys: pytest.CaptureFixture[str], failing: str, secret: str
) -> None:
    """Whatever happens, neither log nor answer nor metrics repeat a secret, a signature, prose or a tag."""
    aws.fail(failing)
    request = webhook(REVEALING, secret=secret)
    answer = function.call(gateway_event(request))
    printed = capsys.readouterr()
    shown = function.log + json.dumps(answer) + printed.out + printed.err
    hidden = (*CANARIES, SECRET, request.headers["x-databricks-signature"])
    assert '"status"' in function.log
    assert '"Received"' in printed.out
    assert TRANSITION["model_name"] not in printed.out
    assert not [canary for canary in hidden if canary in shown]


def test_place_of_an_error_without_trace_is_unknown() -> None:
    """An error that was never raised has no place, and that is no second error."""
    assert module._place(ValueError()) == "unknown"
