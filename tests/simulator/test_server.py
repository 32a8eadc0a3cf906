"""The server as a thing in a program: its life, its threads, its bounds."""

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from modelrelay.local.github import Fault, GitHub, GitHubServer, Line, Request, Settings, Workflow

from .client import DISPATCHES, NEW, OLD, RUNS, TOKEN, WORKFLOWS, Client, Clock
from .conftest import Start

HEADERS = {"User-Agent": "t", "Authorization": f"Bearer {TOKEN}", "X-GitHub-Api-Version": OLD}


def connect(server: GitHubServer) -> http.client.HTTPConnection:
    """Open a connection that stays open until the test closes it."""
    parts = urlsplit(server.url)
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)


def test_closing_leaves_neither_thread_nor_port(clock: Clock) -> None:
    """After closing, also with a connection open and an answer pending, nothing of the server is left."""
    before = set(threading.enumerate())
    with GitHubServer(GitHub(WORKFLOWS, tokens=[TOKEN], clock=clock)) as server:
        idle, waiting = connect(server), connect(server)
        idle.request("GET", "/rate_limit")
        idle.getresponse().read()
        server.inject(Fault(delay=600))
        waiting.request("POST", DISPATCHES, b'{"ref": "main"}', HEADERS)
        server.wait_for_runs(1, timeout=20)
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        connect(server).connect()
    idle.close()
    waiting.close()
    server.close()


def test_same_port_can_be_taken_again(clock: Clock) -> None:
    """A server that is started again may be given the port of the last one."""
    with GitHubServer(GitHub(WORKFLOWS, tokens=[TOKEN], clock=clock)) as first:
        port = int(first.url.rpartition(":")[2])
    with GitHubServer(GitHub(WORKFLOWS, tokens=[TOKEN], clock=clock), port=port) as second:
        assert second.url == first.url


def test_connection_is_kept_alive(client: Client) -> None:
    """Answers with and without a body leave the connection usable."""
    connection = connect(client.server)
    connection.request("POST", DISPATCHES, b'{"ref": "main"}', HEADERS)
    first = connection.getresponse()
    first.read()
    kept = connection.sock
    connection.request("GET", RUNS, headers=HEADERS)
    second = connection.getresponse()
    second.read()
    assert (first.status, second.status, connection.sock is kept) == (204, 200, True)
    connection.close()


def test_waiting_ends_when_the_runs_are_there(client: Client) -> None:
    """Waiting for runs returns them as soon as there are enough."""
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.server.wait_for_runs, 2, 600)
        client.dispatch()
        client.dispatch()
        assert len(waiting.result(timeout=20)) == 2


def test_waiting_in_vain_says_how_many_came(client: Client) -> None:
    """A wait that ends too early tells what it had."""
    client.dispatch()
    with pytest.raises(TimeoutError, match="1 of 2 runs"):
        client.server.wait_for_runs(2, timeout=0.001)


def test_concurrent_dispatches_are_all_kept(client: Client) -> None:
    """Dispatches at the same time get different runs, and none is lost."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.dispatch().json()["workflow_run_id"], range(40)))
    assert len(set(answers)) == 40
    assert {run.id for run in client.server.runs()} == set(answers)


def test_old_runs_and_requests_make_room(start: Start) -> None:
    """Runs and the request log are bounded; the newest stay, and the count goes on."""
    client = start(Settings(keep=2))
    numbers = [client.dispatch().json()["workflow_run_id"] for _ in range(3)]
    assert [run.id for run in client.server.runs()] == numbers[:0:-1]
    assert len(client.server.requests()) == 2
    assert client.control("GET", "state").json()["runs"] == 3


def test_body_without_a_length_is_refused(client: Client) -> None:
    """A body of unknown or absurd length is refused and the connection closed, since its end is unclear."""
    for headers in (
        {"Transfer-Encoding": "chunked"},
        {"Content-Length": "x"},
        {"Content-Length": "99999999"},
    ):
        connection = connect(client.server)
        connection.putrequest("POST", DISPATCHES)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, answer.headers["connection"]) == (411, "close")
        connection.close()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_found(client: Client, method: str) -> None:
    """What a dispatcher never does is answered 404, in JSON."""
    answer = client.send(method, DISPATCHES)
    assert (answer.status, answer.json()["message"]) == (404, "Not Found")


def test_programmatic_reset(client: Client) -> None:
    """A test can start over without a new server."""
    client.dispatch()
    client.server.reset()
    assert client.server.runs() == []


def test_simulation_without_sockets_is_deterministic() -> None:
    """Two simulations that get the same requests at the same times give the same answers, to the byte."""

    def play() -> list[object]:
        clock = Clock()
        line = Line(GitHub(WORKFLOWS, tokens=[TOKEN], clock=clock, settings=Settings(max_per_minute=2)))
        headers = {"user-agent": "t", "AUTHORIZATION": f"Bearer {TOKEN}", "x-github-api-version": NEW}
        answers: list[object] = []
        for number in range(5):
            body = b'{"ref": "main", "inputs": {"model": "m%d"}}' % number
            answers.append(line.send(Request("POST", DISPATCHES, "", headers, body)).answer)
            clock.now += 25
        return answers

    assert play() == play()


def test_run_name_is_filled_in_like_an_expression() -> None:
    """`run-name:` may mix text and inputs; an input that wasn't given leaves nothing."""
    workflow = Workflow("a", "b", 1, "w.yml", "W", run_name="Deploy ${{inputs.model}} ${{ inputs.none }}")
    assert workflow.title({"model": "churn"}) == "Deploy churn"


def test_request_without_effect_needs_an_answer() -> None:
    """A caller that keeps a request from GitHub has to say what is answered instead."""
    with pytest.raises(ValueError, match="another answer"):
        GitHub(WORKFLOWS, tokens=[TOKEN]).handle(Request("GET", RUNS), effect=False)
