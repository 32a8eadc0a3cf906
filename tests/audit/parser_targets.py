"""The senders' parsers: whatever comes is read as an event that can be carried, or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields as attributes
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from functions.core.delivery import Delivery
from functions.core.event import Event, is_kind
from functions.core.template import values_of
from functions.ingest.http import Malformed, Request
from functions.ingest.parsing import MAX_NAME
from functions.ingest.sender import Ignored, Sender
from functions.ingest.senders import SENDERS
from modelrelay.openapi import DESCRIPTIONS

from ..unit.samples import NOW
from .target import Target, given, hold, of_kind, silent

FIXTURES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "webhooks.json").read_bytes()
)
_SENDERS: Final = {"databricks-registry": "databricks", "mlflow-oss": "mlflow"}
_SAME: Final[Mapping[str, Mapping[str, Any]]] = {
    "databricks": {"webhook_id": "another webhook", "text": "other words"},
    "mlflow": {"x-unknown": [1]},
    "databricks-jobs": {"x-unknown": [1]},
    "events": {"x-unknown": [1], "timestamp": "2026-11-22T20:22:11Z"},
}
"""What two reports of one act may differ by."""

_SUBJECT: Final = {
    "databricks": ("model_name",),
    "mlflow": ("data", "name"),
    "databricks-jobs": ("run", "run_id"),
}
"""What two acts differ by, for example."""


def payloads(sender: str) -> list[dict[str, Any]]:
    """Give a sender's documented bodies, those of the OpenAPI description among them."""
    seen = [each["payload"] for each in FIXTURES if _SENDERS.get(each["sender"], each["sender"]) == sender]
    return [dict(DESCRIPTIONS[sender].example), *seen]


def request(sender: str, body: bytes, headers: Mapping[str, str] | None = None) -> Request:
    """Give a request to a sender's path."""
    return Request("POST", f"/{sender}", headers or {"webhook-id": "msg-1"}, body, "192.0.2.7")


def check_parser(sender: Sender, body: bytes) -> None:
    """Read a body: it becomes an event that the rest of the way can carry, or is refused without a quote."""
    try:
        read = sender.parse(request(sender.name, body), NOW)
    except Malformed as error:
        silent(str(error), {**given(body), "type": "a kind, which is nobody's prose"})
        hold(not valid(sender.name, body), f"what the schema allows is refused: {error}")
        return
    if isinstance(read, Ignored):
        silent(read.why, given(body))
        return
    sound(read)
    hold(sender.parse(request(sender.name, body), NOW) == read, "read again it is another event")
    same(sender, body, read)


def sound(event: Event) -> None:
    """Have an event be one that every part of the way can carry."""
    delivery = Delivery(event, "everything", int(NOW * 1000))
    hold(Delivery.from_message(delivery.to_message()) == delivery, "read back it is another delivery")
    delivery.to_message().encode()
    of_kind(delivery.id, "[0-9a-f]{32}", "the id is none")
    of_kind(event.occurred_at, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "its time is none")
    of_kind(event.version or "0", "0|[1-9][0-9]*", "its version is not digits without zeros before them")
    hold(is_kind(event.kind), "its kind is none")
    for each in attributes(event):
        value = getattr(event, each.name)
        hold(not isinstance(value, str) or len(value) <= MAX_NAME, f"{each.name} is too long for a log line")
    hold(values_of(delivery)["delivery_id"] == delivery.id, "a template sees another delivery")


def same(sender: Sender, body: bytes, event: Event) -> None:
    """Have another report of the act be the same fact, and another act another one."""
    content = given(body)
    other = dict(reversed(list({**content, **_SAME[sender.name]}.items())))
    try:
        again, different = written(other), written(_another(sender.name, content))
    except (ValueError, RecursionError):  # 1e400, or nested too deep: it can be read, and not written
        return
    hold(_fact(sender, again, "msg-1") == event.fact, "another report of it is another fact")
    if sender.name != "mlflow" or event.model_name:  # A budget has no model.
        hold(_fact(sender, different, "msg-2") != event.fact, "another act is the same fact")


def _another(sender: str, content: Any) -> Any:
    """Give an act at another model or run; of our own event the id tells it already."""
    *path, last = _SUBJECT.get(sender, ("type",))
    place = content
    for step in path:
        place = place[step]
    changed = {**place, last: f"{place.get(last)}x"} if sender in _SUBJECT else place
    return {**content, path[0]: changed} if path else changed


def written(content: Any) -> bytes:
    """Write JSON, and raise for what JSON has no number for."""
    return json.dumps(content, allow_nan=False).encode()


def _fact(sender: Sender, body: bytes, number: str) -> str:
    try:
        read = sender.parse(request(sender.name, body, {"webhook-id": number}), NOW + 3600)
    except Malformed:
        return "none"
    return read.fact if isinstance(read, Event) else "none"


@cache
def _validator(sender: str) -> Any:
    """Give a validator that reads patterns as ECMA 262 does: in Python `$` also fits before a line's end."""
    # Imported here: it takes seconds where all of its formats are installed, and few targets need it.
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators  # noqa: PLC0415

    def pattern(_validator: Any, wanted: str, instance: Any, _schema: Any) -> Any:
        if isinstance(instance, str) and not re.search(
            wanted.removesuffix("$") + r"\Z" * wanted.endswith("$"), instance
        ):
            yield ValidationError("does not match")

    extend: Any = validators.extend  # jsonschema leaves it untyped
    return extend(Draft202012Validator, {"pattern": pattern})(
        DESCRIPTIONS[sender].body, format_checker=FormatChecker()
    )


def valid(sender: str, body: bytes) -> bool:
    """Tell whether a body is valid by the published schema, as far as a schema can tell.

    It can't tell `3` from `3.0`, nor refuse half a surrogate pair, which UTF-8 has not.
    """
    content = given(body)
    if any(key not in content for key in DESCRIPTIONS[sender].body["required"]):
        return False
    try:
        body.decode()
        plain = json.dumps(json.loads(body, parse_float=_refuse, parse_constant=_refuse), ensure_ascii=False)
        plain.encode()
    except (ValueError, RecursionError):
        return False
    return bool(_validator(sender).is_valid(content))


def _refuse(_text: str) -> None:
    raise ValueError


def targets() -> list[Target]:
    """Give a target for each sender's parser."""
    return [
        Target(f"parse-{name}", [written(each) for each in payloads(name)], partial(check_parser, sender))
        for name, sender in SENDERS.items()
    ]
