"""Explains what would become of an event: which routes take it, why others don't, and what GitHub gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from functions.core.delivery import Delivery, MalformedMessage
from functions.core.event import Event
from functions.core.routing import objection
from functions.core.settings import RelaySettings, Route
from functions.dispatch.github import wire
from functions.dispatch.request import Unshapeable, shape
from functions.ingest.events import ID_HEADER
from functions.ingest.http import Malformed, Request
from functions.ingest.sender import Ignored
from functions.ingest.senders import SENDERS
from modelrelay.errors import CommandError

_MARKS: Final[Mapping[str, frozenset[str]]] = {
    "databricks": frozenset({"event", "webhook_id"}),
    "mlflow": frozenset({"entity", "action", "data"}),
    "databricks-jobs": frozenset({"event_type", "run"}),
    "events": frozenset({"type", "data"}),
}
"""What a sender's bodies are recognised by, where nobody names the sender."""

_MESSAGE: Final = frozenset({"format", "event", "route"})
"""A message of the queue, or a dead letter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What GitHub would be asked."""

    method: str
    url: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route says to an event.

    Attributes:
        route: The route's name.
        objection: Why it does not take the event; empty where it does.
        delivery: The delivery's id, where it does.
        asked: What GitHub would be asked.
        dead_letter: Why nothing could be asked, and the event would be a dead letter.
    """

    route: str
    objection: str = ""
    delivery: str = ""
    asked: Asked | None = None
    dead_letter: str = ""


def read(body: bytes, sender: str | None, now: float) -> Event | Ignored:
    """Read an event as ingest does: a sender's body, or a message of the queue.

    Args:
        body: What the sender would post, unsigned.
        sender: Whose body it is; None finds out.
        now: Seconds since the epoch.

    Raises:
        CommandError: It can't be understood; the text says where.
    """
    keys = _keys(body)
    if sender is None and keys >= _MESSAGE:
        return _message(body)
    name = sender or next((name for name, marks in _MARKS.items() if keys >= marks), None)
    if name is None or name not in SENDERS:
        known = ", ".join(SENDERS)
        raise CommandError(f"Whose event this is can't be told. Name the sender with --sender: {known}.")
    request = Request("POST", f"/{name}", {ID_HEADER: "explained"}, body, "127.0.0.1")
    try:
        return SENDERS[name].parse(request, now)
    except Malformed as error:
        raise CommandError(f"Ingest would answer 400: {error}") from None


def explain(event: Event, settings: RelaySettings, now: float) -> list[Answer]:
    """Ask every route about an event, in the order of the configuration."""
    return [_answer(event, route, settings, now) for route in settings.routes]


def _answer(event: Event, route: Route, settings: RelaySettings, now: float) -> Answer:
    why = objection(route, event)
    if why:
        return Answer(route.name, objection=why)
    delivery = Delivery(event, route.name, int(now * 1000))
    try:
        path, body = wire(shape(delivery, route), settings.github)
    except Unshapeable as error:
        return Answer(route.name, delivery=delivery.id, dead_letter=f"{error.reason}: {error.detail}")
    asked = Asked("POST", settings.github.api_url + path, body)
    return Answer(route.name, delivery=delivery.id, asked=asked)


def _keys(body: bytes) -> frozenset[str]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CommandError("The event is not a JSON object.")
    return frozenset(content)


def _message(body: bytes) -> Event:
    try:
        return Delivery.from_message(body.decode()).event
    except MalformedMessage as error:
        raise CommandError(f"Dispatch would refuse this message: {error}.") from None
