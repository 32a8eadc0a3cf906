"""Pausing dispatch and resuming it: what is written, what is recorded, and what a person is told."""

from __future__ import annotations

import getpass
import io
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from functions.dispatch import gate_state
from functions.dispatch.gate_state import GateState
from modelrelay.commands import pause as commands
from modelrelay.errors import CommandError
from modelrelay.operate.ages import after
from modelrelay.operate.pause import caller, pause, resume, words
from tests.operate.stand_in import WHO, Pipeline
from tests.unit.samples import NOW


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline that is not paused."""
    return Pipeline()


def records(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Give what the audit records tell: action and outcome, by time."""
    answer = pipeline.session.dynamodb.query(
        TableName=pipeline.relay.table,
        IndexName="by-state",
        KeyConditionExpression="#key = :key AND updated_at BETWEEN :since AND :until",
        ExpressionAttributeNames={"#key": "state"},
        ExpressionAttributeValues={
            ":key": {"S": "audit"},
            ":since": {"N": "0"},
            ":until": {"N": str(2 * NOW)},
        },
        ScanIndexForward=True,
        Limit=100,
    )
    return [(item["action"]["S"], item["outcome"]["S"]) for item in answer["Items"]]


class Unrecorded:
    """DynamoDB that takes everything but audit records."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Any:
        """Give an operation."""
        return getattr(self._client, operation)

    def put_item(self, **parameters: Any) -> Any:
        """Refuse a record."""
        if parameters["Item"]["id"]["S"].startswith("audit"):
            told = {"Error": {"Code": "AccessDenied", "Message": "No."}}
            raise ClientError(told, "PutItem")  # type: ignore[arg-type]  # as much as is read of it
        return self._client.put_item(**parameters)


def printed(draw: Any, *arguments: Any) -> str:
    """Have something printed for people."""
    page = io.StringIO()
    draw(Console(file=page, highlight=False, soft_wrap=True), *arguments)
    return page.getvalue()


def test_pause_is_written_where_dispatch_reads_it(pipeline: Pipeline) -> None:
    """The gate's item has the pause, by the last part of the person's identity, and nothing else changes."""
    pipeline.relay.gate.change(lambda state, now: (gate_state.limited(state, now, 60), None))
    told = pause(pipeline.relay, "moving", None, WHO)
    state = pipeline.relay.gate.read()
    assert state.name(NOW) == "paused"
    assert (state.paused_reason, state.paused_by, state.reason) == (
        "moving",
        "assumed-role/Operator/ada",
        "rate-limited",
    )
    assert told["changed"]
    assert told["paused"]["until"] is None
    assert records(pipeline) == [("pause", "done")]


def test_pause_said_twice_is_one_pause(pipeline: Pipeline) -> None:
    """The same words and end change nothing and leave no second record."""
    pause(pipeline.relay, "moving", None, WHO)
    revision = pipeline.relay.gate.read().revision
    pipeline.now += 5
    again = pause(pipeline.relay, "moving", None, WHO)
    assert (again["changed"], again["was_paused"]) == (False, True)
    assert pipeline.relay.gate.read().revision == revision
    assert len(records(pipeline)) == 1
    assert "Already paused since" in printed(commands._print_pause, again)


def test_pause_with_another_end_goes_on(pipeline: Pipeline) -> None:
    """It lasts since it began, until the new end."""
    pause(pipeline.relay, "moving", None, WHO)
    pipeline.now += 60
    told = pause(pipeline.relay, "moving on", NOW + 7200, WHO)
    assert told["paused"] == {
        "since": "2026-09-21T14:13:20Z",
        "until": "2026-09-21T16:13:20Z",
        "reason": "moving on",
        "by": "assumed-role/Operator/ada",
    }
    assert "Still paused since" in printed(commands._print_pause, told)


def test_resume_ends_it_and_tells_what_waits(pipeline: Pipeline) -> None:
    """How soon a waiting delivery notices follows from how long it was paused."""
    pause(pipeline.relay, "moving", None, WHO)
    pipeline.now += 1200
    pipeline.session.counts = {"waiting": 1, "in flight": 4, "dead": 0}
    told = resume(pipeline.relay, WHO)
    assert told["queue"] == {"waiting": 1, "in_flight": 4}
    assert told["noticed_within_seconds"] == 120
    assert pipeline.relay.gate.read().name(pipeline.now) == "open"
    assert records(pipeline) == [("pause", "done"), ("resume", "done")]
    page = printed(commands._print_resume, told, pipeline.now)
    assert "It had been paused for 20 min: moving" in page
    assert "1 waiting, 4 in flight" in page
    assert "within 2 min" in page


def test_resume_of_what_is_not_paused_says_so(pipeline: Pipeline) -> None:
    """It may be said twice; nothing is written."""
    told = resume(pipeline.relay, WHO)
    assert (told["changed"], told["ended"]) == (False, None)
    assert pipeline.relay.gate.read() == GateState()
    assert records(pipeline) == []
    assert printed(commands._print_resume, told, NOW) == "Dispatch is not paused.\n"


def test_pause_that_can_not_be_recorded_is_not_made(pipeline: Pipeline) -> None:
    """Where DynamoDB takes no record, the person is told and nothing has changed."""
    pipeline.session.services["dynamodb"] = Unrecorded(pipeline.session.dynamodb)
    with pytest.raises(CommandError, match="AWS refused"):
        pause(pipeline.relay_of(), "moving", None, WHO)
    assert pipeline.relay.gate.read() == GateState()


def test_queue_that_can_not_be_counted_does_not_stop_a_pause(pipeline: Pipeline) -> None:
    """The pause matters more than the count."""
    pipeline.session.refuse("sqs")
    told = pause(pipeline.relay, "moving", None, WHO)
    assert told["changed"]
    assert "What waits can't be counted" in printed(commands._print_pause, told)


def test_who_pauses_is_whom_aws_knows(pipeline: Pipeline) -> None:
    """Where AWS does not tell, it is this machine's user."""
    assert caller(pipeline.relay) == WHO
    pipeline.session.refuse("sts")
    assert caller(pipeline.relay_of()) == getpass.getuser()


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 201, "bell\a"])
def test_words_are_one_short_line(text: str) -> None:
    """They are shown to whoever wonders, on one line."""
    with pytest.raises(CommandError, match="one line of 1 to 200 characters"):
        words(text)
    assert words("  GitHub's runners are moved \n") == "GitHub's runners are moved"


@pytest.mark.parametrize("text", ["0s", "2026-09-21T14:13:20Z", "2020-01-01"])
def test_pause_can_not_end_in_the_past(text: str) -> None:
    """An end that is over is a slip, and would pause nothing."""
    with pytest.raises(CommandError, match="that is over"):
        after("--until", text, NOW)
    assert after("--until", "2h", NOW) == NOW + 7200
