"""Putting outcomes into effect on the queues."""

import pytest
from botocore.exceptions import ClientError

from functions.core import aws as clients
from functions.dispatch.outcome import DeadLetter, Told
from functions.dispatch.settlement import Queues

from ..aws import Aws


@pytest.fixture
def queues(aws: Aws) -> Queues:
    """The queues on the stand-in."""
    return Queues(clients.client("sqs"), "http://127.0.0.1/queue", "http://127.0.0.1/dead")


@pytest.mark.parametrize(
    ("seconds", "hidden"),
    [
        (0, 0),
        (0.2, 1),
        (1, 1),
        (59.01, 60),
        (43_000, 43_000),
        (43_000.5, 43_000),
        (86_400, 43_000),
        (float("inf"), 43_000),
    ],
)
def test_message_is_hidden_for_whole_seconds(aws: Aws, queues: Queues, seconds: float, hidden: int) -> None:
    """A wait is never cut short, except at the 12 hours that SQS allows from the receipt."""
    queues.hide("r-1", seconds)
    assert aws.calls == [
        (
            "ChangeMessageVisibility",
            {"QueueUrl": "http://127.0.0.1/queue", "ReceiptHandle": "r-1", "VisibilityTimeout": hidden},
        )
    ]


def test_dead_letter_has_its_reason(aws: Aws, queues: Queues) -> None:
    """The letter is the message itself, in its group, with everything that GitHub said."""
    letter = DeadLetter(Told(422, "No ref found for: main", "51AD"), "github-refused")
    queues.bury(body="{}", group="default.1", message_id="m-1", letter=letter)
    told = {
        "reason": "github-refused",
        "detail": "No ref found for: main",
        "status": "422",
        "github_request_id": "51AD",
    }
    assert aws.calls == [
        (
            "SendMessage",
            {
                "QueueUrl": "http://127.0.0.1/dead",
                "MessageBody": "{}",
                "MessageGroupId": "default.1",
                "MessageDeduplicationId": "m-1",
                "MessageAttributes": {
                    name: {"DataType": "String", "StringValue": value} for name, value in told.items()
                },
            },
        )
    ]


def test_attribute_without_a_value_is_left_out(aws: Aws, queues: Queues) -> None:
    """SQS refuses empty attributes, so a letter without an answer of GitHub has none of its own."""
    letter = DeadLetter(Told(detail="Too old."), "expired")
    queues.bury(body="{}", group="g", message_id="m-1", letter=letter)
    [sent] = aws.parameters("SendMessage")
    assert sent["MessageAttributes"].keys() == {"reason", "detail"}


def test_attribute_holds_printable_text_only(aws: Aws, queues: Queues) -> None:
    """What SQS would refuse in GitHub's words becomes a blank; letters of any script stay."""
    letter = DeadLetter(Told(detail="ä\x00b\r\n\ud800\uffff\N{PILE OF POO}"), "github-refused")
    queues.bury(body="{}", group="g", message_id="m-1", letter=letter)
    [sent] = aws.parameters("SendMessage")
    assert sent["MessageAttributes"]["detail"]["StringValue"] == "ä b    \N{PILE OF POO}"


def test_failures_are_the_callers(aws: Aws, queues: Queues) -> None:
    """Nothing is swallowed: a message that could not be hidden or buried must stay on the queue."""
    aws.fail("SendMessage")
    aws.fail("ChangeMessageVisibility")
    with pytest.raises(ClientError):
        queues.hide("r-1", 1)
    with pytest.raises(ClientError):
        queues.bury(body="{}", group="g", message_id="m-1", letter=DeadLetter(Told(), "expired"))
