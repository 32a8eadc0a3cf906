"""The event: how it is written and read, and what makes two reports one fact."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.event import KINDS, Event, fields_of, identify, is_kind
from functions.core.template import SOMETIMES

from ..samples import EVENT

TEXT = st.text(max_size=20)
OPTIONAL = st.none() | TEXT
EVENTS = st.builds(
    Event,
    **dict.fromkeys(("source", "kind", "name", "fact", "occurred_at"), TEXT),
    **dict.fromkeys(SOMETIMES, OPTIONAL),
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
        ({"name": None}, "name must be a string"),
        ({"model_name": 5}, "model_name must be a string"),
        ({"job_id": 5}, "job_id must be a string"),
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


@pytest.mark.parametrize("name", ["source", "kind", "name", "fact", "occurred_at"])
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
        "prompt.created",
        "prompt.tag_set",
        "prompt.tag_deleted",
        "prompt_version.created",
        "prompt_version.tag_set",
        "prompt_version.tag_deleted",
        "prompt_version.alias_set",
        "prompt_version.alias_deleted",
        "budget_policy.exceeded",
        "job.started",
        "job.succeeded",
        "job.failed",
    }
    assert kinds == KINDS.keys()
    assert all(is_kind(kind) for kind in kinds)


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("job.paused", True),
        ("job.", False),
        ("job.X", False),
        ("jobs.on_start", False),
        ("model.paused", False),
    ],
)
def test_any_job_kind_is_known(word: str, known: bool) -> None:  # noqa: FBT001 - a table's column
    """Databricks may think of more that happens to jobs; nothing else is made up."""
    assert is_kind(word) is known


def test_every_field_of_a_kind_is_one_of_the_event() -> None:
    """What a kind says it may have is what an event can have, and what a template can name."""
    assert {field for kind in KINDS for field in fields_of(kind)} == set(SOMETIMES)
    assert fields_of("job.paused") == fields_of("job.started")


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"model_name": "churn", "workspace_id": "w"}, "churn"),
        ({"model_name": None, "kind": "job.failed", "workspace_id": "12", "job_id": "34"}, "job 12 34"),
        ({"model_name": None, "kind": "job.failed", "job_id": "34"}, "job 34"),
        ({"model_name": None, "kind": "budget_policy.exceeded"}, "budget_policy"),
    ],
)
def test_event_has_a_subject(fields: dict[str, Any], subject: str) -> None:
    """What an event is about has a name, also where it is no model: order and the ledger go by it."""
    assert replace(EVENT, **fields).subject == subject
