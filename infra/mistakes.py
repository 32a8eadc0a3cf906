"""Turns what pydantic found wrong into lines that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from infra.fields import did_you_mean

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "string_type": "should be a string",
    "int_type": "should be a whole number",
    "bool_type": "should be true or false",
    "tuple_type": 'should be a list, like ["…"]',
    "model_type": "should be an object, like {{…}}",
    "mapping_type": "should be an object, like {{…}}",
    "greater_than_equal": "should be {ge} or more",
    "less_than_equal": "should be {le} or less",
    "too_short": "is empty: leave the key out for the default",
    "too_long": "has more than {max_length} entries",
    "literal_error": "should be {expected}",
}


class SettingsError(Exception):
    """The configuration can't be used. The text is for people: a line for each mistake, with the key."""


def describe(error: ValidationError, model: type[BaseModel], key: str) -> str:
    """Write a line for each mistake. Values are not repeated: somebody may have pasted a secret.

    Args:
        error: What pydantic found.
        model: The model that was validated.
        key: The context key that it was read from.
    """
    mistakes = error.errors()
    inner = {
        mistake["loc"][: length + 1] for mistake in mistakes for length in range(len(mistake["loc"]) - 1)
    }
    # A list whose only entry is wrong is not too short as well.
    told = [mistake for mistake in mistakes if mistake["type"] != "too_short" or mistake["loc"] not in inner]
    return "\n".join(_line(mistake, model, key) for mistake in told)


def _line(mistake: Any, model: type[BaseModel], key: str) -> str:
    location = [part for part in mistake["loc"] if part != "[key]"]
    path = key + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    context = mistake.get("ctx", {})
    if mistake["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        return (
            f"{path} is not a known key{did_you_mean(str(location[-1]), known)}; known: {', '.join(known)}."
        )
    if mistake["type"] == "value_error":
        return f"{path} {context['error']}."
    sentence = _SENTENCES.get(mistake["type"])
    return f"{path} {sentence.format(**context)}." if sentence else f"{path}: {mistake['msg']}."


def _keys_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    for part in location:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel]:
    """Find the model inside `tuple[Model, ...]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_model_in(part) for part in get_args(annotation) if part not in (type(None), Ellipsis))
