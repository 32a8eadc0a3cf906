"""One look at the pipeline: what waits, what is in the way, and what needs a person."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from functions.core.ledger import Entry, State
from functions.dispatch import gate_state
from functions.dispatch.gate_state import CREDENTIAL, UNTIL_RESUMED, GateState
from functions.dispatch.pacing import Pace
from modelrelay.commands import status as command
from modelrelay.errors import CommandError
from modelrelay.operate.status import look
from tests.operate.stand_in import Pipeline, Service
from tests.unit.samples import NOW

OPEN: dict[str, Any] = {"state": "open", "closed": None, "paused": None, "learned": None, "ledgers": []}

ALARM = {
    "AlarmName": "ModelRelay-AlarmsDeadLetters1A2B-xyz",
    "AlarmDescription": "Deliveries lie in the dead-letter queue and need a person.",
    "StateUpdatedTimestamp": datetime.fromtimestamp(NOW - 600, UTC),
}


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline where nothing is the matter."""
    return Pipeline()


def screen(pipeline: Pipeline) -> str:
    """Give what a person sees."""
    return Text.from_markup("\n".join(command.lines(look(pipeline.relay), pipeline.now))).plain


def set_gate(pipeline: Pipeline, change: Any) -> None:
    """Bring the gate into a state."""
    pipeline.relay.gate.change(lambda state, now: (change(state, now), None))


def test_healthy_pipeline_needs_nobody(pipeline: Pipeline) -> None:
    """Where nothing is the matter every part says so, and what is not known is called unknown."""
    seen = look(pipeline.relay)
    assert seen["needs_a_person"] == []
    assert seen["gate"] == OPEN
    assert (seen["quota"], seen["alarms"], seen["held"], seen["dispatched"]) == (None, [], [], [])
    page = screen(pipeline)
    assert "gate          open" in page
    assert "quota         unknown" in page
    assert "Needs a person" not in page


def test_queues_are_counted(pipeline: Pipeline) -> None:
    """What waits, what is in flight, and the dead letters with the reasons that the ledger knows."""
    pipeline.session.counts = {"waiting": 3, "in flight": 2, "dead": 4}
    for version in "123":
        pipeline.put(Entry(State.DEAD_LETTERED, reason="github-refused"), version=version)
    pipeline.put(Entry(State.DEAD_LETTERED, reason="expired"), version="4")
    pipeline.put(Entry(State.DEAD_LETTERED, reason="expired"), at=15 * 86_400, version="5")
    seen = look(pipeline.relay)
    assert seen["queue"] == {"waiting": 3, "in_flight": 2}
    assert seen["dead_letters_by_reason"] == {"github-refused": 3, "expired": 1}
    assert seen["needs_a_person"] == ["4 in the dead letters."]
    page = screen(pipeline)
    assert "3 waiting, 2 in flight" in page
    assert "github-refused 3, expired 1" in page


def test_pause_is_told_with_who_and_why(pipeline: Pipeline) -> None:
    """A pause is no alarm: somebody wanted it."""
    set_gate(pipeline, lambda state, now: gate_state.pause(state, now, UNTIL_RESUMED, "moving house", "ada"))
    pipeline.now += 180
    seen = look(pipeline.relay)
    assert seen["gate"]["paused"] == {
        "since": "2026-09-21T14:13:20Z",
        "until": None,
        "reason": "moving house",
        "by": "ada",
    }
    assert seen["needs_a_person"] == []
    assert "paused for 3 min by ada, until it is resumed: moving house" in screen(pipeline)


def test_pause_over_a_closed_gate_shows_both(pipeline: Pipeline) -> None:
    """What holds after the resume is seen before it."""
    set_gate(pipeline, lambda state, now: gate_state.limited(state, now, 3600))
    set_gate(pipeline, lambda state, now: gate_state.pause(state, now, now + 60, "x", "ada"))
    seen = look(pipeline.relay)["gate"]
    assert (seen["state"], seen["closed"]["reason"]) == ("paused", "rate-limited")
    assert look(pipeline.relay)["needs_a_person"] == []
    assert seen["paused"]["until"] == "2026-09-21T14:14:20Z"
    page = screen(pipeline)
    assert "paused for 0 s by ada, until 2026-09-21" in page
    assert "closed for 0 s, until 2026-09-21" in page


def test_what_refusals_have_taught_is_shown(pipeline: Pipeline) -> None:
    """Who wonders why it is slow reads how slow, since GitHub refused more, and until when."""
    calls = {int(pipeline.now // 60): (30, 60)}
    set_gate(pipeline, lambda state, now: replace(state, calls=calls, last_at=now))
    set_gate(pipeline, lambda state, now: gate_state.overrun(state, Pace(60, 500), now, 60))
    assert look(pipeline.relay)["gate"]["learned"] is None
    set_gate(pipeline, lambda state, now: gate_state.called(gate_state.succeeded(state), now))
    set_gate(pipeline, lambda state, now: gate_state.overrun(state, Pace(60, 500), now, 60))
    told = {"per_minute": 27, "per_hour": None, "until": "2026-09-21T17:13:20Z"}
    assert look(pipeline.relay)["gate"]["learned"] == told
    assert "GitHub refused more, so at most 27 calls a minute until 2026" in screen(pipeline)
    change = {"per_hour": 200}
    set_gate(pipeline, lambda state, now: replace(state, learned=replace(state.learned, **change)))
    assert "so at most 27 calls a minute and 200 calls an hour until 2026" in screen(pipeline)
    pipeline.now += 3 * 3600
    assert look(pipeline.relay)["gate"]["learned"] is None
    assert "GitHub refused more" not in screen(pipeline)


def test_stacks_that_share_the_gate_are_named(pipeline: Pipeline) -> None:
    """A pause of one is a pause of all of them, so it is told."""
    set_gate(pipeline, lambda state, now: replace(state, ledgers={"Ledger": now, "Other": now}))
    assert "the same credential paces the stacks of Ledger, Other" in screen(pipeline)


def test_rejected_credential_needs_a_person(pipeline: Pipeline) -> None:
    """Why the gate is closed is said with what to do."""
    set_gate(pipeline, lambda state, now: gate_state.rejected(state, now, f"{CREDENTIAL}rejected", "key"))
    assert look(pipeline.relay)["needs_a_person"] == ["The gate is closed: credential-rejected."]
    assert "Put a new one into the secret" in screen(pipeline)


def test_closure_that_is_being_tried_is_called_so(pipeline: Pipeline) -> None:
    """When its time is over, the next call finds out."""
    set_gate(pipeline, lambda state, now: gate_state.limited(state, now, 10))
    pipeline.now += 11
    assert look(pipeline.relay)["gate"]["state"] == "probing"
    assert "a call finds out whether it is over: rate-limited" in screen(pipeline)


def test_deliveries_that_are_held_back_are_counted_by_reason(pipeline: Pipeline) -> None:
    """Of each reason the oldest is named, by when it was accepted."""
    for version, accepted in (("1", 500), ("2", 900), ("3", 100)):
        entry = Entry(State.WAITING, reason="pacing")
        pipeline.put(entry, version=version, accepted_at=int((NOW - accepted) * 1000))
    pipeline.put(Entry(State.UNKNOWN, reason="looking"), version="4")
    [waiting, unknown] = look(pipeline.relay)["held"]
    assert (waiting["state"], waiting["reason"], waiting["count"]) == ("waiting", "pacing", 3)
    assert waiting["oldest"]["version"] == "2"
    assert (unknown["state"], unknown["count"]) == ("unknown", 1)
    assert "3 waiting: pacing, the oldest accepted 15 min ago: churn 2 Production" in screen(pipeline)


def test_five_newest_dispatches_are_shown(pipeline: Pipeline) -> None:
    """With model, version, age and run."""
    for number in range(7):
        entry = Entry(State.DISPATCHED, run_id=number, run_url=f"https://github.com/runs/{number}")
        pipeline.put(entry, at=60.0 * (number + 2), version=str(number))
    rows = look(pipeline.relay)["dispatched"]
    assert [each["version"] for each in rows] == ["0", "1", "2", "3", "4"]
    assert "2 min ago" in screen(pipeline)
    assert "https://github.com/runs/4" in screen(pipeline)


def test_last_known_quota_is_shown_with_its_age(pipeline: Pipeline) -> None:
    """The newest of the numbers counts, whatever order CloudWatch gives them in."""
    points = [
        {"Timestamp": datetime.fromtimestamp(NOW - age, UTC), "Minimum": left}
        for age, left in ((900, 4000.0), (300, 3210.0), (600, 3900.0))
    ]
    metrics = Service(get_metric_statistics={"Datapoints": points}, describe_alarms={"MetricAlarms": []})
    pipeline.session.services["cloudwatch"] = metrics
    assert look(pipeline.relay)["quota"] == {"remaining": 3210, "at": "2026-09-21T14:08:20Z"}
    assert "3,210 calls left, 5 min ago" in screen(pipeline)
    [asked] = [told for name, told in metrics.asked if name == "get_metric_statistics"][:1]
    assert (asked["Namespace"], asked["MetricName"]) == ("ModelRelay", "RemainingQuota")
    assert asked["Dimensions"] == [{"Name": "service", "Value": "dispatch"}]


def test_alarms_are_told_in_their_own_words(pipeline: Pipeline) -> None:
    """An alarm of this stack needs a person, and its description says why."""
    composite = {**ALARM, "AlarmName": "ModelRelay-AlarmsUndelivered"}
    alarms = {"MetricAlarms": [ALARM], "CompositeAlarms": [composite]}
    metrics = Service(get_metric_statistics={"Datapoints": []}, describe_alarms=alarms)
    pipeline.session.services["cloudwatch"] = metrics
    seen = look(pipeline.relay)
    assert [alarm["name"] for alarm in seen["alarms"]] == ["Undelivered", "DeadLetters1A2B-xyz"]
    assert seen["needs_a_person"] == ["Undelivered is in alarm.", "DeadLetters1A2B-xyz is in alarm."]
    assert "need a person. (10 min ago)" in screen(pipeline)
    asked = dict(metrics.asked)["describe_alarms"]
    assert (asked["AlarmNamePrefix"], asked["StateValue"]) == ("ModelRelay-Alarms", "ALARM")
    assert set(asked["AlarmTypes"]) == {"CompositeAlarm", "MetricAlarm"}


@pytest.mark.parametrize(
    ("service", "parts"),
    [
        ("sqs", {"queue", "dead_letters"}),
        ("dynamodb", {"dead_letters_by_reason", "gate", "held", "dispatched"}),
        ("cloudwatch", {"quota", "alarms"}),
    ],
)
def test_part_that_can_not_be_read_does_not_spoil_the_rest(
    pipeline: Pipeline, service: str, parts: set[str]
) -> None:
    """Each part that a permission lacks for says so; it counts as something that needs a person."""
    pipeline.session.refuse(service)
    seen = look(pipeline.relay)
    unreadable = {name for name, part in seen.items() if isinstance(part, dict) and "unreadable" in part}
    assert unreadable == parts
    assert len(seen["needs_a_person"]) == len(parts)
    assert screen(pipeline).count("can't be read: AWS refused (AccessDenied)") == len(parts)
    json.dumps(seen)


def test_watch_draws_until_interrupted() -> None:
    """Each two seconds there is a new look, and Ctrl-C ends it without a complaint."""
    drawn: list[int] = []
    naps: list[float] = []

    def draw() -> list[str]:
        drawn.append(len(drawn))
        return [f"look {len(drawn)}"]

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt

    page = io.StringIO()
    command.watched(Console(file=page, force_terminal=True, width=80), draw, sleep)
    assert naps == [2.0, 2.0, 2.0]
    assert "look 3" in page.getvalue()


@pytest.mark.parametrize(("check", "as_json"), [(True, False), (False, True)])
def test_watch_is_for_people_only(check: bool, as_json: bool) -> None:  # noqa: FBT001
    """A program asks again by itself."""
    with pytest.raises(CommandError, match="--watch is for people"):
        command.status(watch=True, check=check, as_json=as_json)


def test_names_are_not_taken_for_markup(pipeline: Pipeline) -> None:
    """Words that people chose are printed as they are."""
    set_gate(pipeline, lambda state, now: gate_state.pause(state, now, UNTIL_RESUMED, "[/bold][red]", "ada"))
    pipeline.put(Entry(State.WAITING, reason="paused"), model_name="[/green]churn")
    page = screen(pipeline)
    assert "[/bold][red]" in page
    assert "[/green]churn" in page


def test_old_pause_leaves_no_words(pipeline: Pipeline) -> None:
    """A pause that has run out is not shown."""
    set_gate(pipeline, lambda _state, now: gate_state.pause(GateState(), now, now + 1, "x", "ada"))
    pipeline.now += 2
    assert look(pipeline.relay)["gate"] == OPEN
