"""A batch of messages: each attempted in order, its outcome put into effect and logged.

Powertools keeps the FIFO rule: after the first message of a group that has to wait, the rest of that
group is reported as failed without being tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from functions.core.aws import CALL_SECONDS
from functions.dispatch.engine import Attempt, Engine, Message
from functions.dispatch.github import TIMEOUT_SECONDS
from functions.dispatch.outcome import DeadLetter, Dispatched, Duplicate, Wait
from functions.dispatch.settlement import Queues

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

ATTEMPT_MILLISECONDS: Final = round((2 * TIMEOUT_SECONDS + 6 * CALL_SECONDS) * 1000)
"""The longest that one attempt takes: two dispatches (the second after a 401), each after a look at the
secret, three calls to the ledger, and one to the queues."""


class Returned(Exception):
    """The message stays on the queue. Raised for Powertools, which reports it to SQS."""


class Batch:
    """Works through batches.

    Args:
        engine: Attempts a delivery.
        queues: Where outcomes take effect.
        log: Writes one line: a message, and fields by keyword.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, engine: Engine, queues: Queues, log: Callable[..., None], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._log = log
        self._clock = clock

    def run(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Attempt every message for which there is time; name those that stay on the queue."""
        settled: set[str] = set()

        def work(record: SQSRecord) -> None:
            if context.get_remaining_time_in_millis() < ATTEMPT_MILLISECONDS:
                raise Returned
            settled.add(record.message_id)
            self._attempt(record)

        processor = SqsFifoPartialProcessor(skip_group_on_error=True)
        processor.raise_on_entire_batch_failure = False  # A batch that waits is no function error.
        answer = process_partial_response(event, work, processor, context)
        staying = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self._put_back([record for record in event["Records"] if record["messageId"] in staying - settled])
        return dict(answer)

    def _attempt(self, record: SQSRecord) -> None:
        """Attempt a message, put the outcome into effect, and log one line, whatever happens."""
        started = self._clock()
        message = _message(record)
        facts: dict[str, Any] = {"message_id": record.message_id}
        try:
            attempt = self._engine.attempt(message)
            facts |= _facts(attempt)
            self._settle(record, attempt)
        except Returned:
            raise
        except Exception as error:
            # Powertools says nothing of it. The error's text may quote the payload, so its type must do.
            facts |= {"outcome": "Failed", "error": type(error).__name__}
            raise
        finally:
            facts["milliseconds"] = round((self._clock() - started) * 1000)
            facts["age_seconds"] = round(started - message.sent_at)
            self._log("attempt", receives=message.receives, **facts)

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
    attributes = record.attributes
    return Message(
        body=record.body,
        receives=int(attributes.approximate_receive_count or 1),
        sent_at=int(attributes.sent_timestamp or 0) / 1000,
    )


def _facts(attempt: Attempt) -> dict[str, Any]:
    """Give the fields of the log line: what happened to which delivery, and why."""
    facts: dict[str, Any] = {
        "outcome": type(attempt.outcome).__name__,
        "status": attempt.outcome.told.status,
        "detail": attempt.outcome.told.detail,
        "github_request_id": attempt.outcome.told.request_id,
        "unsettled": attempt.unsettled,
    }
    if attempt.delivery:
        event = attempt.delivery.event
        facts |= {
            "delivery": attempt.delivery.id,
            "route": attempt.delivery.route,
            "kind": event.kind,
            "model": event.model_name,
            "version": event.version,
        }
    match attempt.outcome:
        case Dispatched(run_id=run_id, run_url=run_url, redirected=redirected):
            facts |= {"run_id": run_id, "run_url": run_url, "redirected": redirected}
        case Duplicate(state=state, run_id=run_id, run_url=run_url):
            facts |= {"state": state, "run_id": run_id, "run_url": run_url}
        case Wait(reason=reason, seconds=seconds):
            facts |= {"reason": reason, "wait_seconds": round(seconds, 1)}
        case DeadLetter(reason=reason):
            facts |= {"reason": reason}
        case _:  # A superseded delivery has its reason in the detail.
            pass
    return {key: value for key, value in facts.items() if value not in (None, "", 0, False)}
