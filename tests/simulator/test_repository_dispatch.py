"""How an event of a repository is accepted or refused, and which workflows it starts."""

from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from modelrelay.local.github import GHES_3_17, PRESETS, App, Fault, Settings, Workflow

from . import keys
from .client import NEW, OLD, Client, Clock
from .conftest import Start

EVENTS = "/repos/acme/models/dispatches"
ALL_RUNS = "/repos/acme/models/actions/runs"
MINTING = f"/app/installations/{keys.INSTALLATION_ID}/access_tokens"
SHOWN = "${{ github.event.client_payload.delivery_id }}"

WORKFLOWS = (
    Workflow("acme", "models", 7, "deploy.yml", "Deploy", refs=("live", "main"), event_types=("promoted",)),
    Workflow("acme", "models", 8, "audit.yml", "Audit", run_name=SHOWN, event_types=None),
    Workflow("acme", "models", 9, "paused.yml", "Paused", state="disabled_manually", event_types=None),
    Workflow("acme", "models", 10, "silent.yml", "Silent"),
    Workflow("acme", "others", 11, "deploy.yml", "Deploy others", event_types=("promoted",)),
    Workflow("elsewhere", "models", 12, "deploy.yml", "Deploy elsewhere", event_types=None),
)


def dispatch(
    client: Client,
    payload: Any = None,
    *,
    event_type: str = "promoted",
    path: str = EVENTS,
    version: str = NEW,
    token: str = "",
) -> urllib3.BaseHTTPResponse:
    """Dispatch an event, by a token of the App if one is given."""
    body = {"event_type": event_type, "client_payload": payload or {}}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.send("POST", path, body, version=version, headers=headers)


def mint(client: Client, clock: Clock, **permissions: str) -> str:
    """Mint a token of the App for the repository `models`."""
    scope = {"repositories": ["models"], "permissions": permissions}
    headers = {"Authorization": f"Bearer {keys.signed(clock.now)}"}
    minted = client.send("POST", MINTING, scope, headers=headers).json()
    return str(minted["token"])


def files(client: Client) -> list[str]:
    """Return which workflows run, in the order in which they were started."""
    return [f"{run.workflow.slug}/{run.workflow.file}" for run in reversed(client.server.runs())]


def listed(client: Client, path: str = ALL_RUNS, **query: str) -> list[tuple[str, str]]:
    """Return the event and the title of each run that a listing shows, in its order."""
    found = client.send("GET", f"{path}?{urlencode(query)}").json()["workflow_runs"]
    return [(run["event"], run["display_title"]) for run in found]


@pytest.fixture
def app() -> App:
    """The App, which may do everything here."""
    return keys.app(permissions={"actions": "write", "contents": "write"})


@pytest.fixture
def client(start: Start, app: App) -> Client:
    """A client of a simulator whose workflows listen to events."""
    return start(app=app, workflows=WORKFLOWS)


@pytest.mark.parametrize("version", [OLD, NEW])
def test_every_version_answers_without_a_body(client: Client, version: str) -> None:
    """An event is answered 204, which tells nothing about the runs that it started."""
    answer = dispatch(client, version=version)
    assert (answer.status, answer.data) == (204, b"")
    assert len(client.server.runs()) == 2


@pytest.mark.parametrize(
    ("path", "event_type", "started"),
    [
        (EVENTS, "promoted", ["acme/models/deploy.yml", "acme/models/audit.yml"]),
        (EVENTS, "demoted", ["acme/models/audit.yml"]),
        (EVENTS.replace("acme/models", "Acme/Models"), "demoted", ["acme/models/audit.yml"]),
        ("/repos/acme/others/dispatches", "promoted", ["acme/others/deploy.yml"]),
        ("/repos/acme/others/dispatches", "demoted", []),
    ],
)
def test_event_starts_whoever_listens(client: Client, path: str, event_type: str, started: list[str]) -> None:
    """Each active workflow of the repository that listens to the type runs; 204 comes even if none does."""
    assert dispatch(client, path=path, event_type=event_type).status == 204
    assert files(client) == started


def test_run_keeps_exactly_what_was_sent(client: Client, clock: Clock) -> None:
    """A run keeps the decoded body, the payload as its inputs and the event, on the default branch."""
    payload = {"model": "ä <b>", "more": {"version": 3, "tags": [None, True]}}
    dispatch(client, payload)
    run = client.server.runs()[1]
    assert run.request == {"event_type": "promoted", "client_payload": payload}
    assert (run.event, run.event_type, run.inputs) == ("repository_dispatch", "promoted", payload)
    assert (run.ref, run.created_at, run.actor.login) == ("live", clock.now, "octocat")


def test_payload_may_be_left_out(client: Client) -> None:
    """Without a payload the runs have none."""
    assert client.send("POST", EVENTS, {"event_type": "promoted"}).status == 204
    assert [run.inputs for run in client.server.runs()] == [{}, {}]


@pytest.mark.parametrize(
    ("run_name", "payload", "title"),
    [
        (SHOWN, {"delivery_id": "d-1"}, "d-1"),
        ("Deploy ${{github.event.client_payload.a-b}} now", {"a-b": 7}, "Deploy 7 now"),
        (SHOWN, {"delivery_id": True}, "true"),
        (SHOWN, {"delivery_id": {"of": "an object"}}, "Object"),
        (SHOWN, {"delivery_id": ["of a list"]}, "Array"),
        (SHOWN, {"delivery_id": None}, "promoted"),
        (SHOWN, {}, "promoted"),
        ("", {"delivery_id": "d-1"}, "promoted"),
        ("${{ inputs.delivery_id }}", {"delivery_id": "d-1"}, "promoted"),
    ],
)
def test_title_is_the_run_name_or_else_the_type(
    start: Start, run_name: str, payload: dict[str, Any], title: str
) -> None:
    """The payload fills in `run-name:`, as an expression writes its values; else the type is the title."""
    workflow = Workflow("acme", "models", 7, "w.yml", "W", run_name=run_name, event_types=None)
    client = start(workflows=[workflow])
    dispatch(client, payload)
    assert [run.display_title for run in client.server.runs()] == [title]


def test_payload_does_not_title_a_dispatched_workflow(client: Client) -> None:
    """What an event carries is empty in a run that the workflow's own dispatch started."""
    path = "/repos/acme/models/actions/workflows/audit.yml/dispatches"
    client.send("POST", path, {"ref": "main", "inputs": {"delivery_id": "d-1"}})
    [run] = client.server.runs()
    assert (run.event, run.event_type, run.display_title) == ("workflow_dispatch", "", "Audit")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"client_payload": {}}, 422, 'Invalid request.\n\n"event_type" wasn\'t supplied.'),
        ({"event_type": 1}, 422, "For 'properties/event_type', 1 is not a string."),
        ({"event_type": None}, 422, "For 'properties/event_type', nil is not a string."),
        ({"event_type": ""}, 422, "At least 1 characters are required; only 0 were supplied."),
        ({"event_type": "x" * 101}, 422, "Only 100 characters are allowed; 101 were supplied."),
        (
            {"event_type": "x", "client_payload": "{}"},
            422,
            "For 'properties/client_payload', \"{}\" is not an",
        ),
        (
            {"event_type": "x", "client_payload": None},
            422,
            "For 'properties/client_payload', nil is not an ob",
        ),
        (
            {"event_type": "x", "client_payload": dict.fromkeys("abcdefghijk", 1)},
            422,
            "No more than 10 properties are allowed; 11 were supplied.",
        ),
        (
            {"event_type": "x", "client_payload": {"model": "x" * 65_524}},
            422,
            "client_payload is too large.",
        ),
        ({"event_type": "x", "inputs": {}}, 422, 'Invalid request.\n\n"inputs" is not a permitted key.'),
        (
            {"ref": "main", "inputs": {}},
            422,
            'Invalid request.\n\n"inputs", "ref" are not permitted keys.\n"event_type" wasn\'t supplied.',
        ),
        ([], 422, "not an object"),
        (b"{", 400, "Problems parsing JSON"),
    ],
)
def test_bad_event_is_refused(client: Client, body: Any, status: int, message: str) -> None:
    """A body that GitHub can't use is refused with GitHub's words and starts nothing."""
    answer = client.send("POST", EVENTS, body)
    assert answer.status == status
    assert message in answer.json()["message"]
    assert client.server.runs() == []


def test_event_just_within_the_limits_is_accepted(client: Client) -> None:
    """A type of 100 characters passes, and so do ten properties and 65,535 characters of compact JSON."""
    assert dispatch(client, event_type="x" * 100).status == 204
    assert dispatch(client, {name: {"many": [1] * 20} for name in "abcdefghij"}).status == 204
    assert dispatch(client, {"model": "ä" * 65_523}).status == 204


@pytest.mark.parametrize("body", [{"event_type": "promoted"}, {}, b"{"])
def test_unknown_repository_is_not_found(client: Client, body: Any) -> None:
    """A repository that isn't there is answered 404, before anybody looks at the body."""
    answer = client.send("POST", "/repos/acme/none/dispatches", body)
    assert (answer.status, answer.json()["message"]) == (404, "Not Found")


def test_token_reaches_its_repository_alone(client: Client, clock: Clock) -> None:
    """A credential that doesn't reach a repository is told that there is none, for events as for runs."""
    token = mint(client, clock, contents="write", actions="read")
    bearer = {"Authorization": f"Bearer {token}"}
    assert dispatch(client, token=token, path="/repos/acme/others/dispatches").status == 404
    assert client.send("GET", ALL_RUNS.replace("models", "others"), headers=bearer).status == 404
    assert client.server.runs() == []
    assert dispatch(client, token=token).status == 204
    assert client.send("GET", ALL_RUNS, headers=bearer).json()["total_count"] == 2


@pytest.mark.parametrize("permissions", [{"actions": "write"}, {"contents": "read", "actions": "write"}, {}])
def test_event_needs_the_permission_to_write_contents(
    client: Client, clock: Clock, permissions: dict[str, str]
) -> None:
    """A token of the App may be good for every workflow, and yet not for an event."""
    answer = dispatch(client, token=mint(client, clock, **permissions))
    assert (answer.status, answer.json()["message"]) == (403, "Resource not accessible by integration")
    assert answer.headers["x-accepted-github-permissions"] == "contents=write"
    assert client.server.runs() == []


def test_contents_open_no_actions(client: Client, clock: Clock) -> None:
    """A token that may dispatch events neither lists their runs nor dispatches a workflow."""
    token = mint(client, clock, contents="write")
    bearer = {"Authorization": f"Bearer {token}"}
    assert dispatch(client, token=token).status == 204
    listing = client.send("GET", ALL_RUNS, headers=bearer)
    workflow = "/repos/acme/models/actions/workflows/deploy.yml/dispatches"
    other = client.send("POST", workflow, {"ref": "live"}, headers=bearer)
    needed = [answer.headers["x-accepted-github-permissions"] for answer in (listing, other)]
    assert (listing.status, other.status, needed) == (403, 403, ["actions=read", "actions=write"])


def test_repository_by_another_name_needs_no_other_permission(start: Start, clock: Clock) -> None:
    """A repository whose name looks like a part of a path is a repository like any other."""
    app = keys.app(permissions={"contents": "write"})
    client = start(app=app, workflows=[Workflow("acme", "actions", 7, "w.yml", "W", event_types=None)])
    headers = {"Authorization": f"Bearer {keys.signed(clock.now)}"}
    token = client.send("POST", MINTING, {}, headers=headers).json()["token"]
    assert dispatch(client, token=token, path="/repos/acme/actions/dispatches").status == 204


def test_redirect_leads_to_the_same_repository(client: Client, clock: Clock) -> None:
    """The address by number takes the event too, with the same permission."""
    client.server.inject(PRESETS["redirect"])
    moved = dispatch(client).headers["location"].removeprefix(client.server.url)
    assert moved.startswith("/repositories/")
    refused = dispatch(client, path=moved, token=mint(client, clock, actions="write"))
    assert refused.headers["x-accepted-github-permissions"] == "contents=write"
    assert dispatch(client, path=moved, token=mint(client, clock, contents="write")).status == 204
    assert files(client) == ["acme/models/deploy.yml", "acme/models/audit.yml"]


def test_runs_of_an_app_tell_so(client: Client, clock: Clock) -> None:
    """Whoever dispatched the event is the actor of each run that it started."""
    dispatch(client, token=mint(client, clock, contents="write"))
    assert {run.actor.login for run in client.server.runs()} == {"model-relay[bot]"}


def test_limits_count_events(start: Start) -> None:
    """An event counts as one POST for the primary and the secondary limit, however many runs it starts."""
    client = start(Settings(max_per_minute=2), workflows=WORKFLOWS)
    answers = [dispatch(client) for _ in range(3)]
    assert [answer.status for answer in answers] == [204, 204, 403]
    assert [answer.headers["x-ratelimit-used"] for answer in answers] == ["1", "2", "2"]
    assert len(client.server.runs()) == 4


def test_fault_may_concern_a_payload(client: Client) -> None:
    """A fault picks events by their path or body; the others go through."""
    client.server.inject(Fault(status=500, match="churn", times=0), Fault(status=502, match="/models/disp"))
    payloads = [{"model": "churn"}, {"model": "fraud"}, {"model": "fraud"}]
    assert [dispatch(client, payload).status for payload in payloads] == [500, 502, 204]
    assert len(client.server.runs()) == 2


def test_event_is_accepted_although_the_answer_says_otherwise(client: Client) -> None:
    """The worst answer: 503, and yet every run exists."""
    client.server.inject(Fault(status=503, accept=True))
    assert dispatch(client).status == 503
    assert len(client.server.runs()) == 2


def test_delayed_event_has_taken_effect(client: Client) -> None:
    """A client that gave up waiting doesn't know that the runs are there."""
    client.server.inject(Fault(delay=600))
    client.pool.connection_pool_kw["timeout"] = 0.05
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        dispatch(client)
    assert len(client.server.runs()) == 2


def test_forbidden_names_the_permission_of_the_call(client: Client) -> None:
    """The preset asks for what this call would need, not for what another one does."""
    client.server.inject(*[PRESETS["forbidden"]] * 3)
    calls = [("POST", EVENTS), ("GET", ALL_RUNS), ("POST", "/repositories/1/dispatches")]
    answers = [client.send(method, path) for method, path in calls]
    needed = [answer.headers["x-accepted-github-permissions"] for answer in answers]
    assert needed == ["contents=write", "actions=read", "contents=write"]


def test_log_holds_the_event(client: Client) -> None:
    """The exchange is kept as any other."""
    dispatch(client, {"model": "a"})
    [exchange] = client.server.requests()
    assert (exchange.method, exchange.path, exchange.status) == ("POST", EVENTS, 204)
    assert exchange.body == {"event_type": "promoted", "client_payload": {"model": "a"}}


def test_runs_of_a_repository_are_listed_together(client: Client) -> None:
    """The runs of all workflows of a repository, and of no other one, are listed newest first."""
    client.send("POST", "/repos/acme/models/actions/workflows/silent.yml/dispatches", {"ref": "main"})
    dispatch(client, path="/repos/acme/others/dispatches")
    dispatch(client, path="/repos/elsewhere/models/dispatches")
    dispatch(client, {"delivery_id": "d-1"})
    events = [("repository_dispatch", "d-1"), ("repository_dispatch", "promoted")]
    assert listed(client) == [*events, ("workflow_dispatch", "Silent")]
    assert (
        listed(client, ALL_RUNS.replace("acme/models", "Acme/Models"), event="repository_dispatch") == events
    )
    assert listed(client, event="workflow_dispatch") == [("workflow_dispatch", "Silent")]
    assert listed(client, branch="live") == events[1:]


def test_runs_of_a_workflow_are_filtered_by_their_event(client: Client) -> None:
    """A workflow that was started in both ways is listed by each of them apart."""
    path = "/repos/acme/models/actions/workflows/deploy.yml"
    dispatch(client)
    client.send("POST", f"{path}/dispatches", {"ref": "main", "inputs": {"delivery_id": "d-2"}})
    by_event, by_hand = ("repository_dispatch", "promoted"), ("workflow_dispatch", "d-2")
    assert listed(client, f"{path}/runs") == [by_hand, by_event]
    assert listed(client, f"{path}/runs", event="repository_dispatch") == [by_event]
    assert listed(client, f"{path}/runs", event="workflow_dispatch") == [by_hand]
    assert listed(client, f"{path}/runs", event="push") == []


def test_listing_of_a_repository_is_filtered_and_cut(client: Client, clock: Clock) -> None:
    """Time and page select the runs of a repository as they do those of a workflow."""
    for number in range(3):
        dispatch(client, {"delivery_id": f"d-{number}"}, event_type="demoted")
        clock.now += 3600
    titles = [title for _, title in listed(client, created=">=2026-09-21T15:13:20Z")]
    assert titles == ["d-2", "d-1"]
    assert [title for _, title in listed(client, per_page="2", page="2")] == ["d-0"]
    assert client.send("GET", f"{ALL_RUNS}?per_page=2").json()["total_count"] == 3
    assert client.send("GET", f"{ALL_RUNS}?created=soon").status == 422


def test_listing_of_a_repository_lags_behind(start: Start, clock: Clock) -> None:
    """A young run is missing there too."""
    client = start(Settings(listing_lag=5), workflows=WORKFLOWS)
    dispatch(client)
    assert listed(client) == []
    clock.now += 5
    assert len(listed(client)) == 2


def test_unknown_repository_lists_nothing(client: Client) -> None:
    """The listing of a repository that isn't there is answered 404."""
    assert client.send("GET", "/repos/acme/none/actions/runs").status == 404


def test_run_is_shown_alone(client: Client) -> None:
    """A run that an event started has an address of its own, and tells its event but not its payload."""
    dispatch(client, {"model": "a"})
    run = client.server.runs()[0]
    shown = client.send("GET", f"{ALL_RUNS}/{run.id}").json()
    assert (shown["event"], shown["path"]) == ("repository_dispatch", ".github/workflows/audit.yml")
    assert "promoted" in shown["display_title"]
    assert not shown.keys() & {"inputs", "client_payload", "event_type"}


def test_control_tells_the_event(client: Client) -> None:
    """The page gets of each run what started it, with the type and the payload."""
    client.control("POST", "runs", {"login": "mona"})
    dispatch(client, {"model": "a"})
    *by_event, by_hand = client.control("GET", "runs").json()
    for run in by_event:
        assert (run["event"], run["event_type"]) == ("repository_dispatch", "promoted")
        assert run["inputs"] == {"model": "a"}
        assert run["request"] == {"event_type": "promoted", "client_payload": {"model": "a"}}
    assert (by_hand["event"], by_hand["event_type"]) == ("workflow_dispatch", "")
    assert client.control("GET", "state").json()["runs"] == 3


def test_waiting_notices_all_runs_of_an_event(client: Client) -> None:
    """Who waits for runs gets all that one event started."""
    dispatch(client)
    assert len(client.server.wait_for_runs(2, timeout=20)) == 2


def test_enterprise_server_takes_events_too(start: Start) -> None:
    """Below Enterprise Server's own path an event is taken just so, and its runs are listed."""
    client = start(Settings(edition=GHES_3_17), workflows=WORKFLOWS)
    assert dispatch(client, path=f"/api/v3{EVENTS}", version=OLD).status == 204
    assert dispatch(client, version=OLD).status == 404
    assert client.send("GET", f"/api/v3{ALL_RUNS}", version=OLD).json()["total_count"] == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_events_are_posted_only(client: Client, method: str) -> None:
    """No other method is known there."""
    assert client.send(method, EVENTS).status == 404
