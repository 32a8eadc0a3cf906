"""SQS: FIFO queues with groups, deduplication, visibility, and what "at least once" means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.simulation.refusals import refusal
from tests.simulation.wire import Wire

DEDUPLICATION_SECONDS: Final = 300.0
_MAX_VISIBILITY: Final = 43_200
_GHOST_SECONDS: Final = 3600.0
_SEND: Final = frozenset(
    {"QueueUrl", "MessageBody", "MessageGroupId", "MessageDeduplicationId", "MessageAttributes"}
)


@dataclass(slots=True, eq=False)  # One is never another; comparing all fields took most of a long run.
class Message:
    """A message on a queue.

    Attributes:
        number: Its place in the order of all messages.
        handle: The receipt handle that counts: the newest.
        received_at: When it was received first.
    """

    number: int
    body: str
    group: str
    deduplication: str
    attributes: Mapping[str, Any]
    sent_at: float
    visible_at: float
    receives: int = 0
    handle: str = ""
    received_at: float = 0.0
    deleted_at: float | None = None

    @property
    def id(self) -> str:
        """The message's id."""
        return f"m-{self.number}"


@dataclass(slots=True)
class Queue:
    """A queue, and what it remembers of messages that are gone."""

    url: str
    visibility: float
    max_receives: int = 1000
    dead_letters: Queue | None = None
    messages: list[Message] = field(default_factory=list)
    gone: list[Message] = field(default_factory=list)
    seen: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    redriven: int = 0
    received: int = 0

    def by_handle(self, handle: str) -> Message | None:
        """Find the message that a receipt handle belongs to, unless the handle is stale."""
        return next((each for each in self.messages if each.handle == handle), None)


class SQS:
    """The service: does what a call asks, at once.

    Args:
        clock: Virtual time.
        seed: Decides how many messages a receive gives, of which groups, and which are given twice.
        ghosts: How likely a receive gives a message that it should not give any more.
        changed: Is called after everything that may let a message be received.
    """

    def __init__(
        self, clock: Callable[[], float], seed: int, ghosts: float, changed: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._random = Random(f"{seed}/sqs")
        self.ghosts = ghosts
        self._changed = changed
        self._count = 0
        self.queues: dict[str, Queue] = {}
        self.on_send: list[Callable[[Queue, Message], None]] = []

    def send(
        self, url: str, body: str, group: str, deduplication: str, attributes: Mapping[str, Any]
    ) -> tuple[str, bool]:
        """Store a message; give its id, and whether it is the first of its deduplication id."""
        queue, now = self.queues[url], self._clock()
        until, known = queue.seen.get((group, deduplication), (0.0, ""))
        if now < until:
            return known, False
        self._count += 1
        message = Message(self._count, body, group, deduplication, attributes, now, now)
        queue.messages.append(message)
        queue.seen[group, deduplication] = (now + DEDUPLICATION_SECONDS, message.id)
        for watcher in self.on_send:
            watcher(queue, message)
        self._changed()
        return message.id, True

    def receive(self, url: str, most: int) -> list[Message]:
        """Give messages of groups of which none is in flight, in each group's order, and hide them."""
        queue, now = self.queues[url], self._clock()
        blocked = {each.group for each in queue.messages if each.visible_at > now}
        groups = sorted({each.group for each in queue.messages} - blocked)
        self._random.shuffle(groups)
        found = self._ghost(queue, now)
        for group in groups:
            mine = [each for each in queue.messages if each.group == group and each not in found]
            # SQS sometimes gives less than there is.
            found += mine if self._random.random() < 0.8 else mine[: self._random.randint(1, len(mine) or 1)]
        return [each for each in found[:most] if self._deliver(queue, each, now)]

    def next_change(self, url: str) -> float | None:
        """Tell when the next hidden message becomes visible."""
        now = self._clock()
        moments = [each.visible_at for each in self.queues[url].messages if each.visible_at > now]
        return min(moments, default=None)

    def waiting(self, url: str) -> bool:
        """Tell whether a receive would give something."""
        now = self._clock()
        messages = self.queues[url].messages
        blocked = {each.group for each in messages if each.visible_at > now}
        return any(each.group not in blocked for each in messages)

    def hide(self, url: str, handle: str, seconds: int) -> Message:
        """Change when a message becomes visible again; 12 h after its receipt at the latest."""
        queue, now = self.queues[url], self._clock()
        message = queue.by_handle(handle)
        if message is None or message.visible_at <= now:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise refusal("InvalidParameterValue", reason, "ChangeMessageVisibility")
        if not 0 <= seconds <= _MAX_VISIBILITY or now + seconds > message.received_at + _MAX_VISIBILITY:
            reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            raise refusal("InvalidParameterValue", reason, "ChangeMessageVisibility")
        message.visible_at = now + seconds
        self._changed()
        return message

    def delete(self, url: str, handle: str) -> bool:
        """Delete a message; with a stale receipt handle nothing happens."""
        queue = self.queues[url]
        message = queue.by_handle(handle)
        if message is None:
            return False
        message.deleted_at = self._clock()
        queue.messages.remove(message)
        queue.gone.append(message)
        self._changed()
        return True

    def _deliver(self, queue: Queue, message: Message, now: float) -> bool:
        """Count a receive; SQS's own redrive takes what was received too often."""
        message.receives += 1
        message.received_at = now
        if message.receives > queue.max_receives and queue.dead_letters and message.deleted_at is None:
            queue.messages.remove(message)
            queue.dead_letters.messages.append(message)
            queue.redriven += 1
            return False
        message.handle = f"r-{message.number}-{message.receives}"
        message.visible_at = now + queue.visibility
        queue.received += 1
        return True

    def _ghost(self, queue: Queue, now: float) -> list[Message]:
        """Give a message once more that was deleted a while ago, or the first of a group in flight.

        FIFO queues promise that this does not happen within the deduplication interval; the functions
        are not to rely on it. What SQS never does is to give a later message of a group before an earlier.
        """
        if self._random.random() >= self.ghosts:
            return []
        gone = [each for each in queue.gone if now - (each.deleted_at or now) < _GHOST_SECONDS]
        firsts: dict[str, Message] = {}
        for each in queue.messages:
            firsts.setdefault(each.group, each)
        candidates = gone + [each for each in firsts.values() if each.visible_at > now]
        return [self._random.choice(candidates)] if candidates else []


class SQSClient:
    """What the functions and people call, in botocore's way."""

    def __init__(self, service: SQS, wire: Wire, defect: Callable[[str], None]) -> None:
        self._service = service
        self._wire = wire
        self._defect = defect

    def send_message(self, **parameters: Any) -> Any:
        """Store a message."""
        if unknown := sorted(set(parameters) - _SEND):
            self._defect(f"send_message with {unknown}")
        url, attributes = parameters["QueueUrl"], parameters.get("MessageAttributes", {})
        for name, value in attributes.items():
            if not value.get("StringValue"):
                self._defect(f"send_message with the empty attribute {name}")

        def effect() -> tuple[Any, str]:
            group, deduplication = parameters["MessageGroupId"], parameters["MessageDeduplicationId"]
            number, new = self._service.send(url, parameters["MessageBody"], group, deduplication, attributes)
            return {"MessageId": number}, f"{number}{'' if new else ' again: a duplicate, dropped'}"

        words = [f"{name}={value['StringValue']}" for name, value in attributes.items()]
        return self._wire.call("send_message", f"{url.rpartition('/')[2]} {', '.join(words)}".strip(), effect)

    def change_message_visibility(self, **parameters: Any) -> Any:
        """Hide a message for some seconds, or show it."""
        url, handle, seconds = (
            parameters[name] for name in ("QueueUrl", "ReceiptHandle", "VisibilityTimeout")
        )

        def effect() -> tuple[Any, str]:
            return {}, self._service.hide(url, handle, seconds).id

        return self._wire.call("change_message_visibility", f"{handle} for {seconds} s", effect)

    def receive_message(self, **parameters: Any) -> Any:
        """Receive messages, as people do."""
        url = parameters["QueueUrl"]

        def effect() -> tuple[Any, str]:
            found = self._service.receive(url, parameters.get("MaxNumberOfMessages", 1))
            return {"Messages": found}, f"{len(found)} messages"

        return self._wire.call("receive_message", url.rpartition("/")[2], effect)

    def delete_message(self, **parameters: Any) -> Any:
        """Delete a message."""
        url, handle = parameters["QueueUrl"], parameters["ReceiptHandle"]

        def effect() -> tuple[Any, str]:
            return {}, "" if self._service.delete(url, handle) else "nothing: a stale handle"

        return self._wire.call("delete_message", handle, effect)
