"""The JSON Schema of our own event (`POST /events`), made from what ingest checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.core.event import KINDS, fields_of
from functions.ingest.events import IDENTIFIERS, NUMBER, TAGS, required
from functions.ingest.parsing import MAX_NAME

_WORDS: Final[Mapping[str, str]] = {
    "model_name": "The registered model; of Unity Catalog all three levels.",
    "version": "The model version: a whole number, or its digits.",
    "from_stage": "The stage left.",
    "to_stage": "The stage entered, or asked for.",
    "alias": "The alias set or deleted.",
    "workspace_id": "The workspace of the model or job.",
    "job_id": "The job.",
    "job_name": "The job's name.",
    "run_id": "The job's run, or the run that made the model version.",
    "parent_run_id": "The job's run, where run_id is a task's.",
    "task_key": "The task.",
    "tags": "The tags set or deleted, or those that the model has.",
}


# What ingest's readers (functions/ingest/parsing.py) take, said with means that every validator has: Rust's
# regular expressions know neither look-ahead nor surrogates.
TEXT: Final = {
    "type": "string",
    "maxLength": MAX_NAME,
    "pattern": "^[^\\u0000-\\u001f\\u007f\\ufffe\\uffff]*$",
}
INTEGER: Final = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
WHOLE_NUMBER: Final = (
    {**INTEGER, "minimum": 0},
    {"type": "string", "maxLength": MAX_NAME, "pattern": "^[0-9]+$"},
)
MOMENT: Final = {
    "type": "string",
    "format": "date-time",
    # RFC 3339 has small letters, leap seconds and the year 0 too, and there is no time with them here.
    "pattern": "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\\.[0-9]{1,9})?"
    "(Z|[+-][0-9]{2}:[0-9]{2})$",
}
PROSE: Final = {"type": "string", "pattern": "^[^\\ufffe\\uffff]*$"}
TAG_OBJECT: Final = {
    "type": "object",
    "propertyNames": {"pattern": TEXT["pattern"]},
    "additionalProperties": PROSE,
}
NOTHING: Final = {"type": "null"}


def event_schema() -> dict[str, Any]:
    """Give the schema (draft 2020-12). Ingest takes what is valid by it, if it is signed.

    A schema can't tell `3` from `3.0`, which ingest refuses, nor speak of half a surrogate pair.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Model Relay event",
        "description": "The body of POST /events, signed by the Standard Webhooks scheme.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {
                "description": "What happened.",
                "anyOf": [{"enum": [*KINDS]}, {"type": "string", "pattern": "^job\\.[a-z][a-z0-9_]{0,99}$"}],
            },
            "timestamp": {
                "description": "When it happened, by ISO 8601 with its offset from UTC.",
                **MOMENT,
            },
            "data": {
                "description": "What it happened to. Which fields are needed depends on the type.",
                "type": "object",
                "properties": {name: _field(name) | {"description": words} for name, words in _WORDS.items()},
            },
        },
        "allOf": [
            *(_needs({"enum": [kind]}, kind) for kind in KINDS if not kind.startswith("job.")),
            _needs({"pattern": "^job\\."}, "job.started"),
        ],
    }


def _needs(kinds: dict[str, Any], kind: str) -> dict[str, Any]:
    """Say what `data` needs for some kinds; what it may have besides is passed over."""
    used = fields_of(kind)
    needed = [*required(kind)]
    filled = {name: {"not": {"enum": ["", None]}} for name in needed}
    return {
        "if": {"properties": {"type": kinds}},
        "then": {
            "$comment": f"Read: {', '.join([*used, TAGS])}.",
            "properties": {"data": {"required": needed, "properties": filled}},
        },
    }


def _field(name: str) -> dict[str, Any]:
    if name == TAGS:
        return {**TAG_OBJECT, "type": ["object", "null"]}
    if name == NUMBER:
        return {"anyOf": [*WHOLE_NUMBER, NOTHING]}
    return {"anyOf": [TEXT, *([INTEGER] if name in IDENTIFIERS else []), NOTHING]}
