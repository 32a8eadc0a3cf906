"""Metrics: each line is what CloudWatch understands, and nothing is counted that nobody writes."""

import ast
import json
import logging
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import functions
from functions.core.metrics import DISPATCH, INGEST, Meter, Metric

from ..samples import NOW, Clock

Kept = dict[tuple[str, ...], float]


def kept(line: str) -> Kept:
    """Hold a line against EMF's rules, and give what CloudWatch makes of it.

    Returns:
        Each number by its namespace, its name and the values of its dimensions.
    """
    assert "\n" not in line
    root = json.loads(line, parse_constant=pytest.fail)
    assert root["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(root["_aws"]["Timestamp"], int)
    assert 1e12 < root["_aws"]["Timestamp"] < 1e13  # milliseconds, from 2001 to 2286
    numbers = [each for directive in root["_aws"]["CloudWatchMetrics"] for each in _kept(root, directive)]
    assert numbers
    assert len(numbers) == len(dict(numbers)), "a number is counted twice"
    return dict(numbers)


def _kept(root: Mapping[str, Any], directive: Mapping[str, Any]) -> list[tuple[tuple[str, ...], float]]:
    assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
    assert 1 <= len(directive["Namespace"]) <= 255
    assert 1 <= len(directive["Metrics"]) <= 100
    assert directive["Dimensions"]
    for dimension in (name for names in directive["Dimensions"] for name in names):
        assert isinstance(root[dimension], str)
        assert 1 <= len(root[dimension].strip()) <= 1024
    for metric in directive["Metrics"]:
        assert metric.keys() == {"Name", "Unit"}
        assert metric["Unit"] in {"Count", "Seconds", "Milliseconds"}
        assert type(root[metric["Name"]]) in {int, float}
    return [
        ((directive["Namespace"], metric["Name"], *(root[name] for name in names)), root[metric["Name"]])
        for metric in directive["Metrics"]
        for names in directive["Dimensions"]
    ]


@pytest.fixture
def lines() -> list[str]:
    """What the meter has written."""
    return []


@pytest.fixture
def meter(lines: list[str], clock: Clock) -> Meter:
    """Dispatch's meter."""
    return Meter("dispatch", "Relay", lines.append, clock)


def test_line_is_emf_to_the_letter(meter: Meter, lines: list[str]) -> None:
    """Totals are kept once for the service; what reasons tell apart is kept for the reason too."""
    values = {Metric.DEFERRED: 1, Metric.WAIT_AGE: 12.5, Metric.GITHUB_LATENCY: 87, Metric.REMAINING_QUOTA: 9}
    meter.record(values, "rate-limited")
    [line] = lines
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": int(NOW * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "Relay",
                    "Dimensions": [["service"], ["service", "reason"]],
                    "Metrics": [{"Name": "Deferred", "Unit": "Count"}],
                },
                {
                    "Namespace": "Relay",
                    "Dimensions": [["service"]],
                    "Metrics": [
                        {"Name": "WaitAgeSeconds", "Unit": "Seconds"},
                        {"Name": "GitHubMilliseconds", "Unit": "Milliseconds"},
                        {"Name": "RemainingQuota", "Unit": "Count"},
                    ],
                },
            ],
        },
        "service": "dispatch",
        "reason": "rate-limited",
        "Deferred": 1,
        "WaitAgeSeconds": 12.5,
        "GitHubMilliseconds": 87,
        "RemainingQuota": 9,
    }


def test_line_is_understood(meter: Meter, lines: list[str]) -> None:
    """CloudWatch gets each number once for its service, and once more where a reason tells it apart."""
    meter.record({Metric.DEFERRED: 1, Metric.WAIT_AGE: 12.5}, "rate-limited")
    [line] = lines
    assert kept(line) == {
        ("Relay", "Deferred", "dispatch"): 1,
        ("Relay", "Deferred", "dispatch", "rate-limited"): 1,
        ("Relay", "WaitAgeSeconds", "dispatch"): 12.5,
    }


def test_without_a_reason_nothing_is_told_apart(meter: Meter, lines: list[str]) -> None:
    """No reason is no dimension: an empty one would be refused."""
    meter.record({Metric.DEAD_LETTERED: 2})
    [line] = lines
    assert kept(line) == {("Relay", "DeadLettered", "dispatch"): 2}
    assert "reason" not in json.loads(line)


@pytest.mark.parametrize("metric", Metric)
def test_every_metric_makes_a_line_that_is_understood(meter: Meter, lines: list[str], metric: Metric) -> None:
    """Every metric of the table has a name and a unit that CloudWatch takes."""
    meter.record({metric: 1}, "a-reason")
    assert kept(lines[0])["Relay", metric.title, "dispatch"] == 1


def test_all_metrics_fit_into_a_line(meter: Meter, lines: list[str]) -> None:
    """No two metrics share a name, and all of them together are not too many."""
    meter.record(dict.fromkeys(Metric, 1), "a-reason")
    assert {name[1] for name in kept(lines[0])} == {metric.title for metric in Metric}
    assert len({metric.title for metric in Metric}) == len(Metric)


def test_time_is_told_in_milliseconds(meter: Meter, lines: list[str], clock: Clock) -> None:
    """The line has the time at which it was written."""
    clock.now = 1_790_000_000.9876
    meter.record({Metric.FAILED: 1})
    assert json.loads(lines[0])["_aws"]["Timestamp"] == 1_790_000_000_987


def test_line_is_printed_now(capsys: pytest.CaptureFixture[str]) -> None:
    """Unless told otherwise, a meter prints, and by the real clock."""
    Meter("ingest", "Relay").record({Metric.RECEIVED: 1})
    [line] = capsys.readouterr().out.splitlines()
    assert kept(line) == {("Relay", "Received", "ingest"): 1}


def test_line_is_written_at_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Lambda each write is sent by itself, so a line has its end in the same one."""
    written: list[str] = []
    monkeypatch.setattr(sys.stdout, "write", written.append)
    Meter("ingest", "Relay").record({Metric.RECEIVED: 1})
    monkeypatch.undo()
    [line] = written
    assert line.endswith("}\n")


def test_lines_of_one_kind_do_not_mix(meter: Meter, lines: list[str]) -> None:
    """The same numbers with and without a reason, and for another stack, are told as what they are."""
    for each in (meter, Meter("dispatch", "Other", lines.append)):
        for reason in ("", "rate-limited", "paused"):
            each.record({Metric.DEFERRED: 1}, reason)
    assert [[*kept(line)][-1] for line in lines] == [
        ("Relay", "Deferred", "dispatch"),
        ("Relay", "Deferred", "dispatch", "rate-limited"),
        ("Relay", "Deferred", "dispatch", "paused"),
        ("Other", "Deferred", "dispatch"),
        ("Other", "Deferred", "dispatch", "rate-limited"),
        ("Other", "Deferred", "dispatch", "paused"),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, "a secret"])
def test_what_is_no_number_is_told_and_not_written(
    meter: Meter, lines: list[str], caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    """What JSON has no number for would spoil the line; the log says so, and not what it was."""
    with caplog.at_level(logging.WARNING):
        meter.record({Metric.FAILED: 1, Metric.WAIT_AGE: value})
    assert lines == []
    assert caplog.messages == ["metrics-failed: ValueError"]


def test_truth_is_counted_as_one(meter: Meter, lines: list[str]) -> None:
    """A flag may be counted as it is: CloudWatch takes no `true`."""
    meter.record({Metric.REDIRECTED: True})
    assert kept(lines[0]) == {("Relay", "Redirected", "dispatch"): 1}


@pytest.mark.parametrize(("namespace", "values"), [("", {Metric.FAILED: 1}), ("Relay", {})])
def test_line_that_cloudwatch_would_drop_is_told_and_not_written(
    lines: list[str], caplog: pytest.LogCaptureFixture, namespace: str, values: dict[Metric, float]
) -> None:
    """Without a namespace or a number nothing would be counted, and nobody would learn of it."""
    with caplog.at_level(logging.WARNING):
        Meter("dispatch", namespace, lines.append).record(values)
    assert lines == []
    assert caplog.messages == ["metrics-failed: ValueError"]


def test_output_that_is_closed_harms_nobody(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Counting never fails what is counted."""

    def closed(_line: str) -> None:
        raise OSError

    with caplog.at_level(logging.WARNING):
        Meter("dispatch", "Relay", closed, clock).record({Metric.FAILED: 1})
    assert caplog.messages == ["metrics-failed: OSError"]


@pytest.mark.parametrize("service", [INGEST, DISPATCH])
def test_every_metric_is_written_by_its_own_function(service: str) -> None:
    """No alarm or graph waits for a number that nobody writes: all of them are named from this table."""
    folder = Path(functions.__file__).parent / service
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]
    written = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Metric"
    }
    assert written == {metric.name for metric in Metric if metric.service == service}
