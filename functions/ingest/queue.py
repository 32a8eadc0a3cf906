"""The delivery queue, as ingest uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery
from functions.ingest.http import NotStored, TooLarge

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES: Final = 1_048_576 - 8_192
"""SQS takes 1 MiB (1,048,576 bytes) a message, attributes included ("Amazon SQS message quotas").

What is left is room for the attributes that a dead letter gets; without it, a large one could not be buried.
"""


class DeliveryQueue:
    """Puts deliveries onto `deliveries.fifo`."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def put(self, delivery: Delivery) -> None:
        """Store one delivery. When this returns, SQS has it.

        The delivery's id is the deduplication id: the same fact twice within five minutes is one message.

        Raises:
            TooLarge: It does not fit into a message.
            NotStored: SQS did not confirm it. It may have it all the same; sending it again is harmless.
        """
        body = delivery.to_message()
        if len(body.encode()) > MAX_MESSAGE_BYTES:
            raise TooLarge("The event does not fit into a queue message (1 MiB).")
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=delivery.group,
                MessageDeduplicationId=delivery.id,
            )
        except (ClientError, BotoCoreError) as error:
            raise NotStored("The event could not be stored; please send it again.") from error
