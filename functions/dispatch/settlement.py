"""Puts an outcome into effect on the queues."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from functions.dispatch.outcome import DeadLetter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

MAX_HIDE_SECONDS: Final = 43_000
"""SQS hides a message for 12 h (43,200 s) at most, counted from its receipt."""


class Queues:
    """The delivery queue and its dead letters, as dispatch uses them."""

    def __init__(self, client: SQSClient, url: str, dead_letter_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url

    def hide(self, receipt_handle: str, seconds: float) -> None:
        """Make a message come back after some seconds. Its group waits with it, so order holds."""
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=math.ceil(min(seconds, MAX_HIDE_SECONDS)),
        )

    def bury(self, *, body: str, group: str, message_id: str, letter: DeadLetter) -> None:
        """Put a message among the dead letters, with the reason.

        The message's id is the deduplication id: a send that is repeated within five minutes leaves one
        letter, while a replay that fails again is a letter of its own. If we die between this and the
        message's deletion, it comes back later than that and may be buried twice; it is never lost.
        """
        attributes = {
            "reason": letter.reason,
            "detail": letter.told.detail,
            "status": str(letter.told.status or ""),
            "github_request_id": letter.told.request_id,
        }
        self._client.send_message(
            QueueUrl=self._dead_letter_url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=message_id,
            MessageAttributes={name: _attribute(value) for name, value in attributes.items() if value},
        )


def _attribute(value: str) -> MessageAttributeValueTypeDef:
    printable = "".join(ch if ch.isprintable() else " " for ch in value)
    return {"DataType": "String", "StringValue": printable}
