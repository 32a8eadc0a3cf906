"""The `${…}` templates from which a route's inputs are made.

`${field}` stands for a field of the event, `${tags.KEY}` for one tag, `${field:-fallback}` for the field
or, where the event has none, the fallback (as in a shell), and `$$` for a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from functions.core.delivery import Delivery

FIELDS: Final = (
    "model_name",
    "version",
    "from_stage",
    "to_stage",
    "alias",
    "occurred_at",
    "source",
    "kind",
    "name",
    "delivery_id",
    "route",
)
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


def render(template: str, values: Mapping[str, str | None]) -> str:
    """Fill a template that `check` accepts.

    Raises:
        MissingField: A field without fallback has no value; the text is the field's name.
    """

    def fill(part: re.Match[str]) -> str:
        if part["dollar"]:
            return "$"
        value = values.get(part["field"])
        value = part["fallback"] if value is None else value
        if value is None:
            raise MissingField(part["field"])
        return value

    return _PART.sub(fill, template)


def values_of(delivery: Delivery) -> dict[str, str | None]:
    """Give every value that a template may name, for one delivery."""
    event = delivery.event
    return {
        "model_name": event.model_name,
        "version": event.version,
        "from_stage": event.from_stage,
        "to_stage": event.to_stage,
        "alias": event.alias,
        "occurred_at": event.occurred_at,
        "source": event.source,
        "kind": event.kind,
        "name": event.name,
        "delivery_id": delivery.id,
        "route": delivery.route,
        **{f"tags.{key}": value for key, value in event.tags.items()},
    }
