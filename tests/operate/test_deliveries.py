"""What happened to deliveries, as the ledger tells it: the list, and the story of one."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from functions.core.ledger import Entry, State
from functions.dispatch.gate_state import UNTIL_RESUMED, pause
from modelrelay.commands import deliveries as commands
from modelrelay.errors import CommandError
from modelrelay.operate import ages, attempts, story
from modelrelay.operate.deliveries import Wanted, find, get, row
from tests.operate.stand_in import Pipeline, Service
from tests.unit.samples import NOW

HOUR, DAY = 3600.0, 86_400.0
DONE = Entry(State.DISPATCHED, attempts=1, called_at=NOW - 2, run_id=7, run_url="https://github.com/runs/7")
REFUSED = Entry(State.DEAD_LETTERED, reason="github-refused", detail="No ref found for: main", attempts=1)
WAITING = Entry(State.WAITING, reason="rate-limited", booked_at=NOW + 60)


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline with an empty ledger."""
    return Pipeline()


def versions(pipeline: Pipeline, since: float = DAY, **wanted: Any) -> list[str]:
    """List, and give the versions in their order."""
    found = find(pipeline.relay, Wanted(NOW - since, **wanted))
    return [str(record.about["version"]) for record in found]


def printed(draw: Any, *arguments: Any) -> str:
    """Have something printed for people."""
    page = io.StringIO()
    draw(Console(file=page, highlight=False, soft_wrap=True), *arguments)
    return page.getvalue()


# The list


def test_list_has_what_moved_last_first(pipeline: Pipeline) -> None:
    """Deliveries in all states are one list, newest first."""
    pipeline.put(DONE, at=30, version="1")
    pipeline.put(REFUSED, at=10, version="2")
    pipeline.put(WAITING, at=20, version="3")
    pipeline.put(DONE, at=5, version="4")
    assert versions(pipeline) == ["4", "2", "3", "1"]
    assert versions(pipeline, limit=2) == ["4", "2"]


def test_list_of_a_state_a_route_and_a_time(pipeline: Pipeline) -> None:
    """Each filter leaves what fits it, and they add up."""
    pipeline.put(DONE, at=10, version="1")
    pipeline.put(REFUSED, at=10, version="2")
    pipeline.put(REFUSED, at=20, version="3", route="other")
    pipeline.put(REFUSED, at=3 * HOUR, version="4")
    assert versions(pipeline, state=State.DEAD_LETTERED) == ["2", "3", "4"]
    assert versions(pipeline, state=State.DEAD_LETTERED, route="other") == ["3"]
    assert versions(pipeline, since=HOUR, state=State.DEAD_LETTERED) == ["2", "3"]
    assert versions(pipeline, route="default") == ["1", "2", "4"]


def test_list_of_a_model_is_in_the_order_of_acceptance(pipeline: Pipeline) -> None:
    """A model's deliveries are those of its name and no other, the one accepted last first."""
    pipeline.put(DONE, at=10, version="1", accepted_at=int((NOW - 60) * 1000))
    pipeline.put(REFUSED, at=20, version="2", accepted_at=int((NOW - 30) * 1000))
    pipeline.put(DONE, version="3", model_name="other")
    assert versions(pipeline, model="churn") == ["2", "1"]
    assert versions(pipeline, model="churn", state=State.DISPATCHED) == ["1"]
    assert versions(pipeline, model="churn", route="none") == []


def test_list_of_a_model_stops_where_nothing_can_follow(pipeline: Pipeline) -> None:
    """What was accepted longer ago than SQS keeps a message has not moved since."""
    pipeline.put(DONE, version="1", accepted_at=int((NOW - 10 * DAY) * 1000))
    pipeline.put(DONE, at=2 * DAY, version="2")
    pipeline.put(DONE, version="3", accepted_at=int((NOW - 20 * DAY) * 1000))
    assert versions(pipeline, since=HOUR, model="churn") == ["1"]


def test_claim_that_lapsed_is_listed_as_unknown(pipeline: Pipeline) -> None:
    """Whoever died in a call leaves it unknown what GitHub did; the index still says claimed."""
    pipeline.put(Entry(State.CLAIMED, claimed_at=NOW - 100), at=100, version="1")
    pipeline.put(Entry(State.CLAIMED, claimed_at=NOW - 5), at=5, version="2")
    assert versions(pipeline, state=State.UNKNOWN) == ["1"]
    assert versions(pipeline, state=State.CLAIMED) == ["2"]


def test_row_tells_names_and_times_in_utc(pipeline: Pipeline) -> None:
    """Programs read ISO times in UTC, the state's name, and the run."""
    sent = pipeline.put(DONE, at=3)
    [record] = find(pipeline.relay, Wanted(NOW - DAY))
    assert row(record, NOW) == {
        "id": sent.id,
        "route": "default",
        "model": "churn",
        "version": "8",
        "kind": "model_version.stage_transitioned",
        "from_stage": "None",
        "to_stage": "Production",
        "state": "dispatched",
        "reason": "",
        "accepted_at": "2026-09-21T14:13:16Z",
        "updated_at": "2026-09-21T14:13:17Z",
        "attempts": 1,
        "run_url": "https://github.com/runs/7",
    }


def test_list_says_where_it_ends(pipeline: Pipeline) -> None:
    """An empty list says how to find more, and a full one that there may be more."""
    pipeline.put(DONE, at=180)
    rows = [row(record, NOW) for record in find(pipeline.relay, Wanted(NOW - DAY))]
    page = printed(commands._print_rows, rows, NOW, 1)
    assert "3 min ago" in page
    assert "there may be more" in page
    assert "https://github.com/runs/7" in page
    assert "there may be more" not in printed(commands._print_rows, rows, NOW, 2)
    assert "Nothing found." in printed(commands._print_rows, [], NOW, 2)


# One delivery


def test_delivery_is_found_by_its_id_or_the_beginning_of_it(pipeline: Pipeline) -> None:
    """Eight digits will do for what moved in the last two weeks."""
    sent = pipeline.put(DONE)
    for wanted in (sent.id, sent.id[:8], sent.id[:31], f" {sent.id.upper()} "):
        assert get(pipeline.relay, wanted).id == sent.id
    old = pipeline.put(DONE, at=20 * DAY, version="2")
    assert get(pipeline.relay, old.id).about["version"] == "2"
    with pytest.raises(CommandError, match="Give all 32 digits"):
        get(pipeline.relay, old.id[:8])


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("0" * 32, "The ledger knows no delivery 0000"),
        ("0" * 8, "None of the newest deliveries"),
        ("0" * 7, "its first 8 will do"),
        ("gate#github", "has 32 hexadecimal digits"),
        ("", "has 32 hexadecimal digits"),
    ],
)
def test_what_is_no_delivery_is_said_to_be_none(pipeline: Pipeline, wanted: str, complaint: str) -> None:
    """An unknown id and what can't be one are told apart."""
    with pytest.raises(CommandError, match=complaint):
        get(pipeline.relay, wanted)


def test_beginning_of_several_ids_names_them(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is shown another delivery than the one that was meant."""
    one = pipeline.put(DONE, version="1")
    twin = one.id[:8] + "0" * 24
    twins = [get(pipeline.relay, one.id), replace(get(pipeline.relay, one.id), id=twin)]
    monkeypatch.setattr("modelrelay.operate.deliveries.recent", lambda _relay: twins)
    with pytest.raises(CommandError, match=f"{one.id}, {twin}"):
        get(pipeline.relay, one.id[:8])


def tell(pipeline: Pipeline, entry: Entry, **what: Any) -> dict[str, Any]:
    """Put a delivery into the ledger and tell its story."""
    return story.tell(pipeline.relay, get(pipeline.relay, pipeline.put(entry, **what).id))


def test_story_of_what_was_dispatched(pipeline: Pipeline) -> None:
    """It has the run, when things happened, and how long they took."""
    told = tell(pipeline, DONE, at=30, accepted_at=int((NOW - 90) * 1000))
    assert told["state"] == "dispatched"
    assert told["run"] == {"id": 7, "url": "https://github.com/runs/7"}
    assert (told["occurred_at"], told["accepted_at"]) == ("2026-09-21T14:13:20.000Z", "2026-09-21T14:11:50Z")
    assert told["dispatched_at"] == told["updated_at"] == "2026-09-21T14:12:50Z"
    assert told["seconds"] == {"until_accepted": -90.0, "until_dispatched": 60.0}
    assert (told["reason"], told["doubt"], told["paused"]) == (None, None, None)
    json.dumps(told)
    page = printed(commands._print_story, told, NOW)
    assert "https://github.com/runs/7" in page
    assert "60 s after it was accepted" in page


def test_story_of_a_dead_letter_tells_githubs_words_and_what_to_do(pipeline: Pipeline) -> None:
    """Who reads it at night knows why, in whose words, and the next step."""
    told = tell(pipeline, REFUSED)
    assert (told["reason"], told["detail"]) == ("github-refused", "No ref found for: main")
    page = printed(commands._print_story, told, NOW)
    for text in (
        "No ref found for: main",
        "GitHub refuses the request",
        "replay the dead letter",
        "1 to GitHub",
    ):
        assert text in page


def test_story_of_what_waits_tells_its_turn(pipeline: Pipeline) -> None:
    """It is said that it waits by itself, and when its turn is."""
    told = tell(pipeline, WAITING)
    assert (told["turn_at"], told["dispatched_at"]) == ("2026-09-21T14:14:20Z", None)
    assert "its turn" in printed(commands._print_story, told, NOW)


def test_story_of_what_is_in_doubt_tells_when_that_was(pipeline: Pipeline) -> None:
    """The span of time is what a person compares with the workflow's runs; a death counts too."""
    entry = Entry(State.CLAIMED, claimed_at=NOW - 100, attempts=2, past="[[1790000000.0, 1790000001.0]]")
    told = tell(pipeline, entry, at=100)
    assert (told["state"], told["deaths"]) == ("unknown", 1)
    assert told["doubt"] == {
        "since": "2026-09-21T14:11:40Z",
        "until": "2026-09-21T14:12:05Z",
        "looks": 0,
        "earlier": [{"since": "2026-09-21T14:13:20Z", "until": "2026-09-21T14:13:21Z"}],
    }
    page = printed(commands._print_story, told, NOW)
    assert "in doubt" in page
    assert "1 of them died" in page


def test_story_of_what_is_paused_tells_by_whom(pipeline: Pipeline) -> None:
    """Who and why stand beside the delivery that waits for it."""
    pipeline.relay.gate.change(lambda state, now: (pause(state, now, UNTIL_RESUMED, "moving", "ada"), None))
    told = tell(pipeline, replace(WAITING, reason="paused"))
    assert told["paused"]["by"] == "ada"
    assert "by ada: moving" in printed(commands._print_story, told, NOW)


def test_nothing_of_an_event_is_taken_for_markup(pipeline: Pipeline) -> None:
    """A name with brackets is printed as it is."""
    told = tell(pipeline, replace(REFUSED, detail="[/bold] [red]x"), model_name="[bold]churn")
    page = printed(commands._print_story, told, NOW)
    assert "[bold]churn" in page
    assert "[/bold] [red]x" in page


# The log


def line(delivery: str, at: float, **fields: Any) -> dict[str, Any]:
    """Give a line of the log as CloudWatch does."""
    content = {"message": "attempt", "delivery": delivery, "outcome": "Wait", "model": "churn", **fields}
    return {"timestamp": int(at * 1000), "message": json.dumps(content)}


def logged(pipeline: Pipeline, *pages: list[dict[str, Any]]) -> Service:
    """Fill dispatch's log, page by page."""
    resources = [
        {
            "LogicalResourceId": "Dispatch1",
            "ResourceType": "AWS::Lambda::Function",
            "PhysicalResourceId": "f",
        },
        {"LogicalResourceId": "IngestLog1", "ResourceType": "AWS::Logs::LogGroup", "PhysicalResourceId": "i"},
        {
            "LogicalResourceId": "DispatchLog1",
            "ResourceType": "AWS::Logs::LogGroup",
            "PhysicalResourceId": "d",
        },
    ]
    answers = [
        {"events": page, **({"nextToken": str(number)} if number < len(pages) else {})}
        for number, page in enumerate(pages, 1)
    ]
    logs = Service(filter_log_events=lambda **_: answers.pop(0))
    pipeline.session.services["logs"] = logs
    pipeline.session.services["cloudformation"] = Service(
        list_stack_resources={"StackResourceSummaries": resources}
    )
    return logs


def test_log_has_the_newest_attempts_of_this_delivery(pipeline: Pipeline) -> None:
    """Page by page, oldest first, without lines of others and without what is no line of ours."""
    mine = pipeline.put(WAITING).id
    many = [line(mine, NOW + number, wait_seconds=number) for number in range(25)]
    noise = [{"timestamp": 1, "message": "REPORT"}, line("x", NOW), {"timestamp": 1, "message": "3"}]
    logs = logged(pipeline, many[:10], noise, many[10:])
    found = attempts.of_delivery(pipeline.relay, mine, NOW, NOW)
    assert [each["wait_seconds"] for each in found] == list(range(5, 25))
    assert found[0] == {"at": "2026-09-21T14:13:25Z", "outcome": "Wait", "wait_seconds": 5}
    asked = [parameters for _, parameters in logs.asked]
    assert {each["logGroupName"] for each in asked} == {"d"}
    assert len(asked) == 3


def test_story_has_the_log_or_why_it_can_not_be_read(pipeline: Pipeline) -> None:
    """Where the log may not be read, everything else is told."""
    sent = pipeline.put(REFUSED)
    record = get(pipeline.relay, sent.id)
    logged(pipeline, [line(sent.id, NOW, status=422, reason="github-refused", github_request_id="A1:B2")])
    page = printed(commands._print_story, story.tell(pipeline.relay, record), NOW)
    assert "github-refused  422  GitHub request A1:B2" in page
    pipeline.session.refuse("logs")
    page = printed(commands._print_story, story.tell(pipeline.relay_of(), record), NOW)
    assert "The log can't be read: AWS refused (AccessDenied)" in page
    assert "No ref found" in page


def test_stack_without_the_log_says_so(pipeline: Pipeline) -> None:
    """A stack of another version may have no such log group."""
    told = tell(pipeline, DONE)
    assert told["log"] == {"unreadable": "The stack ModelRelay has no log group of dispatch's."}


def test_ledger_that_may_not_be_read_is_one_clear_message(pipeline: Pipeline) -> None:
    """What AWS says comes through the functions' own code."""
    pipeline.session.refuse("dynamodb")
    with pytest.raises(CommandError, match=r"AWS refused \(AccessDenied\): query is not allowed"):
        find(pipeline.relay, Wanted(NOW - DAY))


# Times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (5 * DAY, "5 d"),
    ],
)
def test_ages_are_said_in_one_unit(seconds: float, text: str) -> None:
    """People want the size of it."""
    assert ages.spoken(seconds) == text


@pytest.mark.parametrize(
    ("text", "back"),
    [("24h", DAY), ("30m", 1800), ("2 min", 120), ("2026-09-21T14:13:19Z", 1), ("1w", 7 * DAY)],
)
def test_since_takes_a_duration_or_a_time(text: str, back: float) -> None:
    """Whatever comes to mind first."""
    assert ages.before("--since", text, NOW) == NOW - back


@pytest.mark.parametrize("text", ["", "yesterday", "24", "h", "1y", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """The message names the option and what would be right."""
    with pytest.raises(CommandError, match=r"--since .*should be a duration or a time"):
        ages.before("--since", text, NOW)


@pytest.mark.parametrize("text", [None, "", "soon", "0001-01-01T00:00:00+23:59"])
def test_missing_time_is_a_dash(text: str | None) -> None:
    """An event may come without a time that can be read."""
    assert (ages.local(text), ages.ago(text, NOW), ages.since(text, NOW)) == ("-", "-", "-")


def test_local_time_has_its_zone() -> None:
    """People read their own time, and which one it is."""
    assert len(ages.local("2026-09-21T14:13:20Z").split()) == 3
    assert ages.iso(0) is None
    assert ages.ago("2026-09-21T14:13:20Z", NOW + 300) == "5 min ago"
