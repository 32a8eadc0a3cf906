"""Webhooks of MLflow's own registry, from 3.3 on.

Source: "Webhooks", MLflow's documentation, and `mlflow.webhooks` of 3.3 to 3.18. There is no event for a
stage's transition: MLflow's people deploy by alias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from functions.core import event as kinds
from functions.core.event import Event, identify
from functions.ingest.http import Malformed, Request
from functions.ingest.parsing import (
    instant,
    json_object,
    mapping,
    optional_number,
    optional_text,
    tags,
    text,
)
from functions.ingest.sender import UNKNOWN_EVENT, Ignored, Sender
from functions.ingest.signature import Proof

EVENTS: Final[Mapping[str, str]] = {
    "registered_model.created": kinds.MODEL_CREATED,
    "model_version.created": kinds.VERSION_CREATED,
    "model_version_tag.set": kinds.TAG_SET,
    "model_version_tag.deleted": kinds.TAG_DELETED,
    "model_version_alias.created": kinds.ALIAS_SET,
    "model_version_alias.deleted": kinds.ALIAS_DELETED,
    "prompt.created": kinds.PROMPT_CREATED,
    "prompt_version.created": kinds.PROMPT_VERSION_CREATED,
    "prompt_tag.set": kinds.PROMPT_TAG_SET,
    "prompt_tag.deleted": kinds.PROMPT_TAG_DELETED,
    "prompt_version_tag.set": kinds.PROMPT_VERSION_TAG_SET,
    "prompt_version_tag.deleted": kinds.PROMPT_VERSION_TAG_DELETED,
    "prompt_alias.created": kinds.PROMPT_ALIAS_SET,
    "prompt_alias.deleted": kinds.PROMPT_ALIAS_DELETED,
    "budget_policy.exceeded": kinds.BUDGET_EXCEEDED,
}

_ID_HEADER: Final = "x-mlflow-delivery-id"
_TIME_HEADER: Final = "x-mlflow-timestamp"
_SIGNATURE_HEADER: Final = "x-mlflow-signature"

_SAMPLE_NAMES: Final = frozenset({"example_model", "example_prompt", "bp-abc123"})
_SAMPLE_VALUES: Final[Mapping[str, Any]] = {
    "version": "1",
    "alias": "example_alias",
    "key": "example_key",
    "value": "example_value",
    "tags": {"example_key": "example_value"},
    "run_id": "abcd1234abcd5678",
    "budget_amount": 100.0,
    "current_spend": 105.5,
}
"""What the samples of `test_webhook` say. They are signed and marked by nothing else."""


def verify(request: Request, secrets: Sequence[str], now: float) -> bool:
    """Check the signature of id, time and body."""
    headers = request.headers
    proof = Proof(
        headers.get(_ID_HEADER, ""),
        headers.get(_TIME_HEADER, ""),
        [headers.get(_SIGNATURE_HEADER, "")],
    )
    return proof.holds(request.body, [secret.encode() for secret in secrets], now)


def parse(request: Request, _now: float) -> Event | Ignored:
    """Read an event of the registry.

    Raises:
        Malformed: A field that every payload has is missing, or one that is there is of the wrong type.
    """
    fields = json_object(request.body)
    name = f"{text(fields, 'entity')}.{text(fields, 'action')}"
    data = mapping(fields, "data")
    if name not in EVENTS:
        return UNKNOWN_EVENT
    if _is_sample(data):
        return Ignored(
            "test-delivery",
            "This is MLflow's test delivery: its signature is right and it names a made-up model, so no "
            "workflow was started. Real events will be delivered.",
        )
    return _event(fields, name, data)


def _event(fields: Mapping[str, Any], name: str, data: Mapping[str, Any]) -> Event:
    kind = EVENTS[name]
    is_about_budget = kind == kinds.BUDGET_EXCEEDED
    event = Event(
        source=SENDER.name,
        kind=kind,
        name=name,
        fact="",
        occurred_at=instant(fields, "timestamp"),
        model_name=None if is_about_budget else _name(data),
        version=optional_number(data, "version"),
        alias=optional_text(data, "alias"),
        run_id=optional_text(data, "run_id"),
        workspace_id=optional_text(fields, "workspace") or optional_text(data, "workspace"),
        tags=_tags(data),
    )
    return replace(event, fact=_fact(event, fields, data))


def _fact(event: Event, fields: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Identify an act: what the body says of it, with its time to the microsecond.

    The delivery's id does not belong to it: a retry repeats the body, time included, and an alias that is set
    once more is another act, at another time.
    """
    return identify(
        event.source,
        event.kind,
        event.workspace_id,
        event.model_name or text(data, "budget_policy_id"),
        event.version,
        event.alias,
        event.tags,
        instant(fields, "timestamp", "microseconds"),
    )


def _name(data: Mapping[str, Any]) -> str:
    name = text(data, "name")
    if not name:
        raise Malformed("'data.name' is empty.")
    return name


def _tags(data: Mapping[str, Any]) -> dict[str, str]:
    """Read the tag that was set or deleted, or those that came with a model or version."""
    key = optional_text(data, "key")
    return tags(data, "tags") if key is None else tags({"tag": {key: data.get("value", "")}}, "tag")


def _is_sample(data: Mapping[str, Any]) -> bool:
    """Tell whether everything that tells a sample is as a sample tells it."""
    named = data.get("name", data.get("budget_policy_id"))
    return (
        isinstance(named, str)
        and named in _SAMPLE_NAMES
        and all(data[key] == value for key, value in _SAMPLE_VALUES.items() if key in data)
    )


SENDER: Final = Sender("mlflow", EVENTS, verify, parse, proof=(_ID_HEADER, _TIME_HEADER, _SIGNATURE_HEADER))
