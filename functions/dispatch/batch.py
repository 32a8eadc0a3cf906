"""A batch of messages: each attempted in order, its outcome put into effect and logged.

Powertools keeps the FIFO rule: after the first message of a group that has to wait, the rest of that
group is reported as failed without being tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from functions.core.metrics import Meter
from functions.dispatch.account import measured, told
from functions.dispatch.calls import ATTEMPT_SECONDS
from functions.dispatch.engine import Attempt, Engine, Message
from functions.dispatch.outcome import DeadLetter, Wait
from functions.dispatch.settlement import Queues

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

BEGIN_SECONDS: Final = ATTEMPT_SECONDS + 10.0
"""What must be left of the invocation to begin with a message: the reading, the call, the taking effect."""


class Returned(Exception):
    """The message stays on the queue. Raised for Powertools, which reports it to SQS."""


class Batch:
    """Works through batches.

    Args:
        engine: Attempts a delivery.
        queues: Where outcomes take effect.
        log: Writes one line: a message, and fields by keyword.
        meter: Writes metrics.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        queues: Queues,
        log: Callable[..., None],
        meter: Meter,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._log = log
        self._meter = meter
        self._clock = clock

    def run(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Attempt every message for which there is time; name those that stay on the queue."""
        settled: set[str] = set()

        def time_left() -> float:
            return context.get_remaining_time_in_millis() / 1000

        def work(record: SQSRecord) -> None:
            if time_left() < BEGIN_SECONDS:
                raise Returned
            settled.add(record.message_id)
            self._attempt(record, time_left)

        processor = SqsFifoPartialProcessor(skip_group_on_error=True)
        processor.raise_on_entire_batch_failure = False  # A batch that waits is no function error.
        answer = process_partial_response(event, work, processor, context)
        staying = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self._put_back([record for record in event["Records"] if record["messageId"] in staying - settled])
        return dict(answer)

    def _attempt(self, record: SQSRecord, time_left: Callable[[], float]) -> None:
        """Attempt a message, put the outcome into effect, and tell of it once, whatever happens."""
        started = self._clock()
        message = _message(record)
        story: dict[str, Any] = {"message_id": record.message_id}
        attempt: Attempt | None = None
        try:
            attempt = self._engine.attempt(message, time_left)
            story |= told(attempt)
            self._settle(record, attempt)
        except Returned:
            raise
        except Exception as error:
            # Powertools says nothing of it. The error's text may quote the payload, so its type must do.
            story |= {"outcome": "Failed", "error": type(error).__name__}
            raise
        finally:
            story["receives"] = int(record.attributes.approximate_receive_count or 1)
            story["age_seconds"] = round(started - message.sent_at)
            story["milliseconds"] = round((self._clock() - started) * 1000)
            self._log("attempt", **story)
            self._meter.record(*measured(story, attempt, self._clock()))

    def _settle(self, record: SQSRecord, attempt: Attempt) -> None:
        match attempt.outcome:
            case Wait(seconds=seconds, reason=reason):
                self._queues.hide(record.receipt_handle, seconds)
                raise Returned(reason)
            case DeadLetter() as letter:
                group = record.attributes.message_group_id or "unknown"
                self._queues.bury(body=record.body, group=group, message_id=record.message_id, letter=letter)

    def _put_back(self, records: list[dict[str, Any]]) -> None:
        """Let go of messages that were not attempted; otherwise they block their group for minutes.

        Order holds: the first message of the group is hidden already, and while it is, SQS delivers none
        of the others.
        """
        for record in records:
            try:
                self._queues.hide(record["receiptHandle"], 0)
            except (ClientError, BotoCoreError) as error:
                self._log("put-back-failed", error=type(error).__name__)  # It comes back by itself, later.


def _message(record: SQSRecord) -> Message:
    force = record.message_attributes["force"]
    return Message(
        body=record.body,
        sent_at=int(record.attributes.sent_timestamp or 0) / 1000,
        force=force is not None and force.get("stringValue") == "true",
    )
