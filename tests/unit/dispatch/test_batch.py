"""A batch: order within groups, what stays on the queue, and what happens when AWS or we fail."""

from typing import Any

import pytest

from functions.dispatch.batch import BEGIN_SECONDS
from functions.dispatch.settlement import MAX_HIDE_SECONDS
from modelrelay.local.github import PRESETS, Fault

from ..samples import delivery
from .bench import DEAD_LETTERS, QUEUE, Bench
from .simulator import record, refusal

CANARY = "canary-4be1"


def versions(*numbers: int, model: str = "churn") -> list[dict[str, Any]]:
    """Give messages of one model, in the order of its versions."""
    return [record(delivery(model_name=model, version=str(number)), number) for number in numbers]


def started(bench: Bench) -> list[str]:
    """Give the versions for which runs were started, in order."""
    return [run.inputs["model_version"] for run in reversed(bench.simulator.runs())]


def hidden(bench: Bench) -> list[tuple[str, int]]:
    """Give which messages were hidden for how long, in order."""
    calls = bench.aws.parameters("ChangeMessageVisibility")
    assert all(each["QueueUrl"] == QUEUE for each in calls)
    return [(each["ReceiptHandle"], each["VisibilityTimeout"]) for each in calls]


def forced(message: dict[str, Any], **attribute: str) -> dict[str, Any]:
    """Give a message with the attribute `force`."""
    return {**message, "messageAttributes": {"force": attribute} if attribute else {}}


# Order, and what stays


def test_good_batch_leaves_nothing(bench: Bench) -> None:
    """Dispatched messages are deleted by SQS: none is named, none hidden, and order is kept."""
    assert bench.run(*versions(1, 2, 3)) == []
    assert started(bench) == ["1", "2", "3"]
    assert hidden(bench) == []


def test_group_waits_for_its_first_message(bench: Bench) -> None:
    """The rest of a group is not tried after one that waits, and comes back right behind it."""
    bench.simulator.inject(PRESETS["rate-limit"])
    assert bench.run(*versions(1, 2, 3)) == ["m-1", "m-2", "m-3"]
    assert bench.posts == 1
    assert hidden(bench) == [("r-1", 60), ("r-2", 0), ("r-3", 0)]


def test_other_groups_do_not_wait(bench: Bench) -> None:
    """Another model in the batch goes on, also between messages of the one that waits."""
    bench.simulator.inject(Fault(status=503, match='"churn"'))
    first, third = versions(1, 3)
    [second] = versions(2, model="fraud")
    assert bench.run(first, second, third) == ["m-1", "m-3"]
    assert started(bench) == ["2"]
    assert hidden(bench) == [("r-1", 6), ("r-3", 0)]


def test_messages_before_the_one_that_waits_are_done(bench: Bench) -> None:
    """What was dispatched stays dispatched."""
    bench.simulator.inject(Fault(status=503, match='"2"'))
    assert bench.run(*versions(1, 2, 3)) == ["m-2", "m-3"]
    assert started(bench) == ["1"]


def test_dead_letter_frees_its_group(bench: Bench) -> None:
    """A message that no wait will mend is buried with its reason, and those behind it are tried."""
    bench.simulator.inject(PRESETS["unprocessable"])
    assert bench.run(*versions(1, 2)) == []
    assert started(bench) == ["2"]
    [letter] = bench.aws.parameters("SendMessage")
    buried = versions(1)[0]
    assert (letter["QueueUrl"], letter["MessageBody"]) == (DEAD_LETTERS, buried["body"])
    assert letter["MessageGroupId"] == buried["attributes"]["MessageGroupId"]
    assert letter["MessageDeduplicationId"] == "m-1"
    told = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert told == {
        "reason": "github-refused",
        "detail": 'Unexpected inputs provided: ["model"]',
        "status": "422",
        "github_request_id": bench.simulator.requests()[-1].request_id,
    }


def test_message_without_a_group_is_buried_all_the_same(bench: Bench) -> None:
    """Something that is no delivery, and came in no group, still ends where a person looks."""
    assert bench.run(record("not a delivery")) == []
    [letter] = bench.aws.parameters("SendMessage")
    assert (letter["MessageGroupId"], letter["MessageBody"]) == ("unknown", "not a delivery")


@pytest.mark.parametrize(("spare", "posts"), [(-0.001, 0), (0.0, 1)])
def test_attempt_is_begun_only_with_time_to_end_it(bench: Bench, spare: float, posts: int) -> None:
    """An attempt that could be cut off is not begun; the message is let go of at once."""
    bench.seconds = BEGIN_SECONDS + spare
    assert bench.run(*versions(1)) == ([] if posts else ["m-1"])
    assert bench.posts == posts
    assert hidden(bench) == ([] if posts else [("r-1", 0)])
    assert len(bench.lines) == len(bench.metrics) == posts


def test_time_is_looked_at_before_each_attempt(bench: Bench) -> None:
    """What there is time for is done, and only the rest comes back."""
    bench.seconds = BEGIN_SECONDS + 0.5
    bench.hang("POST dispatches", bench.takes(1), after=True)
    others = versions(2, model="fraud") + versions(3, model="cost")
    assert bench.run(*versions(1), *others) == ["m-2", "m-3"]
    assert started(bench) == ["1"]
    assert hidden(bench) == [("r-2", 0), ("r-3", 0)]


@pytest.mark.parametrize(("seconds", "waited"), [("90", 90), ("86400", MAX_HIDE_SECONDS)])
def test_wait_is_what_was_asked_for(bench: Bench, seconds: str, waited: int) -> None:
    """A message is hidden until it is worth receiving; a day's pause in pieces, as SQS allows 12 hours."""
    bench.simulator.inject(refusal(429, retry_after=seconds))
    assert bench.run(*versions(1)) == ["m-1"]
    assert hidden(bench) == [("r-1", waited)]
    assert MAX_HIDE_SECONDS < 12 * 3600


@pytest.mark.parametrize(
    ("attribute", "outcome"),
    [
        ({"stringValue": "true", "dataType": "String"}, "Dispatched"),
        ({"stringValue": "false", "dataType": "String"}, "Superseded"),
        ({"binaryValue": "dHJ1ZQ==", "dataType": "Binary"}, "Superseded"),
        ({}, "Superseded"),
    ],
)
def test_person_may_force_an_older_fact(bench: Bench, attribute: dict[str, str], outcome: str) -> None:
    """The message attribute `force` of a replay sends what a newer fact has overtaken."""
    engine = bench.engine()
    bench.run(record(delivery(version="9", occurred_at="2026-01-02T00:00:00.000Z")), engine=engine)
    late = record(delivery(version="8", occurred_at="2026-01-01T00:00:00.000Z", accepted_at=0))
    bench.run(forced(late, **attribute), engine=engine)
    assert [line["outcome"] for line in bench.lines] == ["Dispatched", outcome]


# When AWS or we fail


def test_message_that_cannot_be_hidden_stays(bench: Bench) -> None:
    """When SQS fails to hide it, a message comes back by itself, and the rest of its group behind it."""
    bench.simulator.inject(PRESETS["outage"])
    bench.aws.fail("ChangeMessageVisibility", times=1)
    assert bench.run(*versions(1, 2)) == ["m-1", "m-2"]
    [line] = bench.lines
    assert (line["outcome"], line["error"], line["message_id"]) == ("Failed", "ClientError", "m-1")
    assert hidden(bench)[1:] == [("r-2", 0)]


def test_message_that_cannot_be_buried_stays(bench: Bench) -> None:
    """Nothing is deleted before it lies among the dead letters, and nothing overtakes it."""
    bench.simulator.inject(PRESETS["unprocessable"])
    bench.aws.fail("SendMessage", times=1)
    assert bench.run(*versions(1, 2)) == ["m-1", "m-2"]
    assert started(bench) == []
    [line] = bench.lines
    assert (line["outcome"], line["error"], line["reason"]) == ("Failed", "ClientError", "github-refused")
    assert bench.run(*versions(1)) == []
    assert bench.posts == 1
    assert len(bench.aws.parameters("SendMessage")) == 2


def test_failed_put_back_is_no_failure_of_the_batch(bench: Bench) -> None:
    """A message that can't be let go of comes back later by itself; the others are let go of."""
    bench.simulator.inject(PRESETS["outage"])
    bench.aws.fail("ChangeMessageVisibility", after=1, times=1)
    assert bench.run(*versions(1, 2, 3)) == ["m-1", "m-2", "m-3"]
    assert hidden(bench) == [("r-1", 6), ("r-2", 0), ("r-3", 0)]
    assert bench.lines[1:] == [{"message": "put-back-failed", "error": "ClientError"}]
    assert len(bench.metrics) == 1


def test_failure_that_nobody_expected_keeps_the_message(bench: Bench) -> None:
    """An error of our own is told with its type, not its text; its group waits, and others go on."""

    def break_down() -> None:
        raise RuntimeError(CANARY)

    bench.hang("POST dispatches", break_down)
    assert bench.run(*versions(1, 3), *versions(2, model="fraud")) == ["m-1", "m-3"]
    assert started(bench) == ["2"]
    assert bench.lines[0] == {
        "message": "attempt",
        "message_id": "m-1",
        "outcome": "Failed",
        "error": "RuntimeError",
        "receives": 1,
        "age_seconds": 0,
        "milliseconds": 0,
    }
    assert bench.metrics[0]["Failed"] == 1.0
    assert CANARY not in str(bench.lines + bench.metrics)
    assert hidden(bench)[-1] == ("r-3", 0)
