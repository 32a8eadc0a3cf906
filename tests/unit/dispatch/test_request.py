"""Shaping a request from the event and the route of the day."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.delivery import Delivery
from functions.core.settings import Route, Target
from functions.dispatch.request import (
    MAX_INPUTS_CHARACTERS,
    MAX_PAYLOAD_BYTES,
    DispatchRequest,
    Unshapeable,
    shape,
)

from ..samples import ROUTE, delivery


def test_inputs_are_filled_from_the_event() -> None:
    """The default route sends the model's name and version as strings, and nothing else."""
    assert shape(delivery(), ROUTE) == DispatchRequest(
        Target("acme", "models", "deploy.yml", "main"), {"model_name": "churn", "model_version": "8"}
    )


def test_route_without_inputs_sends_none() -> None:
    """A workflow may need no inputs at all."""
    assert shape(delivery(), replace(ROUTE, inputs={})).content == {}


def test_delivery_can_be_recognised_in_its_run() -> None:
    """The delivery id can be handed to the workflow, whose `run-name:` may show it."""
    sent = delivery()
    shaped = shape(sent, replace(ROUTE, inputs={"id": "${delivery_id}", "via": "${route}"}))
    assert shaped.content == {"id": sent.id, "via": "default"}


def test_missing_field_is_explained() -> None:
    """An event without a field that an input needs can't be sent, and the detail says what to do."""
    with pytest.raises(Unshapeable) as caught:
        shape(delivery(alias=None), replace(ROUTE, inputs={"which": "${alias}"}))
    assert caught.value.reason == "missing-field"
    assert caught.value.detail == (
        "'which' of route 'default' needs the field 'alias', which this event does not have. "
        "Give the template a fallback, ${alias:-…}, or narrow the route."
    )
    assert str(caught.value) == caught.value.detail


@pytest.mark.parametrize("letter", ["x", "ä", "\N{PILE OF POO}"])
def test_inputs_of_the_limit_are_sent(letter: str) -> None:
    """GitHub counts the characters of compact JSON, not bytes and not escapes."""
    room = MAX_INPUTS_CHARACTERS - len(json.dumps({"model_name": ""}, separators=(",", ":")))
    route = replace(ROUTE, inputs={"model_name": "${model_name}"})
    assert shape(delivery(model_name=letter * room), route).content["model_name"] == letter * room
    with pytest.raises(Unshapeable, match="65535 characters") as caught:
        shape(delivery(model_name=letter * (room + 1)), route)
    assert caught.value.reason == "inputs-too-large"


def to_repository(**payload: Any) -> Route:
    """Give a route that sends a repository's event with this payload."""
    target = Target("acme", "models", event_type="promoted", client_payload=payload)
    return replace(ROUTE, target=target, inputs={})


def test_payload_is_filled_from_the_event() -> None:
    """A repository's event takes its payload, with texts filled in at every depth."""
    route = to_repository(model={"name": "${model_name}", "version": "${version}"}, dry_run=False)
    assert shape(delivery(), route) == DispatchRequest(
        route.target, {"model": {"name": "churn", "version": "8"}, "dry_run": False}
    )


def test_missing_field_of_a_payload_is_explained() -> None:
    """The dead letter names the property of the payload and the field."""
    with pytest.raises(Unshapeable, match="'model' of route 'default' needs the field 'alias'"):
        shape(delivery(alias=None), to_repository(model={"alias": "${alias}"}))


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_payload_of_the_limit_is_sent(letter: str) -> None:
    """GitHub counts the bytes of a payload."""
    room = (MAX_PAYLOAD_BYTES - len('{"name":""}')) // len(letter.encode())
    route = to_repository(name="${model_name}")
    assert shape(delivery(model_name=letter * room), route).content == {"name": letter * room}
    with pytest.raises(Unshapeable, match="65535 bytes") as caught:
        shape(delivery(model_name=letter * (room + 1)), route)
    assert caught.value.reason == "payload-too-large"


def attempt(sent: Delivery, route: Route) -> tuple[Mapping[str, Any], str]:
    """Give what would be sent, or the reason of the dead letter."""
    try:
        return shape(sent, route).content, ""
    except Unshapeable as error:
        return {}, error.reason


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from("abc"), st.sampled_from(["${model_name}", "${tags.k}x", "${alias:-}", "$$"])
    ),
    TEXTS,
    TEXTS | st.none(),
    st.integers(1, 70_000),
    st.booleans(),
)
def test_request_is_within_githubs_limits_or_none(
    templates: dict[str, str],
    name: str,
    tag: str | None,
    times: int,
    is_event: bool,  # noqa: FBT001 - drawn, and passed by nobody
) -> None:
    """Whatever the event holds, what leaves is text within GitHub's limits, or a dead letter says why."""
    route = to_repository(**templates) if is_event else replace(ROUTE, inputs=templates)
    tags = {} if tag is None else {"k": tag * times}
    content, reason = attempt(delivery(model_name=name, tags=tags), route)
    assert reason in {"", "missing-field", "inputs-too-large", "payload-too-large"}
    if reason:
        return
    assert content.keys() == templates.keys()
    assert all(isinstance(value, str) for value in content.values())
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    assert len(text.encode() if is_event else text) <= 65_535
