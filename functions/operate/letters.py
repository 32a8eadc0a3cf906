"""The dead letters: read without changing anything, and let go again whatever happens.

SQS has no way to look at a message without receiving it, and receiving hides it. While a message of a group
is hidden, SQS gives nothing else of that group (API reference of ReceiveMessage, `ReceiveRequestAttemptId`),
and one call gives ten messages at the most. So of each group, a route and a model, no more than the first ten
letters can be seen, and the rest when those are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery, MalformedMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH: Final = 10
"""The most that SQS gives, changes or deletes in one call."""

HIDE_SECONDS: Final = 120
"""How long a letter is hidden if we are killed. Shorter than SQS's five minutes of deduplication, so that
whoever runs a killed replay again right away sends no second copy."""

_MAX_HIDE_SECONDS: Final = 43_200
_LETTERS_A_SECOND: Final = 20
"""How fast letters are read at the least, from far away over a slow line."""

DIED: Final = "died"
MALFORMED: Final = "malformed"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        message_id: SQS's id of the letter. A delivery that fails again is another letter.
        handle: What SQS wants to see to change or delete it.
        body: What lay on the delivery queue.
        group: Its message group.
        sent_at: When it became a dead letter, in seconds since the epoch by SQS's clock.
        receives: How often it was received, looking included.
        attributes: What dispatch wrote on it; nothing, where SQS moved it here by itself.
        delivery: The body read as a delivery, or None.
        flaw: Why it is none.
    """

    message_id: str
    handle: str = field(repr=False)
    body: str = field(repr=False)
    group: str
    sent_at: float
    receives: int
    attributes: Mapping[str, str]
    delivery: Delivery | None
    flaw: str

    @classmethod
    def from_message(cls, message: MessageTypeDef) -> Letter:
        """Read a message as SQS gives it."""
        system = message.get("Attributes", {})
        written = message.get("MessageAttributes", {})
        body = message["Body"]
        delivery, flaw = _read(body)
        return cls(
            message_id=message["MessageId"],
            handle=message["ReceiptHandle"],
            body=body,
            group=system.get("MessageGroupId", ""),
            sent_at=int(system.get("SentTimestamp", "0")) / 1000,
            receives=int(system.get("ApproximateReceiveCount", "0")),
            attributes={name: value.get("StringValue", "") for name, value in written.items()},
            delivery=delivery,
            flaw=flaw,
        )

    @property
    def id(self) -> str:
        """The delivery's id; where there is no delivery, the letter's own."""
        return self.delivery.id if self.delivery else self.message_id

    @property
    def route(self) -> str:
        """The route's name."""
        return self.delivery.route if self.delivery else ""

    @property
    def model(self) -> str:
        """What it is about: a model, or a job."""
        return self.delivery.event.subject if self.delivery else ""

    @property
    def buried(self) -> bool:
        """Whether dispatch put it here, with a reason; otherwise SQS did, after too many receives."""
        return "reason" in self.attributes

    @property
    def buried_at(self) -> float:
        """When dispatch put it here, in seconds since the epoch; 0 where SQS did."""
        return self.sent_at if self.buried else 0.0

    @property
    def reason(self) -> str:
        """Why it is here, in a word."""
        return self.attributes.get("reason") or (DIED if self.delivery else MALFORMED)

    @property
    def detail(self) -> str:
        """Why it is here, in a sentence."""
        if self.buried:
            return self.attributes.get("detail", "")
        if self.delivery:
            return "SQS moved it here by itself: dispatch received it too often without an outcome."
        return f"The message was refused: {self.flaw}."

    @property
    def died_at(self) -> str:
        """When it became a dead letter, ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.sent_at, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Depth:
    """How much lies on the queue, about.

    Attributes:
        visible: Letters that nobody holds.
        hidden: Letters that somebody holds: another command, or one that was killed.
        now: The time by SQS's clock, in seconds since the epoch.
    """

    visible: int
    hidden: int
    now: float

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.hidden


class DeadLetters:
    """The dead-letter queue.

    Args:
        client: SQS.
        url: The queue's.
        guard: Makes a context in which a signal waits until the block is through.
        patience: How long SQS is to look for letters, in seconds. Above 0 it asks all of its servers.

    Attributes:
        left_hidden: Letters that could not be let go, because SQS did not answer. They come back in time.
    """

    def __init__(
        self,
        client: SQSClient,
        url: str,
        *,
        guard: Callable[[], AbstractContextManager[None]] = nullcontext,
        patience: int = 1,
    ) -> None:
        self.client = client
        self.url = url
        self.guard = guard
        self.left_hidden = 0
        self._patience = patience

    def depth(self) -> Depth:
        """Ask how much lies there."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return Depth(visible, hidden, _clock(answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")))

    def read(self, depth: Depth, tell: Callable[[int], object] = lambda _count: None) -> list[Letter]:
        """Give all letters that can be seen, the ones of a group in their order, and change nothing.

        Args:
            depth: How many there may be; they are hidden for as long as reading that many can take.
            tell: Is told how many were read just now.
        """
        found: dict[str, Letter] = {}
        with self.hold(HIDE_SECONDS + depth.total // _LETTERS_A_SECOND) as hold:
            while batch := [letter for letter in hold.take() if letter.message_id not in found]:
                found |= {letter.message_id: letter for letter in batch}
                tell(len(batch))
        return list(found.values())

    @contextmanager
    def hold(self, seconds: float = HIDE_SECONDS) -> Iterator[Hold]:
        """Take letters, and let go at the end of all that are left, whatever happens."""
        held = Hold(self, min(round(seconds), _MAX_HIDE_SECONDS), self._patience)
        try:
            yield held
        finally:
            with self.guard():
                self.left_hidden += held.release_all()


class Hold:
    """Letters in our hand. Nobody else sees them, nor what follows them in their groups."""

    def __init__(self, queue: DeadLetters, seconds: int, patience: int) -> None:
        self._queue = queue
        self._seconds = seconds
        self._patience = patience
        self._handles: dict[str, str] = {}

    def take(self) -> list[Letter]:
        """Receive up to ten letters more; none where the rest is hidden, or nothing is left."""
        with self._queue.guard():
            answer = self._queue.client.receive_message(
                QueueUrl=self._queue.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=self._seconds,
                WaitTimeSeconds=self._patience,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            letters = [Letter.from_message(message) for message in answer.get("Messages", [])]
            self._handles |= {letter.message_id: letter.handle for letter in letters}
        return letters

    def delete(self, letter: Letter) -> None:
        """Delete a letter for good.

        Raises:
            ClientError, BotoCoreError: SQS did not confirm it.
        """
        self._queue.client.delete_message(QueueUrl=self._queue.url, ReceiptHandle=letter.handle)
        self._handles.pop(letter.message_id, None)

    def release(self, letters: Iterable[Letter]) -> None:
        """Let go of letters. What SQS does not take is tried again at the end."""
        ids = [letter.message_id for letter in letters if letter.message_id in self._handles]
        self._release(ids)

    def release_all(self) -> int:
        """Let go of everything; give how many stay hidden until their time is over."""
        ids = list(self._handles)
        return sum(self._release(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH))

    def _release(self, ids: list[str]) -> int:
        """Let go of ten letters at the most; give how many stay hidden."""
        if not ids:
            return 0
        entries: Any = [
            {"Id": str(number), "ReceiptHandle": self._handles[message_id], "VisibilityTimeout": 0}
            for number, message_id in enumerate(ids)
        ]
        try:
            answer = self._queue.client.change_message_visibility_batch(
                QueueUrl=self._queue.url, Entries=entries
            )
        except (ClientError, BotoCoreError):
            return len(ids)
        # A fault of the sender's is a letter that is not hidden any more, or is gone.
        hidden = {ids[int(each["Id"])] for each in answer.get("Failed", []) if not each["SenderFault"]}
        for message_id in set(ids) - hidden:
            del self._handles[message_id]
        return len(hidden)


def _read(body: str) -> tuple[Delivery | None, str]:
    try:
        return Delivery.from_message(body), ""
    except MalformedMessage as error:
        return None, str(error)


def _clock(date: str) -> float:
    """Read the time of an HTTP answer, so that an operator's wrong clock does no harm."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return time.time()
