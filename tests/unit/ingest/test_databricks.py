"""Registry webhooks: which are genuine, what they mean, and when two of them are one fact."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.event import KINDS, Event
from functions.ingest.databricks import EVENTS, parse, verify
from functions.ingest.http import Malformed
from functions.ingest.sender import Ignored

from ..samples import NOW
from .webhooks import FIXTURES, SECRET, VECTORS, changed, encode, sign, webhook

PRODUCTION = "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION"
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(), LEAVES, max_size=3)
FIELDS = st.dictionaries(
    st.sampled_from([*changed(), "tags", "comment"]),
    JSON
    | st.sampled_from(sorted(EVENTS))
    | st.lists(st.fixed_dictionaries({"key": LEAVES, "value": LEAVES}), max_size=3),
    max_size=4,
)


def read(payload: Any) -> Event:
    """Read an event that starts something."""
    event = parse(webhook(payload), NOW)
    assert isinstance(event, Event)
    return event


def accepts(body: bytes, signature: str, *secrets: str) -> bool:
    """Tell whether a signature is accepted for a body."""
    return verify(webhook(body, signature=signature), secrets, NOW)


@pytest.mark.parametrize("vector", VECTORS, ids=[each["event"] for each in FIXTURES if "vector" in each])
def test_documented_signature_is_accepted(vector: dict[str, str]) -> None:
    """Each test vector passes with its secret and with no other."""
    body, signature = vector["raw_body"].encode(), vector["x_databricks_signature"]
    assert accepts(body, signature, vector["secret"])
    assert not accepts(body, signature, vector["secret"] + "x")


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    """One other byte, in the body or in the signature, and the request is refused."""
    body = encode(changed())
    signed = bytearray(body + sign(body).encode())
    place = data.draw(st.integers(0, len(signed) - 1))
    signed[place] ^= data.draw(st.integers(1, 127))
    body, signature = bytes(signed[: len(body)]), signed[len(body) :].decode()
    assert not accepts(body, signature, SECRET)


@pytest.mark.parametrize("used", ["new", "old"])
def test_either_secret_counts_during_a_rotation(used: str) -> None:
    """A signature made with any of the secrets in force is accepted."""
    assert verify(webhook(changed(), secret=used), ["new", "old"], NOW)


def test_without_a_secret_nothing_is_genuine() -> None:
    """Where there is no secret, no signature is right."""
    assert not verify(webhook(changed(), secret=""), [], NOW)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "x",
        "é" * 64,
        "\ud800",
        "\u0661" * 64,
        sign(encode(changed())).upper(),
        " " + sign(encode(changed())),
        "sha256=" + sign(encode(changed())),
        sign(encode(changed()))[:-1],
        sign(encode(changed())) + ", " + sign(encode(changed())),
        sign(b""),
    ],
)
def test_signature_of_another_form_is_refused(signature: str) -> None:
    """Whatever stands in the header, the answer is no and never an error."""
    assert not accepts(encode(changed()), signature, SECRET)


def test_missing_signature_is_refused() -> None:
    """A request without the header is not genuine."""
    assert not verify(webhook(changed(), headers={}), [SECRET], NOW)


def test_secret_may_be_written_in_any_script() -> None:
    """Secrets are UTF-8 on both sides."""
    assert verify(webhook(changed(), secret="s3cr3t-ü"), ["s3cr3t-ü"], NOW)


def test_documented_transition_is_read_completely() -> None:
    """Every field of the documented transition has its place in the event, except its prose."""
    event = read(changed())
    assert event.to_dict() == {
        "source": "databricks",
        "kind": "model_version.stage_transitioned",
        "name": "MODEL_VERSION_TRANSITIONED_STAGE",
        "fact": event.fact,
        "model_name": "Airline_Delay_SparkML",
        "version": "8",
        "from_stage": "None",
        "to_stage": "Production",
        "occurred_at": "2020-05-19T03:30:29.343Z",
    }


@pytest.mark.parametrize(
    ("name", "kind", "to_stage"),
    [
        ("REGISTERED_MODEL_CREATED", "model.created", None),
        ("MODEL_VERSION_CREATED", "model_version.created", None),
        ("MODEL_VERSION_TRANSITIONED_STAGE", "model_version.stage_transitioned", None),
        ("MODEL_VERSION_TRANSITIONED_TO_STAGING", "model_version.stage_transitioned", "Staging"),
        ("MODEL_VERSION_TRANSITIONED_TO_PRODUCTION", "model_version.stage_transitioned", "Production"),
        ("MODEL_VERSION_TRANSITIONED_TO_ARCHIVED", "model_version.stage_transitioned", "Archived"),
        ("TRANSITION_REQUEST_CREATED", "model_version.transition_requested", None),
        ("TRANSITION_REQUEST_TO_STAGING_CREATED", "model_version.transition_requested", "Staging"),
        ("TRANSITION_REQUEST_TO_PRODUCTION_CREATED", "model_version.transition_requested", "Production"),
        ("TRANSITION_REQUEST_TO_ARCHIVED_CREATED", "model_version.transition_requested", "Archived"),
        ("MODEL_VERSION_TAG_SET", "model_version.tag_set", None),
        ("COMMENT_CREATED", "model_version.commented", None),
    ],
)
def test_event_has_its_kind(name: str, kind: str, to_stage: str | None) -> None:
    """Each of the twelve events is understood, with no more than the fields that all of them have."""
    event = read(changed(event=name, version=None, from_stage=None, to_stage=None, text=None))
    assert (event.kind, event.name, event.to_stage, event.version) == (kind, name, to_stage, None)
    assert kind in KINDS


def test_every_event_is_tested() -> None:
    """The table above is complete."""
    [mark] = test_event_has_its_kind.pytestmark  # type: ignore[attr-defined]  # pytest adds it
    assert {case[0] for case in mark.args[1]} == EVENTS.keys()
    assert len(EVENTS) == 12


def test_stage_in_the_payload_wins_over_the_one_in_the_name() -> None:
    """The name of an event only fills in what the payload leaves out."""
    assert read(changed(event=PRODUCTION, to_stage="Staging")).to_stage == "Staging"


def test_documented_tags_and_comment_are_read() -> None:
    """Tags become a mapping; a comment is part of the fact and of nothing else."""
    tagged, commented = (each["payload"] for each in FIXTURES[1:3])
    assert read(tagged).tags == {"key1": "value1", "key2": "value2"}
    assert commented["comment"] not in json.dumps(read(commented).to_dict())


@pytest.mark.parametrize(
    "changes",
    [
        {"event": PRODUCTION},
        {"event": PRODUCTION, "to_stage": None},
        {"webhook_id": "another"},
        {"text": "other prose"},
        {"version": 8},
        {"tags": []},
        {"unknown": {"a": [1]}},
    ],
)
def test_two_reports_of_one_act_are_one_fact(changes: dict[str, Any]) -> None:
    """Neither the event's name, the webhook nor prose belongs to what happened."""
    assert read(changed(**changes)).fact == read(changed()).fact


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "9"},
        {"version": None},
        {"model_name": "other"},
        {"event_timestamp": 1589859029344},
        {"from_stage": "Staging"},
        {"to_stage": "Staging"},
        {"event": "TRANSITION_REQUEST_CREATED"},
    ],
)
def test_two_acts_are_two_facts(changes: dict[str, Any]) -> None:
    """Another version, model, time, stage or kind is something else that happened."""
    assert read(changed(**changes)).fact != read(changed()).fact


@pytest.mark.parametrize(
    ("event", "one", "other"),
    [
        (
            "MODEL_VERSION_TAG_SET",
            {"tags": [{"key": "a", "value": "b"}]},
            {"tags": [{"key": "a", "value": "c"}]},
        ),
        ("COMMENT_CREATED", {"comment": "a word"}, {"comment": "another"}),
    ],
)
def test_what_was_set_or_said_tells_only_its_own_acts_apart(
    event: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Tags and comments belong to the events that set them, and to no transition that mentions them."""
    assert read(changed(event=event, **one)).fact != read(changed(event=event, **other)).fact
    assert read(changed(**one)).fact == read(changed(**other)).fact


@pytest.mark.parametrize(
    "payload",
    [
        FIXTURES[3]["payload"],
        changed(model_name=""),
        changed(text="A test webhook trigger for registered model 'churn' version 8"),
        changed(event="SOMETHING_NEW", model_name=""),
    ],
)
def test_test_delivery_starts_nothing(payload: dict[str, Any]) -> None:
    """A test delivery is answered kindly, in words that tell its sender what happens next."""
    ignored = parse(webhook(payload), NOW)
    assert isinstance(ignored, Ignored)
    assert ignored.reason == "test-delivery"
    assert "no workflow was started" in ignored.why


def test_unknown_event_starts_nothing() -> None:
    """An event that was added to the registry since is no error."""
    ignored = parse(webhook(changed(event="MODEL_VERSION_FROBNICATED")), NOW)
    assert isinstance(ignored, Ignored)
    assert ignored.reason == "unknown-event"


@pytest.mark.parametrize(
    "text", [None, 5, ["A test webhook trigger for"], "about A test webhook trigger for"]
)
def test_only_how_the_text_starts_is_read(text: Any) -> None:
    """Prose of any type makes no difference, unless it starts as that of a test delivery."""
    assert read(changed(text=text)) == read(changed())


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "The body is empty"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not UTF-8"),
        (changed(event=None), "'event' is missing"),
        (changed(webhook_id=None), "'webhook_id' is missing"),
        (changed(event_timestamp=None), "'event_timestamp' is missing"),
        (changed(model_name=None), "'model_name' is missing"),
        (changed(event=1), "'event' is not a string"),
        (changed(webhook_id=["w"]), "'webhook_id' is not a string"),
        (changed(event_timestamp="1589859029343"), "'event_timestamp' is not a time"),
        (changed(model_name=["m"]), "'model_name' is not a string"),
        (changed(model_name="a\nb"), "'model_name' holds control characters"),
        (changed(version="v8"), "'version' is not a whole number"),
        (changed(version=8.0), "'version' is not a whole number"),
        (changed(from_stage=0), "'from_stage' is not a string"),
        (changed(to_stage={}), "'to_stage' is not a string"),
        (changed(comment={"a": "b"}), "'comment' is not a string"),
        (changed(tags={"a": "b"}), "'tags' is not a list of objects"),
        (changed(tags=["a"]), "'tags' is not a list of objects"),
        (changed(tags=[{"value": "v"}]), "'tags' holds something"),
        (changed(tags=[{"key": "k"}]), "'tags' holds something"),
        (changed(tags=[{"key": 1, "value": "v"}]), "'tags' holds something"),
        (changed(tags=[{"key": "k", "value": 1}]), "'tags' holds something"),
        (changed(tags=[{"key": "a\x00", "value": "v"}]), "'tags' holds something"),
        (changed(tags=[{"key": "k", "value": "\ud800"}]), "'tags' holds something"),
        (changed(tags=[{"key": "k", "value": "\uffff"}]), "'tags' holds something"),
    ],
)
def test_malformed_event_is_explained(payload: Any, complaint: str) -> None:
    """A genuine request that can't be understood is the sender's to mend, and the answer says where."""
    with pytest.raises(Malformed, match=complaint):
        parse(webhook(payload), NOW)


def test_tag_value_may_hold_lines() -> None:
    """A value is people's prose: control characters in it are carried."""
    value = "two\nlines\x00\x7f"
    assert read(changed(tags=[{"key": "k", "value": value}])).tags == {"k": value}


@settings(deadline=None, max_examples=200)
@given(
    st.binary() | JSON.map(encode) | FIELDS.map(encode) | FIELDS.map(lambda fields: encode(changed(**fields)))
)
def test_whatever_comes_is_read_or_malformed(body: bytes) -> None:
    """No body makes parsing fail in a way of its own."""
    with suppress(Malformed):
        assert isinstance(parse(webhook(body), NOW), Event | Ignored)


@settings(deadline=None, max_examples=100)
@given(st.permutations(list(changed().items())), st.sampled_from([None, 1, 4]), st.text(), JSON)
def test_fact_outlives_how_it_is_written(
    items: list[tuple[str, Any]], indent: int | None, key: str, value: Any
) -> None:
    """Order of keys, white space and unknown keys make no other fact of an event."""
    body = json.dumps({f"x-{key}": value, **dict(items)}, indent=indent).encode()
    assert read(body).fact == read(changed()).fact
