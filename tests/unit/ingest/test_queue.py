"""The delivery queue: when it says that a delivery is stored, SQS has it."""

import pytest

from functions.core import aws as clients
from functions.core.delivery import Delivery
from functions.ingest.http import NotStored, TooLarge
from functions.ingest.queue import MAX_MESSAGE_BYTES, DeliveryQueue

from ..aws import Aws
from ..samples import delivery

URL = "http://127.0.0.1/queue"


@pytest.fixture
def queue(aws: Aws) -> DeliveryQueue:
    """A queue on the stand-in."""
    return DeliveryQueue(clients.client("sqs"), URL)


def sized(length: int) -> Delivery:
    """Give a delivery whose message is so many bytes long."""
    spare = length - len(delivery(tags={"": ""}).to_message().encode())
    return delivery(tags={"": "ä" * (spare // 2) + "x" * (spare % 2)})


def test_delivery_is_sent_in_its_group_under_its_id(aws: Aws, queue: DeliveryQueue) -> None:
    """Order is kept per group, and the same fact twice is one message."""
    sent = delivery()
    queue.put(sent)
    assert aws.calls == [
        (
            "SendMessage",
            {
                "QueueUrl": URL,
                "MessageBody": sent.to_message(),
                "MessageGroupId": sent.group,
                "MessageDeduplicationId": sent.id,
            },
        )
    ]


def test_largest_message_is_stored(aws: Aws, queue: DeliveryQueue) -> None:
    """A message of exactly the limit goes through."""
    queue.put(sized(MAX_MESSAGE_BYTES))
    assert len(aws.parameters("SendMessage")[0]["MessageBody"].encode()) == MAX_MESSAGE_BYTES


def test_larger_message_is_refused_unsent(aws: Aws, queue: DeliveryQueue) -> None:
    """What SQS would not take is the sender's to mend, so it is no 503."""
    with pytest.raises(TooLarge, match="1 MiB"):
        queue.put(sized(MAX_MESSAGE_BYTES + 1))
    assert aws.calls == []


def test_limit_leaves_room_for_a_dead_letter() -> None:
    """A message with the attributes of a dead letter still fits into SQS's 1,048,576 bytes."""
    assert MAX_MESSAGE_BYTES + 4 * 1024 < 1_048_576


def test_failure_is_not_stored(aws: Aws, queue: DeliveryQueue) -> None:
    """An error that SQS answers is told without its text."""
    aws.fail("SendMessage")
    with pytest.raises(NotStored, match=r"^The event could not be stored; please send it again\.$"):
        queue.put(delivery())


def test_unreachable_queue_is_not_stored(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails is told like an error that was answered."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(NotStored):
        DeliveryQueue(clients.client("sqs"), URL).put(delivery())
