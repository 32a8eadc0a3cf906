"""The dispatch function as Lambda calls it, with its log."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.core.settings import FILE_NAME, GitHubSettings, load
from functions.dispatch import handler as module
from modelrelay.local.emulator import REGION, Emulator
from modelrelay.local.github import PRESETS

from ..aws import Aws
from ..samples import SETTINGS, delivery, lambda_context
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
    simulator: Simulator,
    dynamodb: Emulator,
    table: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Function]:
    """The function with a bundle's settings, its queues, its secret, and a GitHub."""
    settings = replace(SETTINGS, github=GitHubSettings(simulator.url, NEW))
    (tmp_path / FILE_NAME).write_text(settings.to_json(), encoding="utf-8")
    monkeypatch.setattr(module, "load", lambda: load(tmp_path))
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/dead")
    monkeypatch.setenv("GITHUB_SECRET_ID", "github")
    monkeypatch.setenv("LEDGER_TABLE", table)
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


def test_delivery_becomes_a_run(simulator: Simulator, function: Function) -> None:
    """A message becomes a workflow run, and one line of JSON tells of it."""
    sent = delivery()
    assert function.call(record(sent, sent_at=time.time())) == {"batchItemFailures": []}
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
    assert told.items() <= line.items()


def test_waiting_batch_is_no_function_error(simulator: Simulator, function: Function) -> None:
    """Also when every message waits, the function succeeds and names them."""
    simulator.inject(PRESETS["outage"])
    assert function.call(record(delivery(), sent_at=time.time())) == {
        "batchItemFailures": [{"itemIdentifier": "m-1"}]
    }


def test_age_limit_comes_from_the_settings(aws: Aws, function: Function) -> None:
    """The configured hours are what a delivery has, by the real clock."""
    assert function.call(record(delivery(), sent_at=0)) == {"batchItemFailures": []}
    [letter] = aws.parameters("SendMessage")
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "expired"
    assert letter["QueueUrl"] == "http://127.0.0.1/dead"


def test_only_the_current_token_counts(aws: Aws, simulator: Simulator, function: Function) -> None:
    """A token that was replaced is never used again: it may have been replaced for a reason."""
    aws.keep_secret("github", "", "AWSCURRENT")
    aws.keep_secret("github", json.dumps({"token": TOKEN}), "AWSPREVIOUS")
    function.call(record(delivery(), sent_at=time.time()))
    assert simulator.seen == []
    assert [each["VersionStage"] for each in aws.parameters("GetSecretValue")] == ["AWSCURRENT"]


def test_everything_is_built_once(aws: Aws, function: Function) -> None:
    """A warm function reads the secret no more than the first batch did."""
    for version in ("1", "2", "3"):
        function.call(record(delivery(version=version), sent_at=time.time()))
    assert len(aws.parameters("GetSecretValue")) == 1


def test_failed_start_is_not_kept(
    simulator: Simulator, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that can't be built fails as a whole, so SQS keeps the batch, and is built anew."""
    monkeypatch.delenv("QUEUE_URL")
    with pytest.raises(KeyError, match="QUEUE_URL"):
        function.call(record(delivery(), sent_at=time.time()))
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    assert function.call(record(delivery(), sent_at=time.time())) == {"batchItemFailures": []}
    assert len(simulator.runs()) == 1
