"""Shapes the request that starts a workflow, from the configuration of the day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from functions.core.delivery import Delivery
from functions.core.settings import Route, Target
from functions.core.template import MissingField, render, values_of

MAX_INPUTS_CHARACTERS: Final = 65_535
"""GitHub's limit for the inputs as compact JSON; above it, GitHub answers 422 `inputs are too large.`"""


class Unshapeable(Exception):
    """The delivery can never become a request as the route stands. `reason` is the dead letter's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class DispatchRequest:
    """What GitHub is asked to start."""

    target: Target
    inputs: dict[str, str]


def shape(delivery: Delivery, route: Route) -> DispatchRequest:
    """Fill the route's inputs from the event.

    Raises:
        Unshapeable: The event lacks a field that an input needs, or the inputs are too large for GitHub.
    """
    values = values_of(delivery)
    inputs = {}
    for name, template in route.inputs.items():
        try:
            inputs[name] = render(template, values)
        except MissingField as missing:
            raise Unshapeable(
                "missing-field",
                f"The input '{name}' of route '{route.name}' needs the field '{missing}', which this event "
                f"does not have. Give the template a fallback, ${{{missing}:-…}}, or narrow the route.",
            ) from None
    if len(json.dumps(inputs, separators=(",", ":"), ensure_ascii=False)) > MAX_INPUTS_CHARACTERS:
        raise Unshapeable(
            "inputs-too-large", f"The inputs are over GitHub's {MAX_INPUTS_CHARACTERS} characters."
        )
    return DispatchRequest(route.target, inputs)
