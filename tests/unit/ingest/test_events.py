"""Our own event: which are genuine, what they mean, and when two of them are one fact."""

import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from functions.core.event import KINDS, Event, fields_of
from functions.ingest.events import parse, required, verify
from functions.ingest.http import Malformed, SecretUnusable
from functions.ingest.sender import Ignored

from ..samples import NOW
from .webhooks import KEY, OWN, encode, own

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(), LEAVES, max_size=3)
SAMPLES = {
    "model_name": "main.ml.churn",
    "version": "3",
    "from_stage": "Staging",
    "to_stage": "Production",
    "alias": "champion",
    "workspace_id": "w",
    "job_id": "j",
    "job_name": "nightly",
    "run_id": "r",
    "parent_run_id": "p",
    "task_key": "t",
}


def changed(data: dict[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """Give the setting of an alias with other fields; None leaves one out."""
    merged = {**OWN["data"], **(data or {})}
    fields = {**OWN, "data": {key: each for key, each in merged.items() if each is not None}, **changes}
    return {key: each for key, each in fields.items() if each is not None}


def read(payload: Any, **request: Any) -> Event:
    """Read an event that starts something."""
    event = parse(own(payload, **request), NOW)
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize("secret", [KEY, f"whsec_{KEY}"])
@pytest.mark.parametrize("kept", [KEY, f"whsec_{KEY}"])
def test_library_of_the_standard_is_understood(secret: str, kept: str) -> None:
    """What the reference library signs is accepted, with and without `whsec_` on either side."""
    body = json.dumps(OWN)
    moment = datetime.fromtimestamp(NOW, UTC)
    headers = {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(NOW)),
        "webhook-signature": Webhook(secret).sign("msg-1", moment, body),
    }
    assert verify(replace(own(OWN), headers=headers, body=body.encode()), [kept], NOW)


def test_library_of_the_standard_accepts_what_we_sign() -> None:
    """The other way round: what our tests send is what the reference library verifies."""
    request = own(OWN, at=datetime.now(UTC).timestamp())
    assert Webhook(KEY).verify(request.body, dict(request.headers)) == OWN


@pytest.mark.parametrize("used", ["b2xkb2xkb2xk", "bmV3bmV3bmV3"])
def test_either_secret_counts_during_a_rotation(used: str) -> None:
    """A signature made with any of the secrets in force is accepted, and one of several will do."""
    request = own(OWN, secret=used)
    assert verify(request, ["b2xkb2xkb2xk", "bmV3bmV3bmV3"], NOW)
    several = f"v1,b3RoZXI= {request.headers['webhook-signature']}"
    assert verify(replace(request, headers={**request.headers, "webhook-signature": several}), [used], NOW)
    assert not verify(request, [KEY], NOW)


def test_request_without_headers_is_refused() -> None:
    """Nothing is proved by nothing."""
    assert not verify(replace(own(OWN), headers={}), [KEY], NOW)


@pytest.mark.parametrize("secret", ["not base64!", "whsec_", "YQ", "ü"])
def test_secret_of_another_form_fails_closed(secret: str) -> None:
    """A secret that is no base64 proves nothing, and is told from a wrong signature in the log."""
    with pytest.raises(SecretUnusable):
        verify(own(OWN), [secret], NOW)
    assert verify(own(OWN), [secret, KEY], NOW)


def test_event_is_read_completely() -> None:
    """Every field has its place in the event."""
    event = read(changed({"tags": {"team": "risk"}}))
    assert event.to_dict() == {
        "source": "events",
        "kind": "model_version.alias_set",
        "name": "model_version.alias_set",
        "fact": event.fact,
        "occurred_at": "2026-11-22T20:22:10.969Z",
        "model_name": "main.ml.churn",
        "version": "3",
        "alias": "champion",
        "tags": {"team": "risk"},
    }


@pytest.mark.parametrize("kind", [*KINDS, "job.paused"])
def test_every_kind_can_be_sent(kind: str) -> None:
    """With the fields that it may have, an event of any kind is taken, and keeps them all."""
    data = {field: SAMPLES[field] for field in fields_of(kind)}
    event = read({**OWN, "type": kind, "data": {**data, "unknown": 5}})
    assert (event.kind, event.name) == (kind, kind)
    assert {field: getattr(event, field) for field in data} == data


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in KINDS for field in required(kind)])
@pytest.mark.parametrize("value", [None, ""])
def test_event_that_says_too_little_is_refused(kind: str, field: str, value: str | None) -> None:
    """Without a field that its kind needs, an event would be a dead letter: its sender is told instead."""
    data: dict[str, Any] = {each: SAMPLES[each] for each in fields_of(kind)}
    with pytest.raises(Malformed, match=f"'data.{field}' is missing; {kind} needs it|is not a whole number"):
        parse(own({**OWN, "type": kind, "data": {**data, field: value}}), NOW)


def test_what_an_event_needs() -> None:
    """What is asked for is what it takes to know what happened."""
    assert required("model.created") == ("model_name",)
    assert required("model_version.created") == ("model_name", "version")
    assert required("model_version.stage_transitioned") == ("model_name", "version", "to_stage")
    assert required("model_version.alias_set") == ("model_name", "version", "alias")
    assert required("model_version.alias_deleted") == ("model_name", "alias")
    assert required("job.succeeded") == ("job_id",)


def test_numbers_may_be_numbers() -> None:
    """Versions and ids are the same as digits and as numbers."""
    assert read(changed({"version": 3})) == read(OWN)
    job = {**OWN, "type": "job.failed", "data": {"job_id": 2**60, "run_id": 5}}
    assert (read(job).job_id, read(job).run_id) == (str(2**60), "5")


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": "2026-11-22T21:00:00Z"},
        {"unknown": [1]},
        {"data": {**OWN["data"], "unknown": 5, "version": 3}},
    ],
)
def test_two_reports_of_one_act_are_one_fact(changes: dict[str, Any]) -> None:
    """A sender that tries again keeps the id; it may tell the time anew."""
    assert read({**OWN, **changes}, at=NOW + 60).fact == read(OWN).fact


@pytest.mark.parametrize(
    "payload",
    [
        changed({"version": "4"}),
        changed({"alias": "challenger"}),
        changed({"model_name": "fraud"}),
        changed({"tags": {"a": "b"}}),
        changed(type="model_version.alias_deleted"),
    ],
)
def test_two_acts_are_two_facts_though_they_have_one_id(payload: dict[str, Any]) -> None:
    """A sender that gives one id to two acts loses neither."""
    assert read(payload).fact != read(OWN).fact


def test_another_id_is_another_fact() -> None:
    """An alias that is set again to the same version is another act."""
    assert read(OWN, number="msg-2").fact != read(OWN).fact


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "The body is empty"),
        (changed(type=None), "'type' is missing"),
        (changed(type="model.frobnicated"), "'type' is not a kind of event; known: model.created, "),
        (changed(type="job.On"), "'type' is not a kind of event"),
        (changed(timestamp=None), "'timestamp' is missing"),
        (changed(timestamp="now"), "'timestamp' is not a time"),
        ({**OWN, "data": None}, "'data' is missing"),
        ({**OWN, "data": []}, "'data' is not an object"),
        (changed({"version": "three"}), "'version' is not a whole number"),
        (changed({"alias": 5}), "'alias' is not a string"),
        (changed({"tags": ["a"]}), "'tags' is not an object of texts"),
        (changed({"workspace_id": 1.5}), "'workspace_id' is not a string"),
    ],
)
def test_malformed_event_is_explained(payload: Any, complaint: str) -> None:
    """What is not as the schema says is the sender's to mend, and the answer says where."""
    with pytest.raises(Malformed, match=complaint):
        parse(own(payload), NOW)


@settings(deadline=None, max_examples=300)
@given(
    st.binary()
    | st.builds(
        lambda kind, data, more: json.dumps({**OWN, "type": kind, "data": data, **more}).encode(),
        st.sampled_from([*KINDS, "job.x", "x"]),
        st.dictionaries(st.sampled_from([*SAMPLES, "tags"]), JSON | st.text("0123456789")) | JSON,
        st.dictionaries(st.sampled_from(["type", "timestamp", "data"]), JSON, max_size=1),
    )
)
def test_whatever_comes_is_read_or_malformed(body: bytes) -> None:
    """No body makes parsing fail in a way of its own."""
    with suppress(Malformed):
        assert isinstance(parse(own(body), NOW), Event | Ignored)


@settings(deadline=None, max_examples=200)
@given(st.text(), st.binary(min_size=1, max_size=40), st.dictionaries(st.text(), JSON, max_size=2))
def test_any_id_and_key_can_be_used(number: str, key: bytes, payload: dict[str, Any]) -> None:
    """Whatever a sender uses as id and as key, its own signature is right, unless the id is empty."""
    secret = base64.b64encode(key).decode()
    assert verify(own(encode(payload), secret=secret, number=number), [secret], NOW) is bool(number)


@settings(deadline=None, max_examples=100)
@given(st.permutations(list(OWN.items())), st.sampled_from([None, 1, 4]), st.text(), JSON)
def test_fact_outlives_how_it_is_written(
    items: list[tuple[str, Any]], indent: int | None, key: str, value: Any
) -> None:
    """Order of keys, white space and unknown keys make no other fact of an event."""
    body = json.dumps({f"x-{key}": value, **dict(items)}, indent=indent).encode()
    assert read(body).fact == read(OWN).fact
