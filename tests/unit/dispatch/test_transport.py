"""The transport: one exchange with GitHub, and what is known when it fails."""

import contextlib
import json
import ssl
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError, SSLError

from functions.dispatch.transport import Answer, NoAnswer, Transport
from modelrelay.local.github import PRESETS, Fault

from .conftest import Start
from .simulator import DISPATCHES, OLD, TOKEN, Simulator

BODY = json.dumps({"ref": "main"}).encode()
HEADERS = {"Authorization": f"Bearer {TOKEN}", "User-Agent": "t", "X-GitHub-Api-Version": OLD}
SECONDS = 15.0
LARGEST = 4 * 1024 * 1024


def dispatch(url: str, pool: urllib3.PoolManager | None = None) -> Answer:
    """Dispatch the workflow, in one exchange."""
    transport = Transport(pool or urllib3.PoolManager())
    return transport.send("POST", url + DISPATCHES, HEADERS, BODY, transport.now() + SECONDS)


def test_exchange_is_carried_as_it_is(simulator: Simulator) -> None:
    """Method, path, headers and body arrive as given, and the answer's header names are lower-case."""
    answer = dispatch(simulator.url)
    [seen] = simulator.seen
    assert (seen.method, seen.path, seen.body) == ("POST", DISPATCHES, BODY)
    assert seen.headers.items() >= HEADERS.items()
    assert (answer.status, answer.body, answer.redirected) == (204, b"", False)
    assert answer.headers["x-github-api-version-selected"] == OLD
    assert len(simulator.runs()) == 1


@pytest.mark.parametrize("status", [301, 307, 401, 429, 500, 503])
def test_nothing_is_repeated_or_followed(simulator: Simulator, status: int) -> None:
    """Exactly one request is sent, whatever is answered and wherever it points."""
    headers = {"location": simulator.url + DISPATCHES, "retry-after": "0"}
    simulator.inject(Fault(status=status, headers=headers, times=0))
    assert dispatch(simulator.url).status == status
    assert len(simulator.seen) == 1


@pytest.mark.parametrize(("drop", "runs"), [("before", 0), ("after", 1)])
def test_dropped_connection_leaves_it_open(simulator: Simulator, drop: Any, runs: int) -> None:
    """When a connection ends without an answer, the request was sent: nobody knows what came of it."""
    simulator.inject(Fault(drop=drop))
    with pytest.raises(NoAnswer, match="ProtocolError") as caught:
        dispatch(simulator.url)
    assert caught.value.sent
    assert (len(simulator.seen), len(simulator.runs())) == (1, runs)


def test_late_answer_leaves_it_open(simulator: Simulator) -> None:
    """A time-out after sending is no proof that the dispatch did not happen."""
    simulator.inject(Fault(delay=600))
    transport = Transport(urllib3.PoolManager())
    with pytest.raises(NoAnswer, match="ReadTimeoutError") as caught:
        transport.send("POST", simulator.url + DISPATCHES, HEADERS, BODY, transport.now() + 0.05)
    assert caught.value.sent
    simulator.wait_for_runs(1, timeout=20)


class WatchedPool(urllib3.PoolManager):
    """Keeps what it is told of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        self.told.append(kwargs)
        return super().request(*args, **kwargs)


@pytest.mark.parametrize(("now", "total"), [(0.0, 15.0), (11.0, 4.0), (15.0, 0.1), (99.0, 0.1)])
def test_time_out_is_what_is_left(simulator: Simulator, now: float, total: float) -> None:
    """A request may take until the deadline and connecting five seconds; past it, a moment is still given."""
    pool = WatchedPool()
    simulator.inject(Fault(status=502))  # An empty answer, so that the deadline is not looked at again.
    Transport(pool, lambda: now).send("POST", simulator.url + DISPATCHES, HEADERS, BODY, SECONDS)
    [told] = pool.told
    assert (told["timeout"].connect_timeout, told["timeout"].total) == (min(5, total), total)
    assert (told["retries"], told["redirect"]) == (False, False)


def test_dripping_answer_is_cut_off(simulator: Simulator) -> None:
    """An answer that trickles in past the deadline is no answer, and leaves it open."""
    simulator.inject(PRESETS["outage"])
    times = iter([0.0, 15.1])
    with pytest.raises(NoAnswer, match="TimeoutError") as caught:
        Transport(urllib3.PoolManager(), lambda: next(times)).send(
            "POST", simulator.url + DISPATCHES, HEADERS, BODY, SECONDS
        )
    assert caught.value.sent


def test_refused_connection_sent_nothing(start: Start) -> None:
    """Where nobody listens, nothing was sent."""
    closed = start()
    closed.close()
    with pytest.raises(NoAnswer, match="NewConnectionError") as caught:
        dispatch(closed.url)
    assert not caught.value.sent


def test_unknown_host_was_sent_nothing() -> None:
    """A name that does not resolve was never reached."""
    with pytest.raises(NoAnswer) as caught:
        dispatch("http://no-such-host.invalid")
    assert not caught.value.sent


def test_failed_handshake_sent_nothing(simulator: Simulator) -> None:
    """Without TLS no request leaves us."""
    with pytest.raises(NoAnswer, match="SSLError") as caught:
        dispatch(simulator.url.replace("http", "https", 1))
    assert not caught.value.sent
    assert simulator.seen == []


class FailingPool(urllib3.PoolManager):
    """Fails as it is told."""

    def __init__(self, error: HTTPError) -> None:
        super().__init__()
        self._error = error

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Fail."""
        raise self._error


def handshake(reason: str) -> SSLError:
    """Give OpenSSL's failure of this name, as urllib3 passes it on."""
    cause = ssl.SSLError(1, "failed")
    cause.reason = reason
    return SSLError(cause)


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (handshake("CERTIFICATE_VERIFY_FAILED"), False),
        (handshake("TLSV1_ALERT_PROTOCOL_VERSION"), False),
        (handshake("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), True),
        (SSLError("The read operation timed out"), True),
        (ConnectTimeoutError(), False),
        (ProtocolError("Connection aborted."), True),
        (HTTPError(), True),
    ],
)
def test_what_can_not_be_told_counts_as_sent(error: HTTPError, sent: bool) -> None:  # noqa: FBT001
    """Only what surely failed before sending is told as not sent."""
    with pytest.raises(NoAnswer) as caught:
        dispatch("http://github", FailingPool(error))
    assert (caught.value.sent, str(caught.value)) == (sent, type(error).__name__)


def test_endless_answer_is_cut(simulator: Simulator) -> None:
    """Of a large answer only the beginning is read."""
    simulator.inject(Fault(status=502, body="x" * (LARGEST + 70_000)), Fault(status=502, body="x" * LARGEST))
    assert [len(dispatch(simulator.url).body) for _ in range(2)] == [LARGEST, LARGEST]


@pytest.mark.parametrize("fault", [None, Fault(status=502, body="x" * (LARGEST + 1)), Fault(drop="after")])
def test_no_connection_is_kept(simulator: Simulator, fault: Fault | None) -> None:
    """A connection may die unseen while the function is frozen, so each exchange makes its own."""
    pool = urllib3.PoolManager()
    simulator.inject(*([fault] if fault else []))
    with contextlib.suppress(NoAnswer):
        dispatch(simulator.url, pool)
    assert len(simulator.seen) == 1
    assert len(pool.pools) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_answer_that_is_no_object_has_no_content(body: bytes) -> None:
    """Whatever was answered, reading it is no error."""
    assert Answer(200, {}, body).content == {}


def test_content_is_decoded(simulator: Simulator) -> None:
    """An answer's object can be looked into."""
    simulator.inject(PRESETS["outage"])
    assert dispatch(simulator.url).content["status"] == "503"


def test_answer_without_a_request_id(simulator: Simulator) -> None:
    """Something before GitHub may answer, which knows no request id."""
    assert Answer(502, {}, b"").request_id == ""
    assert dispatch(simulator.url).request_id == simulator.requests()[0].request_id


@pytest.mark.parametrize(
    ("headers", "remaining"),
    [({}, None), ({"x-ratelimit-remaining": "0"}, 0), ({"x-ratelimit-remaining": "many"}, None)],
)
def test_remaining_calls_are_told_where_github_tells_them(
    headers: dict[str, str], remaining: int | None
) -> None:
    """The calls that are left in this hour are a number or unknown."""
    assert Answer(200, headers, b"").remaining == remaining


def test_every_answer_of_github_tells_the_remaining_calls(simulator: Simulator) -> None:
    """What GitHub really sends is read."""
    assert dispatch(simulator.url).remaining == 4_999
