"""Puts dead letters back onto the delivery queue: sent first, deleted then, and never twice.

What keeps an interrupted replay from sending twice when it is run again:

- A signal waits until the letter that was sent is deleted.
- If we are killed between the two, the letter comes back within two minutes, and its deduplication id is the
  one of before: SQS takes no second copy for five minutes.
- Later than that the ledger tells what became of the copy. If it says nothing yet, because nobody has
  received the copy, a second one is sent; dispatch starts a delivery once however many copies there are.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery
from functions.core.event import identify
from functions.operate.judgement import Judge, Verdict
from functions.operate.letters import HIDE_SECONDS, DeadLetters, Hold, Letter
from functions.operate.walk import Fate, walk

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_FAILURES: Final = 3
"""So many failures one after the other are an outage: nothing more is tried."""

KEPT: Final = frozenset({Verdict.UNDER_WAY, Verdict.NO_ROUTE, Verdict.UNREADABLE})
"""What is neither sent nor removed."""


class ReplayStopped(Exception):
    """SQS fails again and again. What was done is counted, and what was not is as it was."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A message for the delivery queue.

    Attributes:
        letter_id: The SQS message from which it comes.
        body: The delivery as a message.
        group: The message group.
    """

    letter_id: str
    body: str
    group: str


class DeliveryQueue:
    """The delivery queue, as a replay uses it.

    Args:
        client: SQS.
        url: The queue's.
    """

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def put(self, copy: Copy, *, force: bool) -> None:
        """Put a delivery onto the queue. When this returns, SQS has it.

        The deduplication id is of the letter, not of the delivery: ingest's own message of some minutes ago
        must not swallow it, and a letter of a replay that failed again is another letter.

        Args:
            copy: What to put there.
            force: Whether dispatch is to start it although a newer fact was dispatched.

        Raises:
            ClientError, BotoCoreError: SQS did not confirm it. It may have it all the same.
        """
        attributes: Any = {"force": {"DataType": "String", "StringValue": "true"}} if force else {}
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=copy.body,
            MessageGroupId=copy.group,
            MessageDeduplicationId=f"replay.{identify(copy.letter_id, copy.body, force)}",
            MessageAttributes=attributes,
        )


class Pace:
    """Spreads calls.

    Args:
        rate: How many a second.
        clock: Seconds from any beginning.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    @property
    def hide_seconds(self) -> float:
        """For how long letters must be hidden so that ten of them are done by then."""
        return max(HIDE_SECONDS, 30 + 20 * self._interval)

    def wait(self) -> None:
        """Wait for the next turn."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._interval


@dataclass(frozen=True, slots=True)
class Orders:
    """What a replay is to do.

    Attributes:
        wanted: Whether a letter is meant.
        until: Letters that came later, in seconds since the epoch, are left alone: a delivery that fails
            again must not be sent again and again.
        edits: What to send in the place of a letter, by the letter's message id.
    """

    wanted: Callable[[Letter], bool]
    until: float
    edits: Mapping[str, Delivery] | None = None


class Replay:
    """One replay.

    Args:
        letters: Where from.
        queue: Where to.
        judge: Says what becomes of a delivery.
        orders: What to do.
        pace: How fast.
        tell: Is told of each letter that is done.

    Attributes:
        counts: What was done: `sent` (`overtaken` of them will be set aside), `settled` and `repeated`
            (removed and not sent), `under_way`, `no_route` and `unreadable` (kept), `not_sent`,
            `not_removed`, and `passed_over`: kept behind a letter of their group that is stuck.
        troubles: What went wrong, a sentence each.
        reached: How many letters were looked at; others lie behind ten that stayed.
    """

    def __init__(
        self,
        *,
        letters: DeadLetters,
        queue: DeliveryQueue,
        judge: Judge,
        orders: Orders,
        pace: Pace,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._letters = letters
        self._queue = queue
        self._judge = judge
        self._orders = orders
        self._pace = pace
        self._tell = tell
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self.reached = 0
        self._sent: set[tuple[str, str]] = set()
        self._failures = 0

    def run(self) -> None:
        """Replay.

        Raises:
            ReplayStopped: SQS fails again and again.
            LedgerUnavailable: DynamoDB failed.
            ClientError, BotoCoreError: The dead letters can't be read.
        """
        with self._letters.hold(self._pace.hide_seconds) as hold:
            self.reached, passed_over = walk(hold, lambda letter: self._act(hold, letter))
        self.counts["passed_over"] += passed_over

    def _act(self, hold: Hold, letter: Letter) -> Fate:
        if letter.sent_at > self._orders.until or not self._orders.wanted(letter):
            return Fate.KEPT
        delivery = (self._orders.edits or {}).get(letter.message_id, letter.delivery)
        verdict = self._judge.of(delivery, letter.buried_at)
        self._tell()
        if delivery is None or verdict in KEPT:
            self.counts[verdict.counted] += 1
            return Fate.KEPT
        if verdict is Verdict.SETTLED:
            return self._remove(hold, letter, "settled")
        copy = Copy(letter.message_id, letter.body, letter.group)
        if delivery is not letter.delivery:
            copy = replace(copy, body=delivery.to_message(), group=delivery.group)
        if (copy.body, copy.group) in self._sent:  # A delivery may have been buried twice.
            return self._remove(hold, letter, "repeated")
        return self._move(hold, letter, copy, verdict)

    def _move(self, hold: Hold, letter: Letter, copy: Copy, verdict: Verdict) -> Fate:
        self._pace.wait()
        with self._letters.guard():
            try:
                self._queue.put(copy, force=self._judge.force)
            except (ClientError, BotoCoreError) as error:
                return self._failed("not_sent", letter, error)
            self._sent.add((copy.body, copy.group))
            self.counts["sent"] += 1
            self.counts["overtaken"] += verdict is Verdict.OVERTAKEN
            return self._delete(hold, letter)

    def _remove(self, hold: Hold, letter: Letter, counted: str) -> Fate:
        with self._letters.guard():
            fate = self._delete(hold, letter)
            self.counts[counted] += fate is Fate.GONE
            return fate

    def _delete(self, hold: Hold, letter: Letter) -> Fate:
        try:
            hold.delete(letter)
        except (ClientError, BotoCoreError) as error:
            return self._failed("not_removed", letter, error)
        self._failures = 0
        return Fate.GONE

    def _failed(self, counted: str, letter: Letter, error: Exception) -> Fate:
        self.counts[counted] += 1
        verb = "sent" if counted == "not_sent" else "removed"
        self.troubles.append(f"{letter.id} could not be {verb}: {error}")
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise ReplayStopped("SQS fails again and again, so nothing more was tried.")
        return Fate.STUCK
