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


def event_schema() -> dict[str, Any]:
    """Give the schema (draft 2020-12). Ingest takes what is valid by it, if it is signed."""
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
                "type": "string",
                "format": "date-time",
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
    text = {"type": "string", "maxLength": MAX_NAME, "pattern": "^[^\\u0000-\\u001f\\u007f]*$"}
    if name == TAGS:
        return {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
    if name == NUMBER:
        return {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}, _NOTHING]
        }
    return {"anyOf": [text, *([{"type": "integer"}] if name in IDENTIFIERS else []), _NOTHING]}


_NOTHING: Final = {"type": "null"}
