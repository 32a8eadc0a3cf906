"""`route explain`: which routes take an event, why others don't, and what GitHub would get."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from functions.core.delivery import Delivery
from modelrelay.cli import app
from modelrelay.errors import CommandError
from tests.unit.ingest.webhooks import ALIAS_SET, ALL, JOBS, OWN, TRANSITION
from tests.unit.samples import EVENT, delivery

ACCOUNT = {"owner": "acme", "repository": "models", "workflow_id": "deploy.yml", "default_branch": "main"}
ROUTES = [
    {"name": "staging", "to_stages": ["Staging"]},
    {
        "name": "airlines",
        "models": ["Airline_*"],
        "inputs": {"model": "${model_name}", "id": "${delivery_id}"},
    },
    {"name": "needs-alias", "inputs": {"alias": "${alias}"}},
    {
        "name": "event",
        "target": {
            "type": "repository_dispatch",
            "owner": "other",
            "event_type": "promoted",
            "client_payload": {"model": {"name": "${model_name}", "version": "${version}"}},
        },
    },
]


def explain(
    payload: Any, *arguments: str, routes: list[Any] | None = None, github: dict[str, Any] | None = None
) -> Any:
    """Ask what becomes of a payload, given on standard input."""
    relay = {"routes": routes or ROUTES, "github": github or {}}
    context = ["-c", f"account_setings={json.dumps(ACCOUNT)}", "-c", f"relay={json.dumps(relay)}"]
    body = payload if isinstance(payload, str) else json.dumps(payload)
    return CliRunner().invoke(app, ["route", "explain", *context, *arguments], input=body)


def told(payload: Any, *arguments: str, **settings: Any) -> Any:
    """Give what a program is told."""
    result = explain(payload, "--json", *arguments, **settings)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_each_route_answers_for_itself() -> None:
    """A program learns of each route its objection, its dead letter, or the exact request."""
    answer = told(TRANSITION)
    staging, airlines, needs_alias, event = answer["routes"]
    assert answer["event"]["kind"] == "model_version.stage_transitioned"
    assert staging["objection"] == "its to_stages don't name 'Production'"
    assert (staging["asked"], staging["delivery"]) == (None, "")
    assert airlines["asked"] == {
        "method": "POST",
        "url": "https://api.github.com/repos/acme/models/actions/workflows/deploy.yml/dispatches",
        "body": {
            "ref": "main",
            "inputs": {"model": "Airline_Delay_SparkML", "id": airlines["delivery"]},
        },
    }
    assert needs_alias["dead_letter"].startswith("missing-field: 'alias' of route 'needs-alias' needs")
    assert event["asked"] == {
        "method": "POST",
        "url": "https://api.github.com/repos/other/models/dispatches",
        "body": {
            "event_type": "promoted",
            "client_payload": {"model": {"name": "Airline_Delay_SparkML", "version": "8"}},
        },
    }


def test_people_read_one_line_for_each_route() -> None:
    """People see the same at a glance."""
    shown = explain(TRANSITION).output
    assert "model_version.stage_transitioned  Airline_Delay_SparkML, version 8, Production" in shown
    assert "✗ staging: its to_stages don't name 'Production'" in shown
    assert "✓ airlines  delivery " in shown
    assert "POST https://api.github.com/repos/acme/models/actions/workflows/deploy.yml/dispatches" in shown
    assert "! needs-alias: a dead letter, missing-field" in shown


def test_request_is_the_configured_githubs() -> None:
    """Base address and version of the API decide what GitHub gets."""
    old = {"api_url": "https://api.acme.ghe.com", "api_version": "2022-11-28"}
    asked = told(TRANSITION, github=old)["routes"][1]["asked"]
    assert asked["url"].startswith("https://api.acme.ghe.com/repos/")
    assert asked["body"]["return_run_details"] is True


@pytest.mark.parametrize(
    ("payload", "source"),
    [(TRANSITION, "databricks"), (ALIAS_SET, "mlflow"), (JOBS[4], "databricks-jobs"), (OWN, "events")],
)
def test_sender_is_recognised(payload: Any, source: str) -> None:
    """Whose body it is can be seen from it, or be named."""
    assert told(payload)["event"]["source"] == source
    assert told(payload, "--sender", source)["event"]["source"] == source


@pytest.mark.parametrize("payload", [each["payload"] for each in ALL], ids=[each["event"] for each in ALL])
def test_every_known_payload_is_explained(payload: Any) -> None:
    """Each payload that a sender is known to send is understood."""
    assert told(payload).keys() & {"ignored", "routes"}


def test_dead_letters_body_is_understood() -> None:
    """The body of a dead letter can be pasted as it is: it holds the event."""
    answer = told(json.loads(delivery("airlines", model_name="Airline_1").to_message()))
    assert answer["event"]["model_name"] == "Airline_1"
    assert answer["routes"][1]["delivery"] == delivery("airlines", model_name="Airline_1").id


def test_test_delivery_is_told_as_such() -> None:
    """What ingest would ignore is said with ingest's reason."""
    test = next(each["payload"] for each in ALL if each["event"].startswith("TEST"))
    assert "This is a test delivery" in told(test)["ignored"]
    assert explain(test).output.startswith("Ignored. This is a test delivery")


def test_event_that_no_route_takes() -> None:
    """Where every route objects, people are told what ingest does then."""
    assert "No route takes it" in explain({**TRANSITION, "event": "MODEL_VERSION_TAG_SET"}).output


def test_event_is_read_from_a_file(tmp_path: Path) -> None:
    """A file serves as well as standard input."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps(TRANSITION))
    assert told("", "--file", str(file))["event"]["model_name"] == "Airline_Delay_SparkML"


@pytest.mark.parametrize(
    ("payload", "arguments", "complaint"),
    [
        ("", [], "The event is not a JSON object"),
        ("[" * 100_000, [], "The event is not a JSON object"),
        ({}, [], "Name the sender with --sender: databricks, mlflow, databricks-jobs, events"),
        (TRANSITION, ["--sender", "nobody"], "Name the sender with --sender"),
        ({**TRANSITION, "version": "x"}, [], "Ingest would answer 400: 'version' is not a whole number"),
        (OWN, ["--sender", "databricks"], "Ingest would answer 400: 'event' is missing"),
        (
            {**json.loads(Delivery(EVENT, "airlines", 5).to_message()), "id": "other"},
            [],
            "Dispatch would refuse this message: its id does not follow from its content",
        ),
        ("", ["--file", "nowhere.json"], "nowhere.json can't be read: No such file or directory"),
        (TRANSITION, ["-c", 'relay={"rotes": []}'], "relay.rotes is not a known key"),
        (TRANSITION, ["-c", "relay"], "should be KEY=JSON"),
        (TRANSITION, ["-c", "relay={"], "the value is not JSON"),
    ],
)
def test_mistake_is_told(payload: Any, arguments: list[str], complaint: str) -> None:
    """Whatever can't be explained is one sentence that says what to mend."""
    result = explain(payload, *arguments)
    assert isinstance(result.exception, CommandError)
    assert complaint in str(result.exception)


def test_markup_in_a_name_is_text() -> None:
    """A model's name can't colour the terminal, nor break the output."""
    shown = explain({**TRANSITION, "model_name": "[red]x[/nonsense]"}).output
    assert "[red]x[/nonsense]" in shown
