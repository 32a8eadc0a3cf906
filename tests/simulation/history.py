"""What is remembered of a world for judging it: who accepted what, who was told what, what was written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from functions.core.delivery import Delivery
from tests.simulation.line import Call
from tests.simulation.sqs import Message, Queue
from tests.simulation.wire import Fate

REPLAY: Final = "replay-"
"""How the deduplication ids begin that the operator makes up."""

GATE_KEY: Final = "gate#"
_EXPECTED_ERRORS: Final = frozenset(
    {"ClientError", "ConnectTimeoutError", "EndpointConnectionError", "ReadTimeoutError"}
)


@dataclass(slots=True)
class Sent:
    """A message that was put onto the delivery queue.

    Attributes:
        order: Its place among all messages.
        by_person: Whether the operator replayed it.
        forced: Whether the operator said that it is to be dispatched whatever came after it.
    """

    order: int
    at: float
    delivery: Delivery
    by_person: bool
    forced: bool


@dataclass(slots=True)
class Letter:
    """A message that was put among the dead letters."""

    at: float
    delivery: str
    reason: str
    message: Message


@dataclass(slots=True)
class Limit:
    """GitHub asked for silence, and its caller heard it.

    Attributes:
        recorded: When the caller had told the others.
        excuse: Why it could not: it died, or the write was made to fail.
    """

    call: Call
    recorded: float | None = None
    excuse: str = ""


@dataclass(slots=True)
class History:
    """Everything that is remembered. Times are epoch seconds."""

    clock: Callable[[], float]
    accepted: dict[str, float] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    undecided: set[str] = field(default_factory=set)

    def defect(self, what: str) -> None:
        """Note that the functions call something in a way in which it can't be called."""
        self.defects.append(what)

    def aws(self, who: str, operation: str, key: str, fate: Fate) -> None:
        """Note one try of a call to AWS."""
        if fate.name:
            self.faults[fate.name] += 1
        if fate.error and GATE_KEY in key:
            self._excuse(who, f"its write of the gate failed: {fate.name}")

    def wrote(self, who: str, operation: str, key: str) -> None:
        """Note that a call to AWS took effect."""
        if GATE_KEY in key and operation != "get_item":
            for limit in self.limits:
                if limit.call.task.name == who and limit.recorded is None:
                    limit.recorded = self.clock()

    def heard(self, call: Call) -> None:
        """Note that a caller heard from GitHub."""
        if call.passage.name:
            self.faults[call.passage.name.split(" {")[0]] += 1
        if call.limited_until:
            self.limits.append(Limit(call))

    def killed(self, who: str, about: tuple[str, ...]) -> None:
        """Note that an invocation died or ran out of time, and which deliveries it had at hand."""
        self.deaths.update(about)
        self._excuse(who, "it died")

    def stored(self, queue: Queue, message: Message) -> None:
        """Note that a queue took a message."""
        delivery = _delivery(message)
        if queue.dead_letters is None:
            reason = message.attributes.get("reason", {}).get("StringValue", "")
            self.letters.append(Letter(message.sent_at, delivery.id if delivery else "", reason, message))
        elif delivery:
            by_person = message.deduplication.startswith(REPLAY)
            forced = message.attributes.get("force", {}).get("StringValue") == "true"
            self.sent.append(Sent(message.number, message.sent_at, delivery, by_person, forced))

    def answered(self, status: int, content: Mapping[str, Any]) -> None:
        """Note what ingest answered."""
        self.outcomes[f"ingest {status}"] += 1
        for stored in content.get("deliveries", ()) if status == 202 else ():
            self.accepted.setdefault(stored["id"], self.clock())

    def logged(self, message: str, fields: Mapping[str, Any]) -> None:
        """Note a log line of dispatch."""
        outcome = str(fields.get("outcome", message))
        self.outcomes[outcome] += 1
        if fields.get("look_up") == "Undecided":
            self.undecided.add(str(fields["delivery"]))
        if outcome == "Failed" and fields.get("error") not in _EXPECTED_ERRORS:
            self.defect(
                f"an attempt failed with {fields.get('error')}: {json.dumps(dict(fields), default=str)}"
            )

    def _excuse(self, who: str, why: str) -> None:
        for limit in self.limits:
            if limit.call.task.name == who and limit.recorded is None:
                limit.excuse = why


def _delivery(message: Message) -> Delivery | None:
    try:
        return Delivery.from_message(message.body)
    except Exception:  # noqa: BLE001 - whatever it is, it is no delivery
        return None
