"""The ingest function as Lambda calls it, with its log."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.settings import FILE_NAME, load
from functions.ingest import handler as module

from ..aws import Aws
from ..samples import SETTINGS, lambda_context
from .webhooks import CANARIES, REVEALING, SECRET, changed, gateway_event, webhook


class Function:
    """The function in an environment such as the stack gives it; each request adds to the log."""

    def __init__(self, log: io.StringIO) -> None:
        self._log = log

    def call(self, event: dict[str, Any]) -> dict[str, Any]:
        """Hand one event over."""
        answer: dict[str, Any] = module.handler(event, lambda_context())
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """Give the log's lines so far."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    @property
    def log(self) -> str:
        """The log as it was written."""
        return self._log.getvalue()


@pytest.fixture
def function(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """The function with a bundle's settings, its queue and its secret."""
    (tmp_path / FILE_NAME).write_text(SETTINGS.to_json(), encoding="utf-8")
    monkeypatch.setattr(module, "load", lambda: load(tmp_path))
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    monkeypatch.setenv("DATABRICKS_SECRET_ID", "webhook")
    aws.keep_secret("webhook", SECRET)
    log = io.StringIO()
    before = module.logger.registered_handler.stream  # type: ignore[attr-defined]  # it is a stream handler
    module.logger.registered_handler.setStream(log)  # type: ignore[attr-defined]
    module._ingest.cache_clear()
    yield Function(log)
    module._ingest.cache_clear()
    module.logger.registered_handler.setStream(before)  # type: ignore[attr-defined]


def test_event_is_stored_and_accepted(aws: Aws, function: Function) -> None:
    """A signed webhook ends on the queue, and one line tells of it."""
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


def test_everything_is_built_once(aws: Aws, function: Function) -> None:
    """A warm function asks Secrets Manager no more than the first call did."""
    for version in range(3):
        function.call(gateway_event(webhook(changed(version=version))))
    assert len(aws.parameters("GetSecretValue")) == 2


def test_refusal_is_a_warning(function: Function) -> None:
    """A refusal is answered and logged with its reason, at a level that stands out."""
    answer = function.call(gateway_event(webhook(changed(), secret="wrong")))
    [line] = function.lines()
    assert answer["statusCode"] == 401
    assert line.items() >= {"level": "WARNING", "status": 401, "reason": "unauthorized"}.items()


def test_broken_body_is_refused_before_ingest_sees_it(function: Function) -> None:
    """What can't be decoded is the sender's fault, not ours."""
    event = {**gateway_event(webhook(changed())), "body": "!", "isBase64Encoded": True}
    assert function.call(event)["statusCode"] == 400


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
    assert line["reason"] == "not-stored"
    assert CANARIES[0] not in function.log


def test_failed_start_is_not_kept(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that could not be built answers 503, and is built anew for the next request."""
    monkeypatch.delenv("QUEUE_URL")
    assert function.call(gateway_event(webhook(changed())))["statusCode"] == 503
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    assert function.call(gateway_event(webhook(changed())))["statusCode"] == 202


@pytest.mark.parametrize("failing", ["", "SendMessage", "GetSecretValue"])
@pytest.mark.parametrize("secret", [SECRET, "wrong"])
def test_log_gives_nothing_away(
    aws: Aws, function: Function, capsys: pytest.CaptureFixture[str], failing: str, secret: str
) -> None:
    """Whatever happens, neither log nor answer repeats a secret, a signature, prose or a tag."""
    aws.fail(failing)
    request = webhook(REVEALING, secret=secret)
    answer = function.call(gateway_event(request))
    printed = capsys.readouterr()
    shown = function.log + json.dumps(answer) + printed.out + printed.err
    hidden = (*CANARIES, SECRET, request.headers["x-databricks-signature"])
    assert '"status"' in function.log
    assert not [canary for canary in hidden if canary in shown]


def test_place_of_an_error_without_trace_is_unknown() -> None:
    """An error that was never raised has no place, and that is no second error."""
    assert module._place(ValueError()) == "unknown"
