"""The dispatch function as Lambda calls it, with its log."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.core.metrics import NAMESPACE_VARIABLE
from functions.core.settings import FILE_NAME, GitHubSettings, load
from functions.dispatch import handler as module
from modelrelay.local.emulator import REGION, Emulator
from modelrelay.local.github import PRESETS

from ..aws import Aws
from ..samples import NOW, SETTINGS, Clock, delivery, lambda_context
from .simulator import NEW, TOKEN, Simulator, record


class Function:
    """The function in an environment such as the stack gives it."""

    def __init__(self, log: io.StringIO) -> None:
        self._log = log

    def call(self, *records: dict[str, Any]) -> dict[str, Any]:
        """Hand a batch over."""
        answer: dict[str, Any] = module.handler({"Records": list(records)}, lambda_context())
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """Give the log's lines so far."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]


@pytest.fixture
def function(
    aws: Aws,
    clock: Clock,
    simulator: Simulator,
    dynamodb: Emulator,
    table: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Function]:
    """The function with a bundle's settings, its queues, its secret, and a GitHub."""
    settings = replace(SETTINGS, github=GitHubSettings(simulator.url, NEW, max_per_minute=30))
    (tmp_path / FILE_NAME).write_text(settings.to_json(), encoding="utf-8")
    monkeypatch.setattr(module, "load", lambda: load(tmp_path))
    monkeypatch.setattr(module, "time", SimpleNamespace(time=clock, sleep=clock.sleep))
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/dead")
    monkeypatch.setenv("GITHUB_SECRET_ID", "github")
    monkeypatch.setenv("GATE_TABLE", table)
    monkeypatch.setenv("GATE_NAME", "github")
    monkeypatch.setenv("LEDGER_TABLE", table)
    monkeypatch.setenv(NAMESPACE_VARIABLE, "ModelRelay")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    aws.keep_secret("github", json.dumps({"token": TOKEN}))
    log = io.StringIO()
    before = module.logger.registered_handler.stream  # type: ignore[attr-defined]  # it is a stream handler
    module.logger.registered_handler.setStream(log)  # type: ignore[attr-defined]
    module._batch.cache_clear()
    yield Function(log)
    module._batch.cache_clear()
    module.logger.registered_handler.setStream(before)  # type: ignore[attr-defined]


def test_delivery_becomes_a_run(
    simulator: Simulator, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message becomes a workflow run; one line of JSON tells of it, and one has its numbers."""
    sent = delivery()
    assert function.call(record(sent)) == {"batchItemFailures": []}
    assert simulator.run.inputs == {"model_name": "churn", "model_version": "8"}
    [line] = function.lines()
    told = {
        "level": "INFO",
        "message": "attempt",
        "service": "dispatch",
        "function_request_id": "r-1",
        "delivery": sent.id,
        "outcome": "Dispatched",
        "run_id": simulator.run.id,
    }
    assert line.items() >= told.items()
    [numbers] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert numbers.items() >= {"service": "dispatch", "Dispatched": 1.0, "RemainingQuota": 4999.0}.items()
    assert numbers["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ModelRelay"


def test_no_field_is_lost_to_the_loggers_own(function: Function) -> None:
    """What is told of an attempt stands in the line under its own names."""
    function.call(record(delivery(), receives=2, sent_at=NOW - 5))
    [line] = function.lines()
    expected = {"receives": 2, "age_seconds": 5, "attempt": 1, "kind": delivery().event.kind, "status": 200}
    assert line.items() >= expected.items()


def test_missing_namespace_loses_numbers_only(
    function: Function, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that is not told where its numbers belong dispatches all the same."""
    monkeypatch.delenv(NAMESPACE_VARIABLE)
    assert function.call(record(delivery())) == {"batchItemFailures": []}
    assert len(simulator.runs()) == 1


def test_pace_comes_from_the_settings(clock: Clock, function: Function) -> None:
    """Thirty calls a minute are two seconds apart; the function sleeps as long, and no longer."""
    function.call(record(delivery(version="1")), record(delivery(version="2", model_name="fraud"), 2))
    assert sum(clock.naps) == 2


def test_sandboxes_share_the_gate(simulator: Simulator, function: Function) -> None:
    """What one sandbox was told by GitHub keeps all others from calling."""
    simulator.inject(PRESETS["rate-limit"])
    function.call(record(delivery(version="1")))
    module._batch.cache_clear()
    answer = function.call(record(delivery(version="2", model_name="fraud"), 2))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
    assert len(simulator.seen) == 1
    assert [line["reason"] for line in function.lines()] == ["rate-limited", "rate-limited"]


def test_waiting_batch_is_no_function_error(simulator: Simulator, function: Function) -> None:
    """Also when every message waits, the function succeeds and names them."""
    simulator.inject(PRESETS["outage"])
    assert function.call(record(delivery())) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_age_limit_comes_from_the_settings(aws: Aws, function: Function) -> None:
    """The configured hours are what a delivery has."""
    assert function.call(record(delivery(), sent_at=NOW - 24 * 3600 - 1)) == {"batchItemFailures": []}
    [letter] = aws.parameters("SendMessage")
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "expired"
    assert letter["QueueUrl"] == "http://127.0.0.1/dead"


def test_only_the_current_token_counts(aws: Aws, simulator: Simulator, function: Function) -> None:
    """A token that was replaced is never used again: it may have been replaced for a reason."""
    aws.keep_secret("github", "", "AWSCURRENT")
    aws.keep_secret("github", json.dumps({"token": TOKEN}), "AWSPREVIOUS")
    function.call(record(delivery()))
    assert simulator.seen == []
    assert [each["VersionStage"] for each in aws.parameters("GetSecretValue")] == ["AWSCURRENT"]


def test_everything_is_built_once(aws: Aws, function: Function) -> None:
    """A warm function reads the secret no more than the first batch did."""
    for version in ("1", "2", "3"):
        function.call(record(delivery(version=version)))
    assert len(aws.parameters("GetSecretValue")) == 1


def test_failed_start_is_not_kept(
    simulator: Simulator, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that can't be built fails as a whole, so SQS keeps the batch, and is built anew."""
    monkeypatch.delenv("QUEUE_URL")
    with pytest.raises(KeyError, match="QUEUE_URL"):
        function.call(record(delivery()))
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    assert function.call(record(delivery())) == {"batchItemFailures": []}
    assert len(simulator.runs()) == 1
