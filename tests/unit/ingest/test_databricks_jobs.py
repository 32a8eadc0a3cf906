"""Notifications of jobs: which are genuine, what they mean, and when two of them are one fact."""

import base64
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.event import Event
from functions.ingest.databricks_jobs import EVENTS, parse, verify
from functions.ingest.http import Malformed, SecretUnusable
from functions.ingest.sender import Ignored

from ..samples import NOW
from .webhooks import JOBS, LOGIN, job

SECRET = json.dumps(LOGIN)
JOB, TASK, INTS = JOBS[0], JOBS[1], JOBS[4]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(), LEAVES, max_size=3)


def read(payload: Any, now: float = NOW) -> Event:
    """Read an event that starts something."""
    event = parse(job(payload), now)
    assert isinstance(event, Event)
    return event


def header(value: str) -> bool:
    """Tell whether a request with this header passes."""
    return verify(replace(job(JOB), headers={"authorization": value}), [SECRET], NOW)


def basic(login: str) -> str:
    """Write a login as a client does."""
    return base64.b64encode(login.encode()).decode()


@pytest.mark.parametrize(
    "secrets",
    [
        [SECRET],
        ["{}", SECRET],
        [SECRET, '{"username": "a", "password": "b"}'],
        ['{"username": "a", "password": "\\udfff"}', SECRET],
    ],
)
def test_right_login_is_accepted(secrets: list[str]) -> None:
    """During a rotation either login counts."""
    assert verify(job(JOB), secrets, NOW)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_scheme_is_written_as_people_like(scheme: str) -> None:
    """HTTP's schemes know no case."""
    assert header(f"{scheme} {basic('databricks:anyRandomString')}")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic ",
        f"Bearer {basic('databricks:anyRandomString')}",
        basic("databricks:anyRandomString"),
        f"Basic {basic('databricks:wrong')}",
        f"Basic {basic('other:anyRandomString')}",
        f"Basic {basic('databricks')}",
        f"Basic {basic(':anyRandomString')}",
        f"Basic {basic('databricks:anyRandomString')}, Basic {basic('databricks:anyRandomString')}",
        f"Basic {basic('databricks:anyRandomString')},Basic {basic('databricks:anyRandomString')}",
        "Basic databricks:anyRandomString",
        "Basic \ud800",
    ],
)
def test_wrong_login_is_refused(value: str) -> None:
    """Whatever else stands in the header, the answer is no and never an error."""
    assert not header(value)


def test_missing_login_is_refused() -> None:
    """A request without the header is not genuine."""
    assert not verify(replace(job(JOB), headers={}), [SECRET], NOW)


@pytest.mark.parametrize(
    "secret",
    [
        "plain text",
        "[]",
        "5",
        "{}",
        '{"username": "a"}',
        '{"username": "", "password": "b"}',
        '{"username": "a", "password": ""}',
        '{"username": "a", "password": 5}',
        '{"username": "\\ud800", "password": "b"}',
        "[" * 100_000,
    ],
)
def test_secret_of_another_form_fails_closed(secret: str) -> None:
    """A secret that is no login proves nothing, and is told from a wrong password in the log."""
    with pytest.raises(SecretUnusable):
        verify(job(JOB, username="", password=""), [secret], NOW)


def test_task_is_read_completely() -> None:
    """Every field of a task's notification has its place; it happened when it came."""
    event = read(TASK)
    assert event.to_dict() == {
        "source": "databricks-jobs",
        "kind": "job.started",
        "name": "jobs.on_start",
        "fact": event.fact,
        "occurred_at": "2026-09-21T14:13:20.000Z",
        "workspace_id": "your_workspace_id",
        "job_id": "job_id",
        "job_name": "job_name",
        "run_id": "run_id_of_task",
        "parent_run_id": "run_id_of_parent_job_run",
        "task_key": "task_name",
    }


def test_ids_may_be_large_numbers() -> None:
    """Ids above 2^53 are kept to the last digit, and are the same as text."""
    event = read(INTS)
    assert (event.workspace_id, event.job_id, event.run_id) == (
        "1234567890",
        "281874479417551",
        "41847992357943",
    )
    large = {**INTS, "run": {"run_id": 2**63 - 1}}
    assert read(large).run_id == "9223372036854775807"
    assert read(large).fact == read({**INTS, "run": {"run_id": "9223372036854775807"}}).fact


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *EVENTS.items(),
        ("jobs.on_something_new", "job.something_new"),
    ],
)
def test_event_has_its_kind(name: str, kind: str) -> None:
    """The documented events are understood, and those that Databricks will think of."""
    assert (read({**JOB, "event_type": name}).kind, read({**JOB, "event_type": name}).name) == (kind, name)


@pytest.mark.parametrize(
    "name", ["jobs.on_", "jobs.on_X", "jobs.on_a b", "job.on_start", "x", "jobs.on_" + "a" * 101]
)
def test_unknown_event_starts_nothing(name: str) -> None:
    """What is no event of a job is no error."""
    ignored = parse(job({**JOB, "event_type": name}), NOW)
    assert isinstance(ignored, Ignored)
    assert ignored.reason == "unknown-event"


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 5},
        {"job": {"job_id": "job_id", "name": "renamed"}},
        {"task": None},
    ],
)
def test_two_reports_of_one_act_are_one_fact(changes: dict[str, Any]) -> None:
    """A run starts once, however often it is told, and whenever."""
    assert read({**JOB, **changes}, NOW + 3600).fact == read(JOB).fact


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "jobs.on_success"},
        {"workspace_id": "another"},
        {"run": {"run_id": "another"}},
        {"task": {"task_key": "a"}},
    ],
)
def test_two_acts_are_two_facts(changes: dict[str, Any]) -> None:
    """Another run, task, workspace or event is something else that happened."""
    assert read({**JOB, **changes}).fact != read(JOB).fact


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"{", "not JSON"),
        ({**JOB, "event_type": None}, "'event_type' is missing"),
        ({**JOB, "event_type": 5}, "'event_type' is not a string"),
        ({**JOB, "workspace_id": None}, "'workspace_id' is missing"),
        ({**JOB, "workspace_id": ""}, "'workspace_id' is missing"),
        ({**JOB, "workspace_id": 1.5}, "'workspace_id' is not a string"),
        ({**JOB, "workspace_id": True}, "'workspace_id' is not a string"),
        ({**JOB, "workspace_id": 10**1024}, "'workspace_id' is longer than 1024 characters"),
        ({**JOB, "run": None}, "'run' is missing"),
        ({**JOB, "run": 5}, "'run' is not an object"),
        ({**JOB, "run": {}}, "'run_id' is missing"),
        ({**JOB, "run": {"run_id": "1", "parent_run_id": []}}, "'parent_run_id' is not a string"),
        ({**JOB, "job": {}}, "'job_id' is missing"),
        ({**JOB, "job": {"job_id": 1, "name": 5}}, "'name' is not a string"),
        ({**JOB, "task": "t"}, "'task' is not an object"),
        ({**JOB, "task": {"task_key": 5}}, "'task_key' is not a string"),
    ],
)
def test_malformed_event_is_explained(payload: Any, complaint: str) -> None:
    """A genuine request that can't be understood is the sender's to mend, and the answer says where."""
    with pytest.raises(Malformed, match=complaint):
        parse(job(payload), NOW)


@settings(deadline=None, max_examples=300)
@given(
    st.binary()
    | st.dictionaries(st.sampled_from([*TASK]), JSON, max_size=3).map(
        lambda changes: json.dumps({**TASK, **changes}).encode()
    )
)
def test_whatever_comes_is_read_or_malformed(body: bytes) -> None:
    """No body makes parsing fail in a way of its own."""
    with suppress(Malformed):
        assert isinstance(parse(job(body), NOW), Event | Ignored)


@settings(deadline=None, max_examples=100)
@given(st.permutations(list(TASK.items())), st.sampled_from([None, 1, 4]), st.text(), JSON)
def test_fact_outlives_how_it_is_written(
    items: list[tuple[str, Any]], indent: int | None, key: str, value: Any
) -> None:
    """Order of keys, white space and unknown keys make no other fact of an event."""
    body = json.dumps({f"x-{key}": value, **dict(items)}, indent=indent).encode()
    assert read(body).fact == read(TASK).fact
