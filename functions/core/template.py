"""The `${…}` templates from which a route's inputs, or its payload, are made.

`${field}` stands for a field of the event, `${tags.KEY}` for one tag, `${field:-fallback}` for the field
or, where the event has none, the fallback (as in a shell), and `$$` for a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from functions.core.delivery import Delivery

ALWAYS: Final = ("occurred_at", "source", "kind", "name", "delivery_id", "route")
"""What every delivery has a value for."""

SOMETIMES: Final = (
    "model_name",
    "version",
    "from_stage",
    "to_stage",
    "alias",
    "workspace_id",
    "job_id",
    "job_name",
    "run_id",
    "parent_run_id",
    "task_key",
)
"""What depends on the kind of event, and on the sender."""

FIELDS: Final = (*SOMETIMES, *ALWAYS)
"""What a template may name, besides `tags.KEY`."""

_PART: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<field>[^{}:]+)(?::-(?P<fallback>[^{}]*))?\}|(?P<stray>))"
)


class TemplateError(ValueError):
    """A template that can never be rendered. Raised when the configuration is read."""


class MissingField(LookupError):
    """The event has no value for a field that a template names without a fallback. Raised at dispatch."""


def check(template: str) -> None:
    """Refuse a template that is malformed or names an unknown field.

    Raises:
        TemplateError: The text names the mistake and what would be right.
    """
    for part in _PART.finditer(template):
        if part["stray"] is not None:
            raise TemplateError("has a $ that starts no ${field}; write $$ for a dollar sign")
        field = part["field"]
        if field and field not in FIELDS and not field.startswith("tags."):
            raise TemplateError(f"names the unknown field ${{{field}}}; known: {', '.join(FIELDS)}, tags.KEY")


def needs(template: str) -> frozenset[str]:
    """Give the fields without which a template can't be rendered."""
    return frozenset(
        part["field"] for part in _PART.finditer(template) if part["field"] and part["fallback"] is None
    )


def texts(content: Any) -> Iterator[str]:
    """Give every text in JSON, keys left out."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from texts(value)


def fill(content: Any, values: Mapping[str, str | None]) -> Any:
    """Fill every template in JSON, and leave what is no text as it is.

    Raises:
        MissingField: A field without fallback has no value; the text is the field's name.
    """
    if isinstance(content, str):
        return render(content, values)
    if isinstance(content, Mapping):
        return {key: fill(value, values) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [fill(value, values) for value in content]
    return content


def render(template: str, values: Mapping[str, str | None]) -> str:
    """Fill a template that `check` accepts.

    Raises:
        MissingField: A field without fallback has no value; the text is the field's name.
    """

    def value_of(part: re.Match[str]) -> str:
        if part["dollar"]:
            return "$"
        value = values.get(part["field"])
        value = part["fallback"] if value is None else value
        if value is None:
            raise MissingField(part["field"])
        return value

    return _PART.sub(value_of, template)


def values_of(delivery: Delivery) -> dict[str, str | None]:
    """Give every value that a template may name, for one delivery."""
    event = delivery.event
    return {
        **{field: getattr(event, field) for field in SOMETIMES},
        "occurred_at": event.occurred_at,
        "source": event.source,
        "kind": event.kind,
        "name": event.name,
        "delivery_id": delivery.id,
        "route": delivery.route,
        **{f"tags.{key}": value for key, value in event.tags.items()},
    }
