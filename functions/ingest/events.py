"""Our own signed event, which anything can send, by the Standard Webhooks scheme (docs/senders.md).

Source: the Standard Webhooks specification: `webhook-id`, `webhook-timestamp` and `webhook-signature`, and a
body of `type`, `timestamp` and `data`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields as attributes
from dataclasses import replace
from typing import Any, Final

from functions.core.event import ALIAS_DELETED, JOB_PREFIX, KINDS, Event, fields_of, identify, is_kind
from functions.ingest.http import Malformed, Request, SecretUnusable
from functions.ingest.parsing import (
    identifier,
    instant,
    json_object,
    mapping,
    optional_number,
    optional_text,
    tags,
    text,
)
from functions.ingest.sender import Ignored, Sender
from functions.ingest.signature import Proof

ID_HEADER: Final = "webhook-id"
_TIME_HEADER: Final = "webhook-timestamp"
_SIGNATURE_HEADER: Final = "webhook-signature"
_PREFIX: Final = "whsec_"
_SIGNATURES: Final = re.compile(r"v\w+,[A-Za-z0-9+/=]+( v\w+,[A-Za-z0-9+/=]+)*")

IDENTIFIERS: Final = ("workspace_id", "job_id", "run_id", "parent_run_id")
"""The fields of `data` that may be texts or whole numbers."""

NUMBER: Final = "version"
TAGS: Final = "tags"

_OPTIONAL: Final = frozenset(
    {"workspace_id", "from_stage", "run_id", "job_name", "parent_run_id", "task_key"}
)


def required(kind: str) -> tuple[str, ...]:
    """Give the fields that `data` must have: those without which an event of the kind says too little."""
    lacking = {*_OPTIONAL, NUMBER} if kind == ALIAS_DELETED else _OPTIONAL
    return tuple(field for field in fields_of(kind) if field not in lacking)


def verify(request: Request, secrets: Sequence[str], now: float) -> bool:
    """Check the signatures of id, time and body."""
    headers = request.headers
    proof = Proof(
        headers.get(ID_HEADER, ""),
        headers.get(_TIME_HEADER, ""),
        _signatures(headers.get(_SIGNATURE_HEADER, "")),
    )
    return proof.holds(request.body, _keys(secrets), now)


def parse(request: Request, _now: float) -> Event | Ignored:
    """Read an event.

    Raises:
        Malformed: It is not as docs/event.schema.json says.
    """
    content = json_object(request.body)
    kind = text(content, "type")
    if not is_kind(kind):
        raise Malformed(f"'type' is not a kind of event; known: {', '.join(KINDS)}, {JOB_PREFIX}*.")
    data = mapping(content, "data")
    values = {field: _value(data, field) for field in fields_of(kind)}
    for field in required(kind):
        if not values[field]:
            raise Malformed(f"'data.{field}' is missing; {kind} needs it.")
    event = Event(
        source=SENDER.name,
        kind=kind,
        name=kind,
        fact="",
        occurred_at=instant(content, "timestamp"),
        tags=tags(data, TAGS),
        **values,
    )
    return replace(event, fact=_fact(event, request))


def _value(data: Mapping[str, Any], field: str) -> str | None:
    if field == NUMBER:
        return optional_number(data, field)
    return identifier(data, field) if field in IDENTIFIERS else optional_text(data, field)


def _fact(event: Event, request: Request) -> str:
    """Identify an act: the id that the sender gave it, and what happened.

    The id alone would do where every sender gives each act its own. One that does not must not lose an event.
    When it happened is left out: a sender that tries again may tell the time anew.
    """
    told = [
        getattr(event, each.name) for each in attributes(event) if each.name not in {"fact", "occurred_at"}
    ]
    return identify(request.headers[ID_HEADER], *told)


def _signatures(header: str) -> list[str]:
    """Split the header; one of any other form, such as a header that was sent twice, has none."""
    return header.split(" ") if _SIGNATURES.fullmatch(header) else []


def _keys(secrets: Sequence[str]) -> list[bytes]:
    """Decode the secrets, which Standard Webhooks writes as base64, with or without `whsec_` before it.

    Raises:
        SecretUnusable: None of them is one.
    """
    keys = [key for key in map(_key, secrets) if key]
    if not keys:
        raise SecretUnusable
    return keys


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return b""


SENDER: Final = Sender("events", {}, verify, parse, proof=(ID_HEADER, _TIME_HEADER, _SIGNATURE_HEADER))
