"""Databricks' Workspace Model Registry webhooks.

Source: docs.databricks.com/aws/en/mlflow/model-registry-webhooks. Only three of the twelve payloads are
documented, so nothing is required but what every payload has: `event`, `webhook_id`, `event_timestamp`
and `model_name`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from functions.core import event as kinds
from functions.core.event import Event, identify
from functions.ingest.http import Malformed, Request
from functions.ingest.parsing import (
    json_object,
    milliseconds,
    optional_number,
    optional_text,
    plain_text,
    storable,
    text,
)
from functions.ingest.sender import UNKNOWN_EVENT, Ignored, Sender

_NAME: Final = "databricks"
_SIGNATURE_HEADER: Final = "x-databricks-signature"

# Event name → (kind, the stage that the name itself states). Several names tell of one act; a webhook
# subscribed to more than one of them delivers the act more than once.
_ACTS: Final[Mapping[str, tuple[str, str | None]]] = {
    "REGISTERED_MODEL_CREATED": (kinds.MODEL_CREATED, None),
    "MODEL_VERSION_CREATED": (kinds.VERSION_CREATED, None),
    "MODEL_VERSION_TRANSITIONED_STAGE": (kinds.STAGE_TRANSITIONED, None),
    "MODEL_VERSION_TRANSITIONED_TO_STAGING": (kinds.STAGE_TRANSITIONED, "Staging"),
    "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION": (kinds.STAGE_TRANSITIONED, "Production"),
    "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED": (kinds.STAGE_TRANSITIONED, "Archived"),
    "TRANSITION_REQUEST_CREATED": (kinds.TRANSITION_REQUESTED, None),
    "TRANSITION_REQUEST_TO_STAGING_CREATED": (kinds.TRANSITION_REQUESTED, "Staging"),
    "TRANSITION_REQUEST_TO_PRODUCTION_CREATED": (kinds.TRANSITION_REQUESTED, "Production"),
    "TRANSITION_REQUEST_TO_ARCHIVED_CREATED": (kinds.TRANSITION_REQUESTED, "Archived"),
    "MODEL_VERSION_TAG_SET": (kinds.TAG_SET, None),
    "COMMENT_CREATED": (kinds.COMMENTED, None),
}

EVENTS: Final = {name: kind for name, (kind, _) in _ACTS.items()}

_TEST_TEXT: Final = "A test webhook trigger for"
"""How the text of a test delivery starts. Nothing else is ever read from `text`: it is prose."""


def verify(request: Request, secrets: Sequence[str], _now: float) -> bool:
    """Check the hex HMAC-SHA256 of the raw body against each secret.

    Bytes are compared with bytes: the vendor's printed verifier compares text and fails on Python 3.
    Every secret is tried whatever the result, so that time tells nothing.
    """
    given = request.headers.get(_SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(given, _signature(secret, request.body)) for secret in secrets]
    return any(matches)


def parse(request: Request, _now: float) -> Event | Ignored:
    """Read a registry event.

    Raises:
        Malformed: A field that every payload has is missing, or one that is there is of the wrong type.
    """
    fields = json_object(request.body)
    name = text(fields, "event")
    text(fields, "webhook_id")
    occurred_at = milliseconds(fields, "event_timestamp")
    model_name = text(fields, "model_name")
    if not model_name or str(fields.get("text", "")).startswith(_TEST_TEXT):
        return Ignored(
            "test-delivery",
            "This is a test delivery: its signature is right and it names nothing to deploy, so no "
            "workflow was started. Real events will be delivered.",
        )
    if name not in EVENTS:
        return UNKNOWN_EVENT
    return _event(fields, name, model_name, occurred_at)


def _event(fields: Mapping[str, Any], name: str, model_name: str, occurred_at: str) -> Event:
    kind, stage_in_name = _ACTS[name]
    version = optional_number(fields, "version")
    from_stage = optional_text(fields, "from_stage")
    to_stage = optional_text(fields, "to_stage") or stage_in_name
    tags = _tags(fields)
    comment = _comment(fields)
    return Event(
        source=_NAME,
        kind=kind,
        name=name,
        # What happened to which version at which millisecond. Neither the event's name nor the webhook's id
        # belongs to it: one act must start one workflow, however many webhooks report it. Tags and comments
        # tell acts apart that set them, and only those: two of them can happen within a millisecond.
        fact=identify(
            _NAME,
            kind,
            model_name,
            version,
            from_stage,
            to_stage,
            occurred_at,
            tags if kind == kinds.TAG_SET else {},
            comment if kind == kinds.COMMENTED else None,
        ),
        model_name=model_name,
        version=version,
        from_stage=from_stage,
        to_stage=to_stage,
        occurred_at=occurred_at,
        tags=tags,
    )


def _comment(fields: Mapping[str, Any]) -> str | None:
    comment = fields.get("comment")
    if not isinstance(comment, str | None):
        raise Malformed("'comment' is not a string.")
    return comment


def _tags(fields: Mapping[str, Any]) -> dict[str, str]:
    """Read the list of `{key, value}`; a value that is not plain text is left to the sender to mend."""
    listed = fields.get("tags")
    if listed is None:
        return {}
    if not isinstance(listed, list) or not all(isinstance(tag, dict) for tag in listed):
        raise Malformed("'tags' is not a list of objects.")
    pairs = [(tag.get("key"), tag.get("value")) for tag in listed]
    if not all(plain_text(key) and storable(value) for key, value in pairs):
        raise Malformed("'tags' holds something that is not a key and a value.")
    return dict(pairs)


def _signature(secret: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), body, "sha256").hex().encode()


SENDER: Final = Sender(_NAME, EVENTS, verify, parse, proof=(_SIGNATURE_HEADER,))
