"""Exported letters, edited, on their way back to the delivery queue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery, MalformedMessage
from functions.core.event import Event, is_kind
from functions.operate.judgement import Judge, Verdict
from functions.operate.replay import KEPT, MAX_FAILURES, Copy, DeliveryQueue, Pace, ReplayStopped
from modelrelay.errors import CommandError

_MAX_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Edited:
    """A line of an export.

    Attributes:
        number: The line's.
        letter_id: The letter that it came from; empty where the line does not say.
        delivery: What it holds, with the id that follows from it.
        buried_at: When dispatch made it a dead letter, in seconds since the epoch; 0 where it did not.
    """

    number: int
    letter_id: str
    delivery: Delivery
    buried_at: float


class _Wrong(Exception):
    """A line is no letter. The text says why."""


def read_lines(text: str, *, from_letters: bool = False) -> list[Edited]:
    """Read an export.

    Args:
        text: JSON lines.
        from_letters: Whether each must name the letter that it came from.

    Raises:
        CommandError: Lines are wrong; it names each.
    """
    found: list[Edited] = []
    wrong: list[str] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(_edited(number, line, lines, from_letters=from_letters))
        except _Wrong as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        more = f"\n… and {len(wrong) - _MAX_TOLD} more" if len(wrong) > _MAX_TOLD else ""
        raise CommandError(
            "Nothing was sent, because lines are wrong.\n" + "\n".join(wrong[:_MAX_TOLD]) + more
        )
    return found


def _edited(number: int, line: str, lines: dict[str, int], *, from_letters: bool) -> Edited:
    try:
        letter = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"it is not JSON ({error})") from None
    if not isinstance(letter, Mapping):
        raise _Wrong("it is not an object as `dlq export` writes it")
    body = letter.get("body")
    if not isinstance(body, Mapping):
        raise _Wrong("its body is no delivery: it should be an object with event, route and accepted_at")
    letter_id = str(letter.get("message_id") or "")
    if letter_id and lines.setdefault(letter_id, number) != number:
        raise _Wrong(f"it is the letter of line {lines[letter_id]} again")
    if from_letters and not letter_id:
        raise _Wrong("it has no message_id, so its letter can't be removed")
    attributes = letter.get("attributes")
    buried = isinstance(attributes, Mapping) and "reason" in attributes
    return Edited(
        number=number,
        letter_id=letter_id,
        delivery=_delivery(body),
        buried_at=_seconds(letter.get("dead_lettered_at")) if buried else 0.0,
    )


def _delivery(body: Mapping[str, Any]) -> Delivery:
    """Read a delivery whose id need not follow from it any more, because somebody has edited it."""
    try:
        event = Event.from_dict(body["event"])
        drafted = Delivery(event, str(body["route"]), int(body["accepted_at"]))
        delivery = Delivery.from_message(json.dumps({**body, "id": drafted.id}))
    except KeyError as error:
        raise _Wrong(f"its body has no {error}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise _Wrong(f"its body is no delivery: {error}") from None
    except MalformedMessage as error:
        raise _Wrong(f"its body is refused: {error}") from None
    if not is_kind(event.kind):
        raise _Wrong(f"there are no events of the kind {event.kind!r}")
    return delivery


def _seconds(moment: object) -> float:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        raise _Wrong("its dead_lettered_at is no time") from None


class Import:
    """Sends lines to the delivery queue in the order of the file, and leaves the dead letters alone.

    Args:
        queue: The delivery queue.
        judge: Says what becomes of a delivery.
        pace: How fast.
        tell: Is told of each line that is done.

    Attributes:
        counts: `sent` (`overtaken` of them will be set aside), `settled`, `under_way` and `no_route` (not
            sent, because that would do nothing), `not_sent`, and `passed_over`: lines behind one of their
            group that could not be sent.
        troubles: What went wrong, a sentence each.
    """

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        judge: Judge,
        pace: Pace,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._queue = queue
        self._judge = judge
        self._pace = pace
        self._tell = tell
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._stuck: set[str] = set()

    def run(self, lines: Iterable[Edited]) -> None:
        """Send.

        Raises:
            ReplayStopped: SQS fails again and again.
            LedgerUnavailable: DynamoDB failed.
        """
        for line in lines:
            if line.delivery.group in self._stuck:
                self.counts["passed_over"] += 1
            else:
                self._act(line)
            self._tell()

    def _act(self, line: Edited) -> None:
        verdict = self._judge.of(line.delivery, line.buried_at)
        if verdict is Verdict.SETTLED or verdict in KEPT:
            self.counts[verdict.counted] += 1
            return
        self._pace.wait()
        copy = Copy(line.letter_id, line.delivery.to_message(), line.delivery.group)
        try:
            self._queue.put(copy, force=self._judge.force)
        except (ClientError, BotoCoreError) as error:
            self._failed(line, error)
            return
        self.counts["sent"] += 1
        self.counts["overtaken"] += verdict is Verdict.OVERTAKEN

    def _failed(self, line: Edited, error: Exception) -> None:
        self.counts["not_sent"] += 1
        self.troubles.append(f"line {line.number} could not be sent: {error}")
        self._stuck.add(line.delivery.group)
        if self.counts["not_sent"] >= MAX_FAILURES:
            raise ReplayStopped("SQS fails again and again, so nothing more was tried.")
