"""The client of GitHub: what it asks for, once, and which redirects it follows."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
import urllib3

from functions.core.settings import GitHubSettings, Target
from functions.dispatch.github import PAGE_SIZE, TIMEOUT_SECONDS, GitHub
from functions.dispatch.request import DispatchRequest
from functions.dispatch.transport import Answer, Transport
from modelrelay.local.github import GHES_3_17, Settings
from tests.simulator import keys

from ..samples import NOW, Clock
from .conftest import Connect, Start
from .simulator import DISPATCHES, NEW, OLD, RUNS, TOKEN, Simulator, refusal

INPUTS = {"model_name": "Prüfung", "model_version": "8"}
TARGET = Target("acme", "models", "deploy.yml", "main")
REQUEST = DispatchRequest(TARGET, INPUTS)


def test_request_is_what_github_asks_for(simulator: Simulator, github: GitHub) -> None:
    """Path, body and headers are exact: nothing is missing and nothing is sent besides."""
    answer = github.dispatch(REQUEST, TOKEN)
    [seen] = simulator.seen
    assert (seen.method, seen.path, seen.query) == ("POST", DISPATCHES, "")
    assert json.loads(seen.body) == {"ref": "main", "inputs": INPUTS}
    assert seen.headers == {
        "Host": simulator.url.removeprefix("http://"),
        "Accept-Encoding": "identity",
        "Content-Length": str(len(seen.body)),
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "User-Agent": "model-relay",
        "X-GitHub-Api-Version": NEW,
    }
    assert answer.status == 200
    assert answer.content["workflow_run_id"] == simulator.run.id
    assert answer.request_id == simulator.requests()[0].request_id
    assert simulator.run.inputs == INPUTS


@pytest.mark.parametrize(
    ("edition", "version", "asked", "status"),
    [
        (Settings(), NEW, [], 200),
        (Settings(), OLD, [True], 200),
        (Settings(edition=GHES_3_17), OLD, [], 204),
    ],
)
def test_run_is_asked_for_where_that_is_possible(
    start: Start, connect: Connect, edition: Settings, version: str, asked: list[bool], status: int
) -> None:
    """The old version tells of the run when asked; Enterprise Server and the new one refuse to be asked."""
    simulator = start(edition)
    github = connect(simulator.url + edition.edition.prefix, version)
    assert github.dispatch(REQUEST, TOKEN).status == status
    [seen] = simulator.seen
    sent = json.loads(seen.body)
    assert [value for name, value in sent.items() if name not in {"ref", "inputs"}] == asked
    assert seen.path == edition.edition.prefix + DISPATCHES


def test_names_are_quoted(simulator: Simulator, github: GitHub) -> None:
    """A name can't lead to another path of the API."""
    target = Target("a/b", "c d", "dir/x.yml?y#z", "main")
    assert github.dispatch(DispatchRequest(target, {}), TOKEN).status == 404
    assert simulator.seen[0].path == "/repos/a%2Fb/c%20d/actions/workflows/dir%2Fx.yml%3Fy%23z/dispatches"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 403, 401, 422, 404])
def test_refused_request_is_not_repeated(simulator: Simulator, github: GitHub, status: int) -> None:
    """Exactly one request is sent, whatever is answered and whatever it says of a next one."""
    simulator.inject(replace(refusal(status, "No.", retry_after="1"), times=0))
    assert github.dispatch(REQUEST, TOKEN).status == status
    assert len(simulator.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_renamed_repository_is_asked_once_under_its_new_name(
    simulator: Simulator, github: GitHub, status: int
) -> None:
    """A redirect on the same host is followed by the same POST, with the same body and credential."""
    simulator.inject(refusal(status, location="{moved}"))
    answer = github.dispatch(REQUEST, TOKEN)
    assert (answer.status, answer.redirected) == (200, True)
    first, second = simulator.seen
    assert (second.method, second.body) == ("POST", first.body)
    assert second.path.startswith("/repositories/")
    assert second.header("authorization") == f"Bearer {TOKEN}"
    assert simulator.run.inputs == INPUTS


def test_redirect_may_be_relative(simulator: Simulator, github: GitHub) -> None:
    """An address without a host is one of this host."""
    simulator.inject(refusal(307, location=DISPATCHES))
    assert github.dispatch(REQUEST, TOKEN).status == 200


def test_second_redirect_is_not_followed(simulator: Simulator, github: GitHub) -> None:
    """Two repositories that lead to each other cost two requests."""
    simulator.inject(replace(refusal(307, location="{moved}"), times=0))
    answer = github.dispatch(REQUEST, TOKEN)
    assert (answer.status, answer.redirected) == (307, True)
    assert len(simulator.seen) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_credential_goes_to_no_other_host(
    start: Start, simulator: Simulator, github: GitHub, scheme: str
) -> None:
    """A redirect elsewhere, be it to another port or scheme, is given back unfollowed."""
    other = start() if scheme == "http" else simulator
    address = other.url.replace("http", scheme, 1)
    simulator.inject(refusal(307, location=address + DISPATCHES))
    answer = github.dispatch(REQUEST, TOKEN)
    assert (answer.status, answer.redirected) == (307, False)
    assert len(simulator.seen) == 1
    assert other is simulator or other.seen == []


@pytest.mark.parametrize("headers", [{}, {"location": "http://["}, {"location": ""}])
def test_redirect_to_nowhere_is_given_back(
    simulator: Simulator, github: GitHub, headers: dict[str, str]
) -> None:
    """A redirect without an address, or with none that can be read, is an answer like others."""
    simulator.inject(refusal(307, **headers))
    assert github.dispatch(REQUEST, TOKEN).status == 307
    assert len(simulator.seen) == 1


CALLS: dict[str, Callable[[GitHub, float], Answer]] = {
    "dispatch": lambda github, seconds: github.dispatch(REQUEST, TOKEN, seconds),
    "runs": lambda github, seconds: github.runs(TARGET, TOKEN, (NOW - 60, NOW), seconds),
    "installation_token": lambda github, seconds: github.installation_token("41", TOKEN, TARGET, seconds),
}


class Redirecting(Transport):
    """Answers every request with a redirect, at a time that stands still."""

    def __init__(self) -> None:
        super().__init__(urllib3.PoolManager(), lambda: 100.0)
        self.deadlines: list[float] = []

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Answer:
        """Keep the deadline."""
        self.deadlines.append(deadline)
        return Answer(307, {"location": url}, b"")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_time_that_a_caller_gives_is_for_all_of_a_call(call: Callable[[GitHub, float], Answer]) -> None:
    """A call ends when its seconds have gone by, a redirect included."""
    transport = Redirecting()
    call(GitHub(GitHubSettings("http://github", NEW), transport), 7.0)
    assert transport.deadlines == [107.0, 107.0]


def test_longest_call_fits_github() -> None:
    """GitHub cuts its own requests at ten seconds, so waiting a little longer misses no answer."""
    assert 10 < TIMEOUT_SECONDS < 20


def test_listing_asks_for_exactly_the_runs_in_question(simulator: Simulator, github: GitHub) -> None:
    """The newest hundred dispatched runs between two moments are asked for, with nothing sent besides."""
    answer = github.runs(TARGET, TOKEN, (NOW - 90.7, NOW + 0.9))
    [seen] = simulator.seen
    assert (seen.method, seen.path, seen.body) == ("GET", RUNS, b"")
    assert parse_qsl(seen.query, strict_parsing=True) == [
        ("event", "workflow_dispatch"),
        ("created", "2026-09-21T14:11:49Z..2026-09-21T14:13:20Z"),
        ("per_page", str(PAGE_SIZE)),
    ]
    assert seen.headers == {
        "Host": simulator.url.removeprefix("http://"),
        "Accept-Encoding": "identity",
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {TOKEN}",
        "User-Agent": "model-relay",
        "X-GitHub-Api-Version": NEW,
    }
    assert answer.content == {"total_count": 0, "workflow_runs": []}


@pytest.mark.parametrize("zone", ["America/St_Johns", "Asia/Kathmandu"])
def test_moments_are_written_in_utc(
    simulator: Simulator, github: GitHub, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """The machine's own time zone changes nothing."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        github.runs(TARGET, TOKEN, (0, NOW))
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "created=1970-01-01T00%3A00%3A00Z..2026-09-21T14%3A13%3A20Z" in simulator.seen[0].query


def test_listing_finds_the_runs_of_its_time(simulator: Simulator, github: GitHub, clock: Clock) -> None:
    """Of the workflow's runs, those of the asked-for time are listed, newest first."""
    for _ in range(4):
        github.dispatch(REQUEST, TOKEN)
        clock.now += 60
    listed = github.runs(TARGET, TOKEN, (NOW + 60, NOW + 120)).content["workflow_runs"]
    assert [run["id"] for run in listed] == [run.id for run in simulator.runs()[1:3]]


def test_names_in_a_listing_are_quoted(simulator: Simulator, github: GitHub) -> None:
    """A name can't lead to another path of the API, nor into the query."""
    assert github.runs(Target("a/b", "c d", "x.yml?event=push#", "main"), TOKEN, (0, 1)).status == 404
    assert simulator.seen[0].path == "/repos/a%2Fb/c%20d/actions/workflows/x.yml%3Fevent%3Dpush%23/runs"
    assert simulator.seen[0].query.startswith("event=workflow_dispatch&")


def test_listing_follows_one_redirect(simulator: Simulator, github: GitHub) -> None:
    """The runs of a renamed repository are listed; a second redirect is given back."""
    github.dispatch(REQUEST, TOKEN)
    simulator.inject(replace(refusal(301, location="{moved}"), match=RUNS))
    answer = github.runs(TARGET, TOKEN, (0, NOW))
    assert (answer.status, answer.redirected) == (200, True)
    assert [each.method for each in simulator.seen] == ["POST", "GET", "GET"]
    simulator.inject(replace(refusal(301, location="{moved}"), times=0))
    assert github.runs(TARGET, TOKEN, (0, NOW)).status == 301
    assert len(simulator.seen) == 5


def test_token_is_minted_for_one_repository_and_one_purpose(start: Start, connect: Connect) -> None:
    """Path, body and headers are exact: the App proves itself, and asks for no more than it needs."""
    simulator = start(app=keys.app(permissions={"actions": "write", "contents": "write"}))
    jwt = keys.signed(NOW)
    answer = connect(simulator.url).installation_token("41", jwt, TARGET)
    [seen] = simulator.seen
    assert (seen.method, seen.path, seen.query) == ("POST", "/app/installations/41/access_tokens", "")
    assert json.loads(seen.body) == {"repositories": ["models"], "permissions": {"actions": "write"}}
    assert (seen.header("authorization"), seen.header("content-type")) == (
        f"Bearer {jwt}",
        "application/json",
    )
    assert answer.status == 201
    assert answer.content["permissions"] == {"actions": "write", "metadata": "read"}
    assert [each["full_name"] for each in answer.content["repositories"]] == ["acme/models"]


def test_installation_is_quoted(simulator: Simulator, github: GitHub) -> None:
    """An installation's number can't lead to another path of the API."""
    github.installation_token("../41?", TOKEN, TARGET)
    assert simulator.seen[0].path == "/app/installations/..%2F41%3F/access_tokens"


def test_minted_token_starts_the_workflow(start: Start, connect: Connect) -> None:
    """The token dispatches and lists the target's workflow, and nothing of another repository."""
    simulator = start(app=keys.app())
    github = connect(simulator.url)
    token = github.installation_token("41", keys.signed(NOW), TARGET).content["token"]
    assert github.dispatch(REQUEST, token).status == 200
    assert github.runs(TARGET, token, (0, NOW)).content["total_count"] == 1
    assert simulator.run.actor.type == "Bot"
    others = replace(TARGET, repository="others")
    assert github.dispatch(DispatchRequest(others, {}), token).status == 404


EVENT = Target("acme", "models", event_type="promoted", client_payload={})


@pytest.mark.parametrize(
    ("edition", "version"), [(Settings(), NEW), (Settings(), OLD), (Settings(edition=GHES_3_17), OLD)]
)
def test_event_of_a_repository_is_what_github_asks_for(
    start: Start, connect: Connect, edition: Settings, version: str
) -> None:
    """Its path names no workflow, its body has the type and the payload, and no run is told."""
    simulator = start(edition)
    github = connect(simulator.url + edition.edition.prefix, version)
    payload = {"model": {"name": "churn"}}
    answer = github.dispatch(DispatchRequest(EVENT, payload), TOKEN)
    [seen] = simulator.seen
    assert (seen.method, seen.path) == ("POST", f"{edition.edition.prefix}/repos/acme/models/dispatches")
    assert json.loads(seen.body) == {"event_type": "promoted", "client_payload": payload}
    assert (answer.status, answer.body) == (204, b"")
    assert (simulator.run.event, simulator.run.inputs) == ("repository_dispatch", payload)


def test_runs_of_a_repositorys_event_are_listed_by_repository(simulator: Simulator, github: GitHub) -> None:
    """Which workflows listen is not known, so all runs that such events started are listed, and no others."""
    github.dispatch(REQUEST, TOKEN)
    github.dispatch(DispatchRequest(EVENT, {}), TOKEN)
    listed = github.runs(EVENT, TOKEN, (0, NOW)).content["workflow_runs"]
    assert [run["event"] for run in listed] == ["repository_dispatch"]
    assert simulator.seen[-1].path == "/repos/acme/models/actions/runs"
    assert simulator.seen[-1].query.startswith("event=repository_dispatch&created=")


def test_minted_token_sends_an_event(start: Start, connect: Connect) -> None:
    """What an event needs of an App is to write contents; to find its run it may read runs."""
    permissions = {"actions": "write", "contents": "write"}
    simulator = start(app=keys.app(permissions=permissions))
    github = connect(simulator.url)
    token = github.installation_token("41", keys.signed(NOW), EVENT).content["token"]
    assert json.loads(simulator.seen[0].body)["permissions"] == {"contents": "write", "actions": "read"}
    assert github.dispatch(DispatchRequest(EVENT, {}), token).status == 204
    assert github.runs(EVENT, token, (0, NOW)).content["total_count"] == 1
    assert github.dispatch(REQUEST, token).status == 403
