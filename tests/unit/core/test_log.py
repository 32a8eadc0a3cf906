"""The functions' log lines: Powertools' own, to the byte."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from functions.core.log import Lines, line_logger

from ..samples import NOW, lambda_context

KEYS: dict[str, Any] = {"service": "ingest", "sampling_rate": None, "cold_start": True}


def record(
    message: object = "request", *args: object, fault: Any = None, **fields: object
) -> logging.LogRecord:
    """Make a record as a logger makes it."""
    logger = logging.getLogger("made-up")
    made = logger.makeRecord("made-up", logging.INFO, "/a/b.py", 7, message, args, fault, "f", fields)
    made.created = NOW + 0.0376
    return made


def caught() -> Any:
    """Give an error with its traceback."""
    try:
        int("none")
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize(
    "told",
    [
        record(),
        record("request", status=202, deliveries=[{"id": "1", "route": "ä"}], version=None, at=NOW),
        record("%s of %s", 1, "two", service="another"),
        record({"a": "message"}, status=1),
        record("failed", fault=caught(), status=1),
        record("odd", what=ValueError("text"), location="extra", xray_trace_id="theirs"),
    ],
    ids=lambda told: str(told.msg),
)
@pytest.mark.parametrize("trace", ["", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=5;Sampled=1"])
def test_line_is_powertools_own(monkeypatch: pytest.MonkeyPatch, told: logging.LogRecord, trace: str) -> None:
    """Whatever is logged, Powertools' formatter would write the same line, fields in the same order."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    ours = Lines(use_rfc3339=True, utc=True, **KEYS)
    theirs = LambdaPowertoolsFormatter(use_rfc3339=True, utc=True, **KEYS)
    for formatter in (ours, theirs):
        formatter.append_keys(function_request_id="r-1")
    with_keys = ours.format(told), theirs.format(told)
    assert with_keys[0] == with_keys[1]
    assert '"function_request_id":"r-1"' in with_keys[0]
    ours.thread_safe_append_keys(of_this_thread=1)
    try:
        assert ours.format(told) == theirs.format(told) != with_keys[0]
    finally:
        ours.thread_safe_clear_keys()


def test_message_is_not_read() -> None:
    """A message that happens to be JSON stays the text that it is."""
    assert json.loads(Lines(**KEYS).format(record("7")))["message"] == "7"


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_logger_writes_a_line_with_lambdas_words(far_east: None) -> None:
    """A line has its level, place, service, request and a time by RFC 3339 in UTC, and text as it is."""
    logger, log = line_logger("made-up-service"), io.StringIO()
    logger.registered_handler.setStream(log)  # type: ignore[attr-defined]  # it is a stream handler

    @logger.inject_lambda_context
    def handler(_event: object, _context: object) -> None:
        logger.warning("request", model="ü", odd={1})

    before = datetime.now(UTC)
    handler({}, lambda_context())
    line = json.loads(log.getvalue())
    assert log.getvalue().endswith("\n")
    assert '"model":"ü"' in log.getvalue()
    assert (
        line.items()
        >= {
            "level": "WARNING",
            "message": "request",
            "service": "made-up-service",
            "function_request_id": "r-1",
            "odd": "{1}",
        }.items()
    )
    assert line["location"].startswith("handler:")
    assert line["timestamp"].endswith("+00:00")
    assert abs(datetime.fromisoformat(line["timestamp"]) - before).total_seconds() < 60
