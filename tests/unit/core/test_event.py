"""The event: how it is written and read, and what makes two reports one fact."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.event import KINDS, Event, identify

from ..samples import EVENT

TEXT = st.text(max_size=20)
OPTIONAL = st.none() | TEXT
EVENTS = st.builds(
    Event,
    **dict.fromkeys(("source", "kind", "name", "fact", "model_name", "occurred_at"), TEXT),
    **dict.fromkeys(("version", "from_stage", "to_stage", "alias"), OPTIONAL),
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
)


@settings(deadline=None, max_examples=100)
@given(EVENTS)
def test_event_survives_the_way_through_json(event: Event) -> None:
    """Whatever an event holds, it is read back as it was written."""
    assert Event.from_dict(json.loads(json.dumps(event.to_dict()))) == event


def test_what_is_not_set_is_not_written() -> None:
    """Fields without a value take no room in a message; an empty name is a value."""
    fields = Event(source="s", kind="k", name="n", fact="f", model_name="", occurred_at="t").to_dict()
    assert fields == {
        "source": "s",
        "kind": "k",
        "name": "n",
        "fact": "f",
        "model_name": "",
        "occurred_at": "t",
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"unknown": "x"}, "unexpected keyword argument 'unknown'"),
        ({"model_name": None}, "model_name must be a string"),
        ({"kind": 1}, "kind must be a string"),
        ({"fact": ["f"]}, "fact must be a string"),
        ({"version": 8}, "version must be a string"),
        ({"alias": {}}, "alias must be a string"),
        ({"tags": None}, "tags must be an object"),
        ({"tags": ["a"]}, "tags must be an object"),
        ({"tags": {"a": 1}}, "tags must be an object"),
        ({"tags": {"a": None}}, "tags must be an object"),
    ],
)
def test_wrong_field_is_refused(change: dict[str, Any], complaint: str) -> None:
    """An unknown field or a value of the wrong type is refused, and the refusal names it."""
    with pytest.raises(TypeError, match=complaint):
        Event.from_dict({**EVENT.to_dict(), **change})


@pytest.mark.parametrize("name", ["source", "kind", "name", "fact", "model_name", "occurred_at"])
def test_missing_field_is_refused(name: str) -> None:
    """Every field that all events have is required."""
    fields = EVENT.to_dict()
    del fields[name]
    with pytest.raises(TypeError, match=name):
        Event.from_dict(fields)


def test_identity_is_the_same_on_every_machine_and_day() -> None:
    """The digest is pinned: messages that are on the queue during an update keep their ids."""
    assert identify("databricks", None, {"b": "2", "a": "ä"}) == (
        "24a9fd274c929acabb7fdd1af099d67bf51f5d64ac3a506a823336d4a1ceb4e7"
    )


def test_order_of_keys_is_no_difference() -> None:
    """The same tags in another order are the same tags."""
    assert identify({"a": "1", "b": "2"}) == identify({"b": "2", "a": "1"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("ab",)),
        (("a", "b"), ("b", "a")),
        (("a", None), ("a", "None")),
        (("a", None), ("a",)),
        (("1",), (1,)),
        (("a", {}), ("a", None)),
    ],
)
def test_different_facts_differ(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    """Parts are kept apart: neither joining, order, type nor absence makes two facts one."""
    assert identify(*one) != identify(*other)


def test_lone_surrogate_can_be_identified() -> None:
    """Broken Unicode in a part is no crash."""
    assert len(identify("\ud800")) == 64


def test_kinds_are_those_that_the_configuration_promises() -> None:
    """The kinds are the documented ones, no more and no fewer."""
    kinds = {
        "model.created",
        "model_version.created",
        "model_version.stage_transitioned",
        "model_version.transition_requested",
        "model_version.alias_set",
        "model_version.alias_deleted",
        "model_version.tag_set",
        "model_version.tag_deleted",
        "model_version.commented",
    }
    assert kinds == KINDS
