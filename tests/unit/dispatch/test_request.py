"""Shaping a request from the event and the route of the day."""

import json
from dataclasses import replace

import pytest

from functions.core.settings import Target
from functions.dispatch.request import MAX_INPUTS_CHARACTERS, DispatchRequest, Unshapeable, shape

from ..samples import ROUTE, delivery


def test_inputs_are_filled_from_the_event() -> None:
    """The default route sends the model's name and version as strings, and nothing else."""
    assert shape(delivery(), ROUTE) == DispatchRequest(
        Target("acme", "models", "deploy.yml", "main"), {"model_name": "churn", "model_version": "8"}
    )


def test_route_without_inputs_sends_none() -> None:
    """A workflow may need no inputs at all."""
    assert shape(delivery(), replace(ROUTE, inputs={})).inputs == {}


def test_delivery_can_be_recognised_in_its_run() -> None:
    """The delivery id can be handed to the workflow, whose `run-name:` may show it."""
    sent = delivery()
    shaped = shape(sent, replace(ROUTE, inputs={"id": "${delivery_id}", "via": "${route}"}))
    assert shaped.inputs == {"id": sent.id, "via": "default"}


def test_missing_field_is_explained() -> None:
    """An event without a field that an input needs can't be sent, and the detail says what to do."""
    with pytest.raises(Unshapeable) as caught:
        shape(delivery(alias=None), replace(ROUTE, inputs={"which": "${alias}"}))
    assert caught.value.reason == "missing-field"
    assert caught.value.detail == (
        "The input 'which' of route 'default' needs the field 'alias', which this event does not have. "
        "Give the template a fallback, ${alias:-…}, or narrow the route."
    )
    assert str(caught.value) == caught.value.detail


@pytest.mark.parametrize("letter", ["x", "ä", "\N{PILE OF POO}"])
def test_inputs_of_the_limit_are_sent(letter: str) -> None:
    """GitHub counts the characters of compact JSON, not bytes and not escapes."""
    room = MAX_INPUTS_CHARACTERS - len(json.dumps({"model_name": ""}, separators=(",", ":")))
    route = replace(ROUTE, inputs={"model_name": "${model_name}"})
    assert shape(delivery(model_name=letter * room), route).inputs["model_name"] == letter * room
    with pytest.raises(Unshapeable, match="65535 characters") as caught:
        shape(delivery(model_name=letter * (room + 1)), route)
    assert caught.value.reason == "inputs-too-large"
