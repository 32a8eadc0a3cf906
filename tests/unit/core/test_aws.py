"""Clients for AWS: patient for seconds only."""

import botocore.session
import pytest
from botocore.exceptions import ClientError

from functions.core import aws as clients

from ..aws import Aws


def test_client_gives_up_within_seconds(aws: Aws) -> None:
    """A caller can still answer after two attempts that each ran into their time-outs."""
    config = clients.client("sqs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 3)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert 2 * (config.connect_timeout + config.read_timeout) <= clients.CALL_SECONDS


def test_client_tells_the_same_of_itself_in_each_call(aws: Aws) -> None:
    """It says what botocore says of itself, without making it up anew."""
    told: list[bytes] = []
    client = clients.client("sqs")
    client.meta.events.register(
        "before-send", lambda request, **_: told.append(request.headers["User-Agent"])
    )
    for _ in range(2):
        client.change_message_visibility(QueueUrl="q", ReceiptHandle="r", VisibilityTimeout=1)
    own = botocore.session.get_session().user_agent()
    assert own.startswith(f"Botocore/{botocore.__version__} Python/")
    assert [each.decode().startswith(own) for each in told] == [True, True]
    assert client.meta.config.user_agent == own


def test_failing_service_is_asked_twice(aws: Aws) -> None:
    """A server error is tried once more, and then it is the caller's."""
    aws.fail("ChangeMessageVisibility", "InternalError", status=500)
    with pytest.raises(ClientError):
        clients.client("sqs").change_message_visibility(QueueUrl="q", ReceiptHandle="r", VisibilityTimeout=1)
    assert len(aws.calls) == 2
