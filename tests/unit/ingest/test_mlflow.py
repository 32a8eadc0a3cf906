"""MLflow's webhooks: which are genuine, what they mean, and when two of them are one fact."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.event import Event
from functions.ingest.http import Malformed, Request
from functions.ingest.mlflow import EVENTS, parse, verify
from functions.ingest.sender import Ignored

from ..samples import NOW
from .webhooks import ALIAS_SET, MLFLOW, SECRET, mlflow

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(), LEAVES, max_size=3)
DATA = st.dictionaries(
    st.sampled_from(["name", "version", "alias", "key", "value", "tags", "run_id", "workspace"]), JSON
)


def changed(data: dict[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """Give the setting of an alias with other fields; None leaves one out."""
    merged = {**ALIAS_SET["data"], **(data or {})}
    fields = {**ALIAS_SET, "data": {key: each for key, each in merged.items() if each is not None}, **changes}
    return {key: each for key, each in fields.items() if each is not None}


def read(payload: Any) -> Event:
    """Read an event that starts something."""
    event = parse(mlflow(payload), NOW)
    assert isinstance(event, Event)
    return event


def captured(fixture: dict[str, Any], **headers: str) -> Request:
    """Give a delivery as it was captured, with some headers changed."""
    sent = {name.lower(): value for name, value in fixture["vector"]["headers"].items()}
    return Request(
        "POST", "/mlflow", {**sent, **headers}, fixture["vector"]["raw_body"].encode(), "192.0.2.7"
    )


@pytest.mark.parametrize("fixture", MLFLOW, ids=[each["event"] for each in MLFLOW])
def test_captured_signature_is_accepted(fixture: dict[str, Any]) -> None:
    """What a real MLflow sent passes with its secret, while it is fresh, and with no other."""
    secret, sent_at = fixture["vector"]["secret"], int(fixture["vector"]["headers"]["X-MLflow-Timestamp"])
    assert verify(captured(fixture), [secret], sent_at + 218)
    assert verify(captured(fixture), ["other", secret], sent_at - 30)
    assert not verify(captured(fixture), [secret + "x"], sent_at)
    assert not verify(captured(fixture), [secret], sent_at + 301)
    assert not verify(captured(fixture, **{"x-mlflow-delivery-id": "other"}), [secret], sent_at)


def test_request_without_headers_is_refused() -> None:
    """Nothing is proved by nothing."""
    assert not verify(Request("POST", "/mlflow", {}, b"{}", "192.0.2.7"), [SECRET], NOW)


def test_alias_is_read_completely() -> None:
    """Every field of an alias that was set has its place, and the time is told to the millisecond."""
    event = read(ALIAS_SET)
    assert event.to_dict() == {
        "source": "mlflow",
        "kind": "model_version.alias_set",
        "name": "model_version_alias.created",
        "fact": event.fact,
        "occurred_at": "2026-11-22T20:22:10.969Z",
        "model_name": "churn",
        "version": "3",
        "alias": "champion",
    }


TABLE: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("registered_model.created", {"tags": {}, "description": "d"}, "model.created", {}),
    (
        "model_version.created",
        {"version": "3", "source": "models:/1", "run_id": "r1", "tags": {"a": "b"}, "description": None},
        "model_version.created",
        {"version": "3", "run_id": "r1", "tags": {"a": "b"}},
    ),
    (
        "model_version_tag.set",
        {"version": "3", "key": "k", "value": "v"},
        "model_version.tag_set",
        {"version": "3", "tags": {"k": "v"}},
    ),
    (
        "model_version_tag.deleted",
        {"version": "3", "key": "k"},
        "model_version.tag_deleted",
        {"version": "3", "tags": {"k": ""}},
    ),
    (
        "model_version_alias.created",
        {"version": "3", "alias": "a"},
        "model_version.alias_set",
        {"version": "3", "alias": "a"},
    ),
    ("model_version_alias.deleted", {"alias": "a"}, "model_version.alias_deleted", {"alias": "a"}),
    ("prompt.created", {"tags": {"a": "b"}}, "prompt.created", {"tags": {"a": "b"}}),
    (
        "prompt_version.created",
        {"version": "1", "template": "Hello"},
        "prompt_version.created",
        {"version": "1"},
    ),
    ("prompt_tag.set", {"key": "k", "value": "v"}, "prompt.tag_set", {"tags": {"k": "v"}}),
    ("prompt_tag.deleted", {"key": "k"}, "prompt.tag_deleted", {"tags": {"k": ""}}),
    (
        "prompt_version_tag.set",
        {"version": "1", "key": "k", "value": "v"},
        "prompt_version.tag_set",
        {"version": "1", "tags": {"k": "v"}},
    ),
    (
        "prompt_version_tag.deleted",
        {"version": "1", "key": "k"},
        "prompt_version.tag_deleted",
        {"version": "1", "tags": {"k": ""}},
    ),
    (
        "prompt_alias.created",
        {"version": "1", "alias": "a"},
        "prompt_version.alias_set",
        {"version": "1", "alias": "a"},
    ),
    ("prompt_alias.deleted", {"alias": "a"}, "prompt_version.alias_deleted", {"alias": "a"}),
]


@pytest.mark.parametrize(("name", "data", "kind", "told"), TABLE, ids=[row[0] for row in TABLE])
def test_event_has_its_kind(name: str, data: dict[str, Any], kind: str, told: dict[str, Any]) -> None:
    """Each event of the registry is understood, with the fields that MLflow sends for it."""
    entity, _, action = name.partition(".")
    event = read({**ALIAS_SET, "entity": entity, "action": action, "data": {"name": "churn", **data}})
    known = {"source": "mlflow", "kind": kind, "name": name, "model_name": "churn", "fact": event.fact}
    assert event.to_dict() == {**known, "occurred_at": "2026-11-22T20:22:10.969Z", **told}


def test_budget_has_no_model() -> None:
    """A budget that is exceeded is about its workspace; which budget it is makes the fact."""
    fields = {**ALIAS_SET, "entity": "budget_policy", "action": "exceeded"}
    one = read({**fields, "data": {"budget_policy_id": "b1", "workspace": "default", "budget_amount": 5.0}})
    other = read({**fields, "data": {"budget_policy_id": "b2", "workspace": "default"}})
    assert (one.kind, one.model_name, one.subject) == (
        "budget_policy.exceeded",
        None,
        "budget_policy default",
    )
    assert one.fact != other.fact


def test_every_event_is_tested() -> None:
    """The table above is complete: with the budget's, MLflow has fifteen."""
    assert {row[0] for row in TABLE} | {"budget_policy.exceeded"} == EVENTS.keys()
    assert len(EVENTS) == 15


@pytest.mark.parametrize("fixture", MLFLOW, ids=[each["event"] for each in MLFLOW])
def test_sample_of_a_test_starts_nothing(fixture: dict[str, Any]) -> None:
    """What `test_webhook` sends names nothing real, and is answered kindly."""
    ignored = parse(captured(fixture), NOW)
    assert isinstance(ignored, Ignored)
    assert (ignored.reason, "no workflow was started" in ignored.why) == ("test-delivery", True)


@pytest.mark.parametrize("data", [{"version": "2"}, {"alias": "champion"}, {"name": "example_models"}])
def test_model_that_is_called_like_the_sample_is_real(data: dict[str, Any]) -> None:
    """Only the sample as a whole is a test: somebody may have named a model after it."""
    sample = {"name": "example_model", "alias": "example_alias", "version": "1"}
    assert isinstance(parse(mlflow(changed(sample)), NOW), Ignored)
    assert read(changed({**sample, **data})).kind == "model_version.alias_set"


@pytest.mark.parametrize("changes", [{"action": "frobnicated"}, {"entity": "gateway"}])
def test_unknown_event_starts_nothing(changes: dict[str, Any]) -> None:
    """An event that a later MLflow adds is no error."""
    ignored = parse(mlflow(changed(**changes)), NOW)
    assert isinstance(ignored, Ignored)
    assert ignored.reason == "unknown-event"


@pytest.mark.parametrize(
    "payload",
    [
        changed({"version": 3}),
        changed({"description": "prose"}),
        changed(timestamp="2026-11-22T21:22:10.969402+01:00"),
        changed(timestamp="2026-11-22T20:22:10.969402Z"),
        changed(unknown={"a": 1}),
    ],
)
def test_two_reports_of_one_act_are_one_fact(payload: dict[str, Any]) -> None:
    """A retry repeats the body; how it is written does not belong to what happened."""
    assert read(payload).fact == read(ALIAS_SET).fact


@pytest.mark.parametrize(
    "payload",
    [
        changed({"version": "4"}),
        changed({"alias": "challenger"}),
        changed({"name": "fraud"}),
        changed({"tags": {"a": "b"}}),
        changed(timestamp="2026-11-22T20:22:10.969403+00:00"),
        changed(action="deleted"),
        changed(entity="prompt_alias"),
        changed(workspace="team-a"),
    ],
)
def test_two_acts_are_two_facts(payload: dict[str, Any]) -> None:
    """An alias that is set again, be it a microsecond later, is another act."""
    assert read(payload).fact != read(ALIAS_SET).fact


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "The body is empty"),
        (b"[]", "not a JSON object"),
        (changed(entity=None), "'entity' is missing"),
        (changed(action=5), "'action' is not a string"),
        ({**ALIAS_SET, "data": None}, "'data' is missing"),
        (changed(data=[]), "'data' is not an object"),
        (changed(timestamp=None), "'timestamp' is missing"),
        (changed(timestamp=1795378930), "'timestamp' is not a string"),
        (changed(timestamp="yesterday"), "'timestamp' is not a time"),
        (changed(timestamp="2026-11-22T20:22:10.969402"), "'timestamp' is not a time with its offset"),
        (changed(timestamp="0001-01-01T00:00:00+14:00"), "'timestamp' is not a time"),
        (changed({"name": None}), "'name' is missing"),
        (changed({"name": ""}), "'data.name' is empty"),
        (changed({"version": "v1"}), "'version' is not a whole number"),
        (changed({"alias": 5}), "'alias' is not a string"),
        (changed({"tags": []}), "'tags' is not an object of texts"),
        (changed({"tags": {"a": 5}}), "'tags' is not an object of texts"),
        (changed({"tags": {"a\n": "b"}}), "'tags' is not an object of texts"),
        (changed({"tags": {"a": "\ud800"}}), "'tags' is not an object of texts"),
        (changed({"key": "k", "value": 5}), "is not an object of texts"),
        (changed({"key": ["k"], "value": "v"}), "'key' is not a string"),
        (changed(entity="budget_policy", action="exceeded"), "'budget_policy_id' is missing"),
        (changed(workspace=5), "'workspace' is not a string"),
    ],
)
def test_malformed_event_is_explained(payload: Any, complaint: str) -> None:
    """A genuine request that can't be understood is the sender's to mend, and the answer says where."""
    with pytest.raises(Malformed, match=complaint):
        parse(mlflow(payload), NOW)


@settings(deadline=None, max_examples=300)
@given(
    st.binary()
    | st.builds(
        lambda name, data, more: json.dumps(
            {**dict(zip(("entity", "action"), name.split("."), strict=True)), "data": data, **more}
        ).encode(),
        st.sampled_from([*EVENTS, "x.y"]),
        DATA | JSON,
        st.dictionaries(
            st.sampled_from(["entity", "action", "timestamp", "workspace", "data"]), JSON, max_size=2
        ),
    )
)
def test_whatever_comes_is_read_or_malformed(body: bytes) -> None:
    """No body makes parsing fail in a way of its own."""
    with suppress(Malformed):
        assert isinstance(parse(mlflow(body), NOW), Event | Ignored)


@settings(deadline=None, max_examples=100)
@given(st.permutations(list(ALIAS_SET.items())), st.sampled_from([None, 1, 4]), st.text(), JSON)
def test_fact_outlives_how_it_is_written(
    items: list[tuple[str, Any]], indent: int | None, key: str, value: Any
) -> None:
    """Order of keys, white space and unknown keys make no other fact of an event."""
    body = json.dumps({f"x-{key}": value, **dict(items)}, indent=indent).encode()
    assert read(body).fact == read(ALIAS_SET).fact
