"""How a dispatch is accepted or refused."""

from typing import Any

import pytest

from modelrelay.local.github import GHES_3_17, Edition, Settings

from .client import DISPATCHES, NEW, OLD, RUNS, TOKEN, Client, Clock
from .conftest import Start


def test_new_version_tells_about_the_run(client: Client) -> None:
    """Version 2026-03-10 answers 200 with the run's number and addresses, at which the run is found."""
    answer = client.dispatch({"model": "churn"})
    told = answer.json()
    assert answer.status == 200
    assert told.keys() == {"workflow_run_id", "run_url", "html_url"}
    path = told["run_url"].removeprefix(client.server.url)
    assert client.send("GET", path).json()["id"] == told["workflow_run_id"]


def test_old_version_is_silent_unless_asked(client: Client) -> None:
    """Version 2022-11-28 answers 204, or 200 with the details when they are asked for."""
    silent = client.dispatch(version=OLD)
    asked = client.send("POST", DISPATCHES, {"ref": "main", "return_run_details": True}, version=OLD)
    assert (silent.status, silent.data) == (204, b"")
    assert (asked.status, asked.json()["workflow_run_id"]) == (200, client.server.runs()[0].id)


def test_asking_for_details_is_an_error_since_they_always_come(client: Client) -> None:
    """Version 2026-03-10 refuses `return_run_details` and starts nothing."""
    answer = client.send("POST", DISPATCHES, {"ref": "main", "return_run_details": True})
    assert answer.status == 422
    assert "return_run_details" in answer.json()["message"]
    assert client.server.runs() == []


def test_run_keeps_exactly_what_was_sent(client: Client, clock: Clock) -> None:
    """A run keeps the decoded body, the ref, the inputs and the time, for a test to look at."""
    body = {"ref": "refs/heads/main", "inputs": {"model": "ä <b>", "delivery_id": "d-1"}}
    client.send("POST", DISPATCHES, body)
    [run] = client.server.runs()
    assert run.request == body
    assert (run.ref, run.inputs, run.created_at) == (body["ref"], body["inputs"], clock.now)


def test_title_is_the_run_name_or_else_the_workflow(client: Client) -> None:
    """The delivery id becomes the title through `run-name:`; without it the workflow's name does."""
    client.dispatch({"delivery_id": "d-1"})
    client.dispatch()
    assert [run.display_title for run in client.server.runs()] == ["Deploy", "d-1"]


@pytest.mark.parametrize("key", ["deploy.yml", "7"])
def test_workflow_is_named_by_file_or_number(client: Client, key: str) -> None:
    """A workflow is addressed by its file name or its number, a repository in either case of letters."""
    path = f"/repos/Acme/Models/actions/workflows/{key}/dispatches"
    assert client.send("POST", path, {"ref": "main"}).status == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"ref": "nowhere"}, 422, "No ref found for: nowhere"),
        ({"ref": "0" * 40}, 422, f"No ref found for: {'0' * 40}"),
        ({"ref": "main", "inputs": {"x": "1"}}, 422, 'Unexpected inputs provided: ["x"]'),
        ({"inputs": {}}, 422, '"ref" wasn\'t supplied'),
        ({"ref": 1}, 422, "is not a string"),
        ({"ref": "main", "inputs": []}, 422, "is not an object"),
        ({"ref": "main", "inputs": {str(n): "" for n in range(26)}}, 422, "No more than 25 properties"),
        ({"ref": "main", "inputs": {"model": "x" * 65_524}}, 422, "inputs are too large."),
        ({"ref": "main", "more": 1}, 422, '"more" is not a permitted key'),
        ([], 422, "not an object"),
        (b"{", 400, "Problems parsing JSON"),
        (b"\xff", 400, "Problems parsing JSON"),
    ],
)
def test_bad_dispatch_is_refused(client: Client, body: Any, status: int, message: str) -> None:
    """A body that GitHub can't use is refused with GitHub's words and starts nothing."""
    answer = client.send("POST", DISPATCHES, body)
    assert answer.status == status
    assert message in answer.json()["message"]
    assert client.server.runs() == []


def test_inputs_just_within_the_limit_are_accepted(client: Client) -> None:
    """65,535 characters of compact JSON are still accepted, however many bytes they are."""
    assert client.dispatch({"model": "ä" * 65_523}).status == 200


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("acme/models/actions/workflows/paused.yml", 422, "on a disabled workflow"),
        ("acme/models/actions/workflows/push.yml", 422, "Workflow does not have 'workflow_dispatch' trigger"),
        ("acme/models/actions/workflows/none.yml", 404, "Not Found"),
        ("acme/other/actions/workflows/deploy.yml", 404, "Not Found"),
    ],
)
def test_workflow_that_cannot_be_dispatched(client: Client, path: str, status: int, message: str) -> None:
    """A disabled, triggerless or unknown workflow is refused as GitHub refuses it."""
    answer = client.send("POST", f"/repos/{path}/dispatches", {"ref": "main"})
    assert answer.status == status
    assert message in answer.json()["message"]


def test_enterprise_server_is_older(start: Start) -> None:
    """Enterprise Server 3.17 lives below /api/v3, answers 204 only, and takes ten inputs."""
    client = start(Settings(edition=GHES_3_17))
    path = "/api/v3/repos/acme/models/actions/workflows/open.yml/dispatches"
    eleven = {str(n): "" for n in range(11)}
    bodies: list[Any] = [
        {"ref": "v1"},
        {"ref": "main", "return_run_details": True},
        {"ref": "main", "inputs": eleven},
    ]
    assert [client.send("POST", path, body, version=OLD).status for body in bodies] == [204, 422, 422]
    assert client.send("POST", path, bodies[0], version=NEW).status == 400
    assert client.send("GET", RUNS, version=OLD).status == 404


def test_retired_version_is_gone(start: Start) -> None:
    """A version whose support has ended is answered 410, unlike one that never was."""
    client = start(Settings(edition=Edition(versions=(NEW,), retired=(OLD,))))
    assert client.dispatch(version=OLD).status == 410
    assert client.dispatch(version=NEW).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({"Authorization": None}, 401, "Bad credentials"),
        ({"Authorization": "Bearer wrong"}, 401, "Bad credentials"),
        ({"Authorization": f"Basic {TOKEN}"}, 401, "Bad credentials"),
        ({"User-Agent": None}, 403, "make sure your request has a User-Agent header"),
        ({"X-GitHub-Api-Version": None}, 400, "X-GitHub-Api-Version"),
        ({"X-GitHub-Api-Version": "2030-01-01"}, 400, "2030-01-01"),
    ],
)
def test_caller_must_present_itself(
    client: Client, headers: dict[str, str | None], status: int, text: str
) -> None:
    """A missing or wrong credential, agent or version is refused, and nothing starts."""
    answer = client.send("POST", DISPATCHES, {"ref": "main"}, headers=headers)
    assert answer.status == status
    assert text in answer.data.decode()
    assert client.server.runs() == []


def test_both_schemes_of_authorization_are_accepted(client: Client) -> None:
    """`Bearer` and `token` lead to the same account, in any case of letters."""
    for scheme in ("Bearer", "token", "bearer"):
        assert client.send("GET", RUNS, headers={"Authorization": f"{scheme} {TOKEN}"}).status == 200


def test_every_answer_is_labelled(client: Client) -> None:
    """Each answer, good or bad, carries the limits, the version and a request id of its own."""
    answers = [
        client.dispatch(),
        client.dispatch(version=OLD),
        client.send("GET", "/nowhere"),
        client.send("GET", RUNS, headers={"Authorization": None, "User-Agent": None}),
    ]
    for answer in answers:
        assert {f"x-ratelimit-{x}" for x in ("limit", "remaining", "used", "reset", "resource")} <= {
            name.lower() for name in answer.headers
        }
    assert len({answer.headers["x-github-request-id"] for answer in answers}) == 4
    selected = [answer.headers["x-github-api-version-selected"] for answer in answers[:2]]
    assert selected == [NEW, OLD]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["5000", "5000", "5000", "60"]
