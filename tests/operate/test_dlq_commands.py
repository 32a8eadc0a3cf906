"""The commands for dead letters: what they say, what they ask, and how they end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from functions.core.ledger import State
from functions.operate.audit import Act, Audit
from modelrelay.errors import CommandError
from modelrelay.operate import dlq_steps
from tests.unit.samples import delivery

from .conftest import Deployed


def acts(deployed: Deployed) -> list[Act]:
    """Give the records of what was done."""
    return list(Audit(deployed.cloud.client("dynamodb"), deployed.outputs["LedgerTableName"]).newest())


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits at the terminal."""
    monkeypatch.setattr(dlq_steps, "asks", lambda **_: True)


@pytest.mark.parametrize("arguments", [["list"], ["replay", "--all", "--yes"], ["purge", "--all", "--yes"]])
def test_nothing_to_do_is_said_and_is_no_error(deployed: Deployed, arguments: list[str]) -> None:
    """On an empty queue each command says that there is nothing, and ends with 0."""
    told = deployed.cli("dlq", *arguments)
    assert told.exit_code == 0
    said = {"list": "There are no dead letters.\n"}
    assert told.stdout == said.get(arguments[0], "Nothing was sent or removed.\n")


def test_list_is_a_table_with_counts(deployed: Deployed) -> None:
    """People see a line for each letter, and each reason with its count and what to do."""
    sent = delivery(model_name="Airline_Delay", version="8")
    deployed.bury(sent, "github-not-found", detail="Not Found. " * 20)
    deployed.bury(delivery(model_name="[red]x"), "github-not-found")
    deployed.bury(delivery(model_name="churn"), "expired")
    told = deployed.cli("dlq", "list").stdout
    head, first, second, third, _, not_found, expired, *_ = told.splitlines()
    assert head.split() == ["delivery", "model", "version", "route", "reason", "age", "detail"]
    assert first.split()[:5] == [sent.id[:12], "Airline_Delay", "8", "default", "github-not-found"]
    assert first.rstrip().endswith("…")
    assert "[red]x" in second
    assert "churn" in third
    assert not_found.split()[:2] == ["2", "github-not-found"]
    assert expired.split()[:2] == ["1", "expired"]


def test_list_for_programs(deployed: Deployed) -> None:
    """Programs get every letter's fields without the event's prose, the counts, and how much was seen."""
    sent = delivery(tags={"note": "prose"})
    deployed.bury(sent, "github-refused", status="422")
    told = deployed.cli("dlq", "list", "--json")
    content = json.loads(told.stdout)
    (letter,) = content.pop("letters")
    assert content == {"reasons": {"github-refused": 1}, "seen": 1, "about": 1, "held_by_others": 0}
    assert (letter["id"], letter["status"], letter["version"]) == (sent.id, "422", "8")
    assert "prose" not in told.output


def test_what_can_not_be_seen_is_said(deployed: Deployed) -> None:
    """Of a long model ten are listed, and how many there are about."""
    for number in range(12):
        deployed.bury(delivery(version=str(number)))
    told = deployed.cli("dlq", "list", "--json")
    content = json.loads(told.stdout)
    assert (content["seen"], content["about"]) == (10, 12)
    assert "10 of about 12 letters can be seen" in told.stderr


def test_held_letters_are_said(deployed: Deployed) -> None:
    """What somebody else holds at the moment is counted, not denied."""
    deployed.bury(delivery())
    deployed.sqs.receive_message(QueueUrl=deployed.outputs["DeadLetterQueueUrl"], VisibilityTimeout=60)
    told = deployed.cli("dlq", "list")
    assert "About 1 are held by somebody else" in told.stderr


def test_poison_does_not_steer_the_terminal(deployed: Deployed) -> None:
    """What somebody smuggled into a letter is shown without its control characters."""
    deployed.bury_text("{}", "g", reason="bad\u009b31m", detail="line\u0085next\u2028[bold]x[/bold]\u202e")
    told = deployed.cli("dlq", "list")
    assert told.exit_code == 0
    assert not set("\u009b\u0085\u2028\u202e") & set(told.stdout)
    assert "[bold]x[/bold]" in told.stdout


def test_show_tells_everything_but_prose(deployed: Deployed) -> None:
    """The letter, the event with its tags' names only, and what the ledger says, with the run."""
    sent = delivery(tags={"note": "prose"})
    deployed.bury(sent)
    deployed.know(sent, State.DISPATCHED, run_id=17, run_url="https://github.com/run/17", attempts=2)
    told = deployed.cli("dlq", "show", sent.id[:6], "--json")
    (letter,) = json.loads(told.stdout)["letters"]
    assert letter["event"]["tags"] == ["note"]
    assert letter["ledger"]["run_url"] == "https://github.com/run/17"
    assert (letter["ledger"]["state"], letter["ledger"]["attempts"]) == ("dispatched", 2)
    people = deployed.cli("dlq", "show", sent.id).stdout
    assert "run_url  https://github.com/run/17" in people
    assert "prose" not in told.output + people
    assert deployed.counts() == (1, 0)


def test_show_of_what_is_no_letter_any_more_tells_what_became_of_it(deployed: Deployed) -> None:
    """Where there is no letter, the ledger may know more."""
    sent = delivery()
    deployed.know(sent, State.DISPATCHED, run_url="https://github.com/run/17")
    told = deployed.cli("dlq", "show", sent.id)
    assert isinstance(told.exception, CommandError)
    assert str(told.exception).endswith(
        "The ledger knows the delivery as dispatched. https://github.com/run/17"
    )
    assert "ledger" not in str(deployed.cli("dlq", "show", "beef").exception)


def test_replay_without_yes_is_a_plan(deployed: Deployed) -> None:
    """How many of which reason and route, what would become of them, and nothing is done."""
    older = delivery(version="1", occurred_at="2026-01-01T00:00:00.000Z")
    done = delivery(version="2", occurred_at="2026-01-02T00:00:00.000Z")
    for each in (older, done, delivery(model_name="fresh")):
        deployed.bury(each)
    deployed.bury_text("poison")
    deployed.know(done, State.DISPATCHED)
    told = deployed.cli("dlq", "replay", "--all", "--json")
    content = json.loads(told.stdout)
    assert content["dry_run"] is True
    assert content["plan"]["letters"] == 4
    assert content["plan"]["verdicts"] == {
        "send": 1,
        "overtaken": 1,
        "settled": 1,
        "under-way": 0,
        "no-route": 0,
        "unreadable": 1,
    }
    assert content["plan"]["groups"] == [
        {"reason": "github-not-found", "route": "default", "letters": 3},
        {"reason": "malformed", "route": "", "letters": 1},
    ]
    people = deployed.cli("dlq", "replay", "--all")
    assert "1  would be sent and then set aside, because a newer fact was dispatched" in people.stdout
    assert "1  are done (dispatched since, or set aside for a newer fact): removed, not sent" in people.stdout
    assert people.stderr == "Nothing was done. With --yes it is.\n"
    assert (deployed.counts(), deployed.counts("QueueUrl")) == ((4, 0), (0, 0))
    assert acts(deployed) == []


def test_replay_says_what_it_did_and_leaves_a_record(deployed: Deployed) -> None:
    """With --yes the selected letters are sent; the record says who, what was selected, and the counts."""
    for model in ("one", "two", "other"):
        deployed.bury(delivery(model_name=model))
    told = deployed.cli("dlq", "replay", "--model", "o*", "--yes")
    assert (told.exit_code, told.stdout) == (0, "     2  sent\n")
    assert len(deployed.drain()) == 2
    assert deployed.counts() == (1, 0)
    (act,) = acts(deployed)
    assert act.who.startswith("arn:aws:")
    assert (act.action, act.outcome, act.counts["sent"]) == ("dlq replay", "done", 2)
    assert act.options == {"models": ["o*"], "force": False}


@pytest.mark.parametrize("command", ["replay", "purge"])
@pytest.mark.usefixtures("person")
def test_somebody_is_asked(deployed: Deployed, command: str) -> None:
    """On a terminal a plan is followed by a question, and only "yes" does it."""
    deployed.bury(delivery())
    assert "Nothing was done." in deployed.cli("dlq", command, "--all", given="n\n").stderr
    assert deployed.counts() == (1, 0)
    assert deployed.cli("dlq", command, "--all", given="y\n").exit_code == 0
    assert deployed.counts() == (0, 0)
    assert len(deployed.drain()) == (command == "replay")


@pytest.mark.parametrize("command", ["replay", "purge"])
def test_dry_run_outweighs_yes(deployed: Deployed, command: str) -> None:
    """Who says both gets a plan."""
    deployed.bury(delivery())
    deployed.cli("dlq", command, "--all", "--dry-run", "--yes")
    assert (deployed.counts(), acts(deployed)) == ((1, 0), [])


@pytest.mark.usefixtures("person")
def test_purge_takes_what_was_shown(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a letter behind the ten that were shown nor one that comes meanwhile was agreed to."""
    for number in range(12):
        deployed.bury(delivery(version=str(number)))

    def confirm(_question: str) -> bool:
        deployed.bury(delivery(model_name="later"))
        return True

    monkeypatch.setattr("typer.confirm", confirm)
    deployed.cli("dlq", "purge", "--all")
    left = [json.loads(letter["Body"])["event"] for letter in deployed.drain("DeadLetterQueueUrl")]
    assert [(each["model_name"], each["version"]) for each in left] == [
        ("churn", "10"),
        ("churn", "11"),
        ("later", "8"),
    ]


def test_purge_removes_what_is_selected_and_leaves_a_record(deployed: Deployed) -> None:
    """The selected letters go, beyond the ten that SQS shows; the others stay."""
    for number in range(15):
        deployed.bury(delivery(version=str(number)), "expired")
    deployed.bury_text("poison")
    told = deployed.cli("dlq", "purge", "--reason", "expired", "--yes", "--json")
    assert json.loads(told.stdout) == {"dry_run": False, "counts": {"removed": 15}, "troubles": []}
    assert deployed.counts() == (1, 0)
    assert deployed.drain() == []
    (act,) = acts(deployed)
    assert (act.action, act.counts, act.options) == ("dlq purge", {"removed": 15}, {"reasons": ["expired"]})


def test_letters_out_of_reach_are_said(deployed: Deployed) -> None:
    """What lies behind ten letters that stay can't be replayed, and the command says so."""
    for number in range(12):
        deployed.bury(delivery(version=str(number)), "expired" if number < 11 else "crashed")
    told = deployed.cli("dlq", "replay", "--reason", "crashed", "--yes")
    assert told.exit_code == 0
    assert "About 2 letters were not within reach" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["replay"], "Say which letters"),
        (["purge", "--yes"], "Say which letters"),
        (["replay", "--all", "--model", "x"], "contradict each other"),
        (["list", "--where", "reason =="], "--where is not a JMESPath expression"),
        (["list", "--older-than", "soon"], "--older-than soon"),
        (["replay", "--all", "--rate", "0"], "Invalid value for '--rate'"),
    ],
)
def test_wrong_use_ends_with_2(deployed: Deployed, arguments: list[str], why: str) -> None:
    """What the command can't understand is said, and nothing is read."""
    told = deployed.cli("dlq", *arguments)
    assert told.exit_code == 2
    assert why in " ".join(told.stderr.replace("│", "").split())


def test_expression_that_fails_on_a_letter_lets_go_of_it(deployed: Deployed) -> None:
    """An error in the middle of a replay leaves every letter visible, and is on record."""
    deployed.bury(delivery(model_name="one"))
    deployed.bury_text("poison")
    told = deployed.cli("dlq", "replay", "--where", "contains(body.route, 'x')", "--yes")
    assert isinstance(told.exception, CommandError)
    assert "can't be evaluated for the letter" in str(told.exception)
    assert deployed.counts() == (2, 0)
    assert [act.outcome for act in acts(deployed)] == ["failed"]


def test_trouble_ends_with_1(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be sent is said, with the letter's id, and the exit code is 1."""
    from botocore.exceptions import EndpointConnectionError  # noqa: PLC0415 - only here

    from functions.operate.replay import DeliveryQueue  # noqa: PLC0415

    def put(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://sqs")

    monkeypatch.setattr(DeliveryQueue, "put", put)
    deployed.bury(delivery())
    told = deployed.cli("dlq", "replay", "--all", "--yes")
    assert (told.exit_code, told.stdout) == (1, "     1  kept: they could not be sent\n")
    assert f"{delivery().id} could not be sent: Could not connect" in told.stderr
    assert deployed.counts() == (1, 0)


def test_id_must_be_unique_also_without_a_plan(deployed: Deployed) -> None:
    """With --yes nothing is sent where an id may mean two deliveries, or none."""
    for number in range(40):
        deployed.bury(delivery(model_name=f"model-{number}"))
    for prefix in (*"0123456789abcdef", "zz"):
        meant = [
            number for number in range(40) if delivery(model_name=f"model-{number}").id.startswith(prefix)
        ]
        if len(meant) != 1:
            told = deployed.cli("dlq", "purge", "--id", prefix, "--yes")
            assert isinstance(told.exception, CommandError)
            break
    assert deployed.counts() == (40, 0)


def test_age_is_said_in_the_list(deployed: Deployed) -> None:
    """What has just come is some seconds old."""
    deployed.bury(delivery())
    time.sleep(1.1)
    (letter,) = json.loads(deployed.cli("dlq", "list", "--json").stdout)["letters"]
    assert 0 <= letter["age_seconds"] < 60
    assert json.loads(deployed.cli("dlq", "list", "--older-than", "1h", "--json").stdout)["letters"] == []
