"""The client of GitHub: what it sends, once, and what it makes of failing connections."""

import json
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from functions.core.settings import GitHubSettings, Target
from functions.dispatch.github import Answer, GitHub, NoAnswer
from functions.dispatch.request import DispatchRequest
from modelrelay.local.github import GHES_3_17, PRESETS, Fault, Settings

from .conftest import Connect, Start
from .simulator import DISPATCHES, NEW, OLD, TOKEN, Simulator, refusal

INPUTS = {"model_name": "Prüfung", "model_version": "8"}
REQUEST = DispatchRequest(Target("acme", "models", "deploy.yml", "main"), INPUTS)


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


@pytest.mark.parametrize(("drop", "runs"), [("before", 0), ("after", 1)])
def test_dropped_connection_leaves_it_open(
    simulator: Simulator, github: GitHub, drop: Any, runs: int
) -> None:
    """When a connection ends without an answer, the request was sent: nobody knows what came of it."""
    simulator.inject(Fault(drop=drop))
    with pytest.raises(NoAnswer, match="ProtocolError") as caught:
        github.dispatch(REQUEST, TOKEN)
    assert caught.value.sent
    assert (len(simulator.seen), len(simulator.runs())) == (1, runs)


class ImpatientPool(urllib3.PoolManager):
    """Waits for a fraction of the time that it is told, so that a test need not."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request with a shorter time-out."""
        assert 0 < kwargs["timeout"].total <= 15
        assert kwargs["timeout"].connect_timeout == 5
        return super().request(*args, **{**kwargs, "timeout": 0.05})


def test_late_answer_leaves_it_open(simulator: Simulator) -> None:
    """A time-out after sending is no proof that the dispatch did not happen."""
    simulator.inject(Fault(delay=600))
    pool = ImpatientPool()
    with pytest.raises(NoAnswer, match="ReadTimeoutError") as caught:
        GitHub(GitHubSettings(simulator.url, NEW), pool).dispatch(REQUEST, TOKEN)
    pool.clear()
    assert caught.value.sent
    assert len(simulator.runs()) == 1


def test_dripping_answer_is_cut_off(simulator: Simulator) -> None:
    """An answer that trickles in past the deadline is no answer, and leaves it open."""
    times = iter([0.0, 0.0, 15.1])
    pool = urllib3.PoolManager()
    with pytest.raises(NoAnswer, match="TimeoutError") as caught:
        GitHub(GitHubSettings(simulator.url, NEW), pool, lambda: next(times)).dispatch(REQUEST, TOKEN)
    pool.clear()
    assert caught.value.sent
    assert len(simulator.runs()) == 1


def test_refused_connection_sent_nothing(connect: Connect, start: Start) -> None:
    """Where nobody listens, nothing was sent."""
    closed = start()
    closed.close()
    with pytest.raises(NoAnswer, match="NewConnectionError") as caught:
        connect(closed.url).dispatch(REQUEST, TOKEN)
    assert not caught.value.sent


def test_unknown_host_was_sent_nothing(connect: Connect) -> None:
    """A name that does not resolve was never reached."""
    with pytest.raises(NoAnswer) as caught:
        connect("http://no-such-host.invalid").dispatch(REQUEST, TOKEN)
    assert not caught.value.sent


def test_failed_handshake_sent_nothing(simulator: Simulator, connect: Connect) -> None:
    """Without TLS no request leaves us."""
    with pytest.raises(NoAnswer, match="SSLError") as caught:
        connect(simulator.url.replace("http", "https", 1)).dispatch(REQUEST, TOKEN)
    assert not caught.value.sent
    assert simulator.seen == []


def test_endless_answer_is_cut_and_harms_no_next_one(simulator: Simulator, github: GitHub) -> None:
    """Of a large answer only the beginning is read, and the connection is not reused for its rest."""
    simulator.inject(Fault(status=502, body="x" * 70_000), Fault(status=502, body="x" * 65_537))
    assert [len(github.dispatch(REQUEST, TOKEN).body) for _ in range(2)] == [65_536, 65_536]
    assert github.dispatch(REQUEST, TOKEN).status == 200


def test_no_connection_is_kept(simulator: Simulator) -> None:
    """A connection may die unseen while the function is frozen, so each dispatch makes its own."""
    pool = urllib3.PoolManager()
    GitHub(GitHubSettings(simulator.url, OLD), pool).dispatch(REQUEST, TOKEN)
    assert len(pool.pools) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_answer_that_is_no_object_has_no_content(body: bytes) -> None:
    """Whatever was answered, reading it is no error."""
    assert Answer(200, {}, body).content == {}


def test_answer_without_a_request_id(simulator: Simulator, github: GitHub) -> None:
    """Something before GitHub may answer, which knows no request id."""
    assert Answer(502, {}, b"").request_id == ""
    simulator.inject(PRESETS["outage"])
    assert github.dispatch(REQUEST, TOKEN).request_id
