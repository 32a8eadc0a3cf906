"""Shapes the request that starts a workflow, from the configuration of the day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from functions.core.delivery import Delivery
from functions.core.settings import Route, Target
from functions.core.template import MissingField, fill, values_of

MAX_INPUTS_CHARACTERS: Final = 65_535
"""GitHub's limit for the inputs as compact JSON; above it, GitHub answers 422 `inputs are too large.`"""

MAX_PAYLOAD_BYTES: Final = 65_535
"""Likewise for a `client_payload`: "The total size of the JSON payload must be less than 64KB."

Source: "Create a repository dispatch event", GitHub's REST API documentation.
"""


class Unshapeable(Exception):
    """The delivery can never become a request as the route stands. `reason` is the dead letter's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class DispatchRequest:
    """What GitHub is asked to start: a workflow with inputs, or what listens to an event with a payload."""

    target: Target
    content: Mapping[str, Any]


def shape(delivery: Delivery, route: Route) -> DispatchRequest:
    """Fill the route's inputs or payload from the event.

    Raises:
        Unshapeable: The event lacks a field that one of them needs, or they are too large for GitHub.
    """
    values = values_of(delivery)
    content = {}
    for name, template in route.templates.items():
        try:
            content[name] = fill(template, values)
        except MissingField as missing:
            raise Unshapeable(
                "missing-field",
                f"'{name}' of route '{route.name}' needs the field '{missing}', which this event does not "
                f"have. Give the template a fallback, ${{{missing}:-…}}, or narrow the route.",
            ) from None
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    if route.target.event_type and len(text.encode()) > MAX_PAYLOAD_BYTES:
        raise Unshapeable("payload-too-large", f"The payload is over GitHub's {MAX_PAYLOAD_BYTES} bytes.")
    if not route.target.event_type and len(text) > MAX_INPUTS_CHARACTERS:
        raise Unshapeable(
            "inputs-too-large", f"The inputs are over GitHub's {MAX_INPUTS_CHARACTERS} characters."
        )
    return DispatchRequest(route.target, content)
