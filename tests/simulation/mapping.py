"""The event source mapping: takes messages off the delivery queue and hands them to dispatch in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from tests.simulation.functions import Function
from tests.simulation.plan import Plan
from tests.simulation.scheduler import Scheduler
from tests.simulation.sqs import SQS, Message
from tests.simulation.story import Story

CONCURRENCY: Final = 2


class EventSourceMapping:
    """Feeds the function with at most two batches at a time.

    Args:
        queue_url: The queue.
        function: The function.
        defect: Is told of answers that Lambda would not understand.
    """

    def __init__(
        self,
        queue_url: str,
        function: Function,
        sqs: SQS,
        plan: Plan,
        scheduler: Scheduler,
        story: Story,
        defect: Callable[[str], None],
    ) -> None:
        self._url = queue_url
        self._function = function
        self._sqs = sqs
        self._plan = plan
        self._scheduler = scheduler
        self._story = story
        self._defect = defect
        self._random = Random(f"{plan.seed}/mapping")
        self._poll_at = float("inf")

    def nudge(self) -> None:
        """Look at the queue soon: something may have become visible, or the function may be free again."""
        if self._function.running < CONCURRENCY:
            self._look_at(self._scheduler.now + self._random.uniform(0.01, 0.3))

    def _look_at(self, moment: float) -> None:
        if moment < self._poll_at:
            self._poll_at = moment
            self._scheduler.at(moment, lambda: self._poll(moment))

    def _poll(self, moment: float) -> None:
        if self._poll_at != moment:
            return  # An earlier look has been taken in its place.
        self._poll_at = float("inf")
        if self._function.running < CONCURRENCY:
            found = self._sqs.receive(self._url, self._random.choice([self._plan.batch_size, 1]))
            if found:
                self._hand_over(found)
        if self._sqs.waiting(self._url):
            self.nudge()
        elif (then := self._sqs.next_change(self._url)) is not None:
            self._look_at(then + 0.05)

    def _hand_over(self, messages: list[Message]) -> None:
        records = [record(message) for message in messages]
        handles = {message.id: message.handle for message in messages}
        task = self._function.invoke({"Records": records}, lambda answer: self._done(handles, answer))
        received = ", ".join(f"{each.id} (receive {each.receives})" for each in messages)
        self._story.tell(
            task.name, f"is given {received}", *dict.fromkeys(delivery_of(each.body) for each in messages)
        )

    def _done(self, handles: Mapping[str, str], answer: Any) -> None:
        """Delete what the function does not name. If it failed, everything stays hidden for its time."""
        if answer is not None:
            staying = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
            if unknown := [each for each in staying if each not in handles]:
                self._defect(f"the function names messages that it was not given: {unknown}")
            for number, handle in handles.items():
                if number not in staying:
                    self._delete(number, handle)
        self.nudge()

    def _delete(self, number: str, handle: str) -> None:
        """Delete a message; now and then this fails, and it comes back."""
        if self._random.random() >= self._plan.faults or self._plan.horizon < self._elapsed:
            self._sqs.delete(self._url, handle)
        else:
            self._story.tell("mapping", f"{number} could not be deleted ⚡")

    @property
    def _elapsed(self) -> float:
        return self._scheduler.now - self._scheduler.start


def delivery_of(body: str) -> str:
    """Give the id of the delivery that a message carries; empty where it carries none."""
    _, _, rest = body.partition('"id":"')
    return rest[:32]


def record(message: Message) -> dict[str, Any]:
    """Write a message as the mapping hands it to the function."""
    return {
        "messageId": message.id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "ApproximateFirstReceiveTimestamp": str(int(message.received_at * 1000)),
            "SequenceNumber": f"{message.number:020d}",
            "MessageGroupId": message.group,
            "SenderId": "simulated",
        },
        "messageAttributes": {name: _camel(value) for name, value in message.attributes.items()},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:deliveries.fifo",
        "awsRegion": "eu-west-1",
    }


def _camel(value: Mapping[str, Any]) -> dict[str, Any]:
    """Write a message attribute as Lambda does: `StringValue` is `stringValue`."""
    return {name[0].lower() + name[1:]: content for name, content in value.items()}
