"""SQS for long backlogs: the simulation's queues, indexed by group, so that no receive walks over all."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from tests.simulation.sqs import SQS, Message, Queue

MOST_RECEIVED: Final = 10
"""Messages that one receive gives at the most, so what is in flight of a group is among its first ones."""

_Group = deque[Message]


class GroupedQueue(Queue):
    """A queue whose messages are kept by group, and found by handle, without a search."""

    def __init__(self, url: str, visibility: float, max_receives: int, dead_letters: Queue | None) -> None:
        super().__init__(url, visibility, max_receives, dead_letters)
        self.groups: dict[str, _Group] = {}
        self.handles: dict[str, Message] = {}

    def by_handle(self, handle: str) -> Message | None:
        """Find the message that a receipt handle belongs to, unless the handle is stale."""
        return self.handles.get(handle)

    def free(self, now: float) -> list[str]:
        """Name the groups of which a message can be received."""
        return [name for name, group in self.groups.items() if not _in_flight(group, now)]


class GroupedSQS(SQS):
    """The service over such queues. Nothing is given that should not be: a calm world has no ghosts."""

    def send(
        self, url: str, body: str, group: str, deduplication: str, attributes: Mapping[str, Any]
    ) -> tuple[str, bool]:
        """Store a message; give its id, and whether it is the first of its deduplication id."""
        told = super().send(url, body, group, deduplication, attributes)
        queue = self._queue(url)
        if queue.messages:
            message = queue.messages.pop()
            queue.groups.setdefault(group, deque()).append(message)
        return told

    def receive(self, url: str, most: int) -> list[Message]:
        """Give messages of groups of which none is in flight, in each group's order, and hide them."""
        queue, now = self._queue(url), self._clock()
        groups = queue.free(now)
        self._random.shuffle(groups)
        found: list[Message] = []
        for name in groups:
            if len(found) < most:
                found += islice(queue.groups[name], most - len(found))
        return [each for each in found if self._give(queue, each, now)]

    def next_change(self, url: str) -> float | None:
        """Tell when the next hidden message becomes visible."""
        now = self._clock()
        firsts = (each for group in self._queue(url).groups.values() for each in islice(group, MOST_RECEIVED))
        return min((each.visible_at for each in firsts if each.visible_at > now), default=None)

    def waiting(self, url: str) -> bool:
        """Tell whether a receive would give something."""
        return bool(self._queue(url).free(self._clock()))

    def delete(self, url: str, handle: str) -> bool:
        """Delete a message; with a stale receipt handle nothing happens."""
        queue = self._queue(url)
        message = queue.handles.pop(handle, None)
        if message is None:
            return False
        self._take(queue, message)
        self._changed()
        return True

    def _give(self, queue: GroupedQueue, message: Message, now: float) -> bool:
        """Count a receive; what was received too often goes among the dead letters."""
        queue.handles.pop(message.handle, None)
        message.receives += 1
        message.received_at = now
        if message.receives > queue.max_receives and queue.dead_letters:
            self._take(queue, message)
            queue.dead_letters.messages.append(message)
            queue.redriven += 1
            return False
        message.handle = f"r-{message.number}-{message.receives}"
        message.visible_at = now + queue.visibility
        queue.handles[message.handle] = message
        queue.received += 1
        return True

    def _take(self, queue: GroupedQueue, message: Message) -> None:
        group = queue.groups[message.group]
        group.remove(message)
        if not group:
            del queue.groups[message.group]

    def _queue(self, url: str) -> GroupedQueue:
        queue = self.queues[url]
        assert isinstance(queue, GroupedQueue)  # noqa: S101 - tells the type checker
        return queue


def _in_flight(group: _Group, now: float) -> bool:
    return any(each.visible_at > now for each in islice(group, MOST_RECEIVED))
