"""The published schema of our own event: it says what ingest does."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from typer.testing import CliRunner

from functions.core.event import KINDS, Event, fields_of
from functions.ingest.events import parse
from functions.ingest.http import Malformed
from modelrelay.cdk import ROOT
from modelrelay.cli import app
from modelrelay.schema import event_schema
from tests.unit.ingest.test_events import SAMPLES, changed, test_malformed_event_is_explained
from tests.unit.ingest.webhooks import OWN, own
from tests.unit.samples import NOW

VALIDATOR = Draft202012Validator(event_schema(), format_checker=FormatChecker())
[TABLE] = test_malformed_event_is_explained.pytestmark


def test_published_schema_is_the_one_of_this_code() -> None:
    """docs/event.schema.json is what `modelrelay events schema` prints."""
    printed = CliRunner().invoke(app, ["events", "schema"]).output
    assert (ROOT / "docs" / "event.schema.json").read_text(encoding="utf-8") == printed


def test_schema_is_one() -> None:
    """The schema itself is valid, and of its examples the documented event is too."""
    Draft202012Validator.check_schema(event_schema())
    assert VALIDATOR.is_valid(OWN)


@pytest.mark.parametrize("payload", [case[0] for case in TABLE.args[1] if isinstance(case[0], dict)])
def test_what_ingest_refuses_is_not_valid(payload: dict[str, Any]) -> None:
    """Who checks an event against the schema learns of each mistake before ingest does."""
    assert not VALIDATOR.is_valid(payload)


@pytest.mark.parametrize("kind", [*KINDS, "job.paused"])
def test_each_field_is_needed_by_both_or_by_none(kind: str) -> None:
    """The schema and ingest agree, kind by kind, on what an event may leave out."""
    data = {field: SAMPLES[field] for field in fields_of(kind)}
    for field in data:
        for value in (None, ""):
            payload = {**OWN, "type": kind, "data": {**data, field: value}}
            assert VALIDATOR.is_valid(payload) is taken(payload), (kind, field, value)


@pytest.mark.parametrize(
    "payload",
    [
        changed({"version": "9" * 1025}),
        changed({"version": 10**1024}),
        changed({"workspace_id": 10**1024}),
        changed({"alias": "\uffff"}),
        changed({"tags": {"a": "\ufffe"}}),
        changed({"tags": {"a\nb": "c"}}),
        changed(timestamp="2026-11-22T20:22:10z"),
        changed(timestamp="2026-11-22T20:22:60Z"),
        changed(timestamp="0001-01-01T00:00:00+14:00"),
        changed(timestamp="9999-12-31T23:59:59-14:00"),
    ],
)
def test_what_is_at_the_edge_is_refused_by_both(payload: dict[str, Any]) -> None:
    """Found by fuzzing: such values were valid by the schema, and malformed to ingest."""
    assert not taken(payload)
    assert not VALIDATOR.is_valid(payload)


def taken(payload: dict[str, Any]) -> bool:
    """Tell whether ingest takes an event."""
    with suppress(Malformed):
        return isinstance(parse(own(payload), NOW), Event)
    return False


LEAVES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.text(max_size=5) | st.just([]) | st.just({})
)


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([*KINDS, "job.paused", "x"]),
    st.dictionaries(st.sampled_from([*SAMPLES, "tags", "unknown"]), LEAVES, max_size=3),
    st.dictionaries(st.sampled_from(["type", "timestamp", "unknown"]), LEAVES, max_size=1),
)
def test_whatever_is_valid_is_taken(kind: str, data: dict[str, Any], more: dict[str, Any]) -> None:
    """No event that the schema allows is malformed to ingest."""
    payload = {**changed(data), "type": kind, **more}
    if VALIDATOR.is_valid(payload):
        assert taken(json.loads(json.dumps(payload)))
