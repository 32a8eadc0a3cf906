"""The control endpoints and the page, and who may use them."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from modelrelay.local.github import Settings

from .client import DISPATCHES, RUNS, TOKEN, Client
from .conftest import Start


def test_runs_show_what_github_hides(client: Client) -> None:
    """Runs are listed newest first with their inputs and the body that asked for them."""
    client.dispatch({"model": "a"})
    client.dispatch({"model": "b"})
    runs = client.control("GET", "runs").json()
    assert [run["inputs"]["model"] for run in runs] == ["b", "a"]
    assert runs[0]["request"] == {"ref": "main", "inputs": {"model": "b"}}
    assert client.control("GET", "runs?limit=1").json() == runs[:1]


def test_requests_are_logged_without_the_credential(client: Client) -> None:
    """The log tells each API request and its answer, and the token appears nowhere."""
    answer = client.send("POST", f"{DISPATCHES}?x=1", b"no json \xff")
    client.send("GET", "/rate_limit")
    shown = client.control("GET", "requests")
    newest, oldest = shown.json()
    assert (newest["method"], newest["path"], newest["body"]) == ("GET", "/rate_limit", None)
    assert (oldest["path"], oldest["query"], oldest["status"]) == (DISPATCHES, "x=1", 400)
    assert oldest["body"] == "no json \ufffd"
    assert oldest["request_id"] == answer.headers["x-github-request-id"]
    assert TOKEN not in shown.data.decode() + client.control("GET", "state").data.decode()


def test_state_counts(start: Start) -> None:
    """The state tells counts, limits, faults and presets."""
    client = start(Settings(max_per_minute=1))
    for _ in range(3):
        client.dispatch()
    client.control("POST", "faults", {"preset": "outage", "times": 0})
    state = client.control("GET", "state").json()
    assert (state["runs"], state["requests"], state["violations"]) == (1, 3, 1)
    assert state["limits"]["max_per_minute"] == 1
    assert [fault["name"] for fault in state["faults"]] == ["outage"]
    assert "garbage" in state["presets"]


def test_faults_are_switched_on_and_off(client: Client) -> None:
    """Faults are added alone or as a list, counted, and removed by name or all at once."""
    client.control("POST", "faults", {"preset": "outage", "times": 2})
    client.control("POST", "faults", [{"preset": "sso"}, {"status": 500}])
    client.dispatch()
    assert [each["hits"] for each in client.control("GET", "faults").json()] == [1, 0, 0]
    assert [each["name"] for each in client.control("DELETE", "faults?name=sso").json()] == ["outage", ""]
    assert client.control("DELETE", "faults").json() == []
    assert client.dispatch().status == 200


def test_reset_forgets_all_but_gives_no_number_twice(client: Client) -> None:
    """After a reset nothing is left, and the next run has a new number."""
    first = client.dispatch().json()["workflow_run_id"]
    client.control("POST", "faults", {"preset": "outage"})
    assert client.control("POST", "reset").status == 204
    assert client.server.runs() == []
    assert client.server.requests() == []
    assert client.dispatch().json()["workflow_run_id"] == first + 1


def test_person_starts_a_run_by_hand(client: Client) -> None:
    """A run can be started as another person would, and is told apart by its actor alone."""
    client.dispatch({"model": "a"})
    asked = {"login": "mona", "workflow": "acme/models/deploy.yml", "inputs": {"model": "a"}}
    answer = client.control("POST", "runs", asked)
    assert answer.status == 201
    by_hand, dispatched = client.control("GET", "runs").json()
    assert answer.json() == by_hand
    assert (by_hand["actor"], dispatched["actor"]) == ("mona", "octocat")
    apart = {"id", "html_url", "actor"}
    assert {name for name in by_hand if by_hand[name] != dispatched[name]} == apart
    listed = client.send("GET", RUNS).json()["workflow_runs"]
    assert [run["actor"]["login"] for run in listed] == ["mona", "octocat"]
    assert [run["triggering_actor"]["login"] for run in listed] == ["mona", "octocat"]


def test_run_by_hand_needs_a_login_alone(client: Client) -> None:
    """Without more being said, the first workflow runs on its first ref, without inputs or limits."""
    assert client.control("POST", "runs", {"login": "mona"}).status == 201
    [run] = client.server.runs()
    assert (run.workflow.file, run.ref, run.inputs) == ("deploy.yml", "main", {})
    assert client.control("GET", "state").json()["requests"] == 0
    elsewhere = {"login": "mona", "workflow": "acme/models/open.yml", "ref": "v1"}
    assert client.control("POST", "runs", elsewhere).json()["ref"] == "v1"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "Invalid JSON"),
        ([], 400, "object"),
        ({}, 400, "login: "),
        ({"login": 5}, 400, "login: "),
        ({"login": "mona", "by": "x"}, 400, "by: "),
        ({"login": "mona", "workflow": "none"}, 400, "none is none of acme/models/deploy.yml, "),
        ({"login": "mona", "workflow": "acme/models/push.yml"}, 422, "'workflow_dispatch' trigger"),
        ({"login": "mona", "inputs": {"x": "1"}}, 422, 'Unexpected inputs provided: ["x"]'),
        ({"login": "mona", "ref": "nowhere"}, 422, "No ref found for: nowhere"),
    ],
)
def test_run_that_nobody_could_start_is_refused(client: Client, body: Any, status: int, message: str) -> None:
    """A mistake is told, and what GitHub's page refuses is refused with GitHub's words."""
    answer = client.control("POST", "runs", body)
    assert answer.status == status
    assert message in answer.json()["message"]
    assert client.server.runs() == []


def test_waiting_notices_a_run_by_hand(client: Client) -> None:
    """Who waits for runs is woken by one that was started by hand too."""
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.server.wait_for_runs, 1, 600)
        client.control("POST", "runs", {"login": "mona"})
        assert len(waiting.result(timeout=20)) == 1


@pytest.mark.parametrize(
    ("method", "name", "status"),
    [("PUT", "runs", 404), ("PUT", "faults", 405), ("GET", "reset", 404), ("GET", "x", 404)],
)
def test_unknown_control_is_told(client: Client, method: str, name: str, status: int) -> None:
    """A mistyped endpoint is refused instead of passing for an API request."""
    assert client.control(method, name).status == status
    assert client.server.requests() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "rebound.example.com"},
        {"Host": "10.0.0.1"},
        {"Host": "localhost.example.com"},
        {"Host": ""},
    ],
)
@pytest.mark.parametrize("name", ["runs", "requests", "state", "faults"])
def test_strangers_are_refused(client: Client, name: str, headers: dict[str, str]) -> None:
    """Another site in the same browser reads nothing, also when its name leads to this machine."""
    assert client.control("GET", name, headers=headers).status == 403


def test_strangers_change_nothing(client: Client) -> None:
    """Another site can't switch a fault on or wipe the runs."""
    client.dispatch()
    stranger = {"Origin": "https://example.com"}
    assert client.control("POST", "faults", {"preset": "outage"}, stranger).status == 403
    assert client.control("POST", "reset", headers=stranger).status == 403
    assert client.control("POST", "runs", {"login": "mona"}, stranger).status == 403
    assert client.dispatch().status == 200
    assert len(client.server.runs()) == 2


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_own_page_is_admitted(client: Client, host: str) -> None:
    """The page's own requests carry its own origin, by whichever local name it was opened."""
    place = f"{host}:{urlsplit(client.server.url).port}"
    headers = {"Host": place, "Origin": f"http://{place}"}
    assert client.control("GET", "state", headers=headers).status == 200


def test_page_runs_only_its_own_script(client: Client) -> None:
    """The page is served with a policy that admits its own style and script by a nonce used once."""
    pages = [client.pool.request("GET", f"{client.server.url}/") for _ in range(2)]
    policies = [page.headers["content-security-policy"] for page in pages]
    [nonce] = {*re.findall(r"'nonce-([^']+)'", policies[0])}
    text = pages[0].data.decode()
    assert policies[0] != policies[1]
    assert text.count(f'nonce="{nonce}"') == 2
    assert "{{nonce}}" not in text
    assert "unsafe" not in policies[0]
    assert policies[0].startswith("default-src 'none';")


def test_page_needs_nothing_from_elsewhere(client: Client) -> None:
    """The page loads no outside resource and never sets markup from values."""
    text = client.pool.request("GET", f"{client.server.url}/").data.decode()
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(|https?://""", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_web_address_of_a_run_shows_the_page(client: Client) -> None:
    """The `html_url` that a dispatch tells can be opened in a browser."""
    page = client.pool.request("GET", client.dispatch().json()["html_url"])
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
