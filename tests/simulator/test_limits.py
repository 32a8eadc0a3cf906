"""The primary and the secondary limit, and the count of those who call on."""

import pytest

from modelrelay.local.github import Fault, Settings

from .client import RUNS, Client, Clock
from .conftest import Start


def test_primary_limit_refuses_until_the_reset(start: Start, clock: Clock) -> None:
    """When the hour's calls are used up, 403 tells nothing remains, until the announced reset."""
    client = start(Settings(per_hour=2))
    assert [client.dispatch().status for _ in range(3)] == [200, 200, 403]
    limited = client.dispatch()
    assert "API rate limit exceeded" in limited.json()["message"]
    assert limited.headers["x-ratelimit-remaining"] == "0"
    assert client.server.violations == 1
    clock.now = float(limited.headers["x-ratelimit-reset"])
    assert client.dispatch().status == 200
    assert len(client.server.runs()) == 3


def test_asking_for_the_limit_is_free(start: Start) -> None:
    """`GET /rate_limit` uses nothing up and is answered even when nothing remains."""
    client = start(Settings(per_hour=1))
    client.dispatch()
    for _ in range(2):
        assert client.send("GET", "/rate_limit").json()["resources"]["core"]["used"] == 1
    assert client.dispatch().status == 403
    assert client.send("GET", "/rate_limit").status == 200
    assert client.server.violations == 0


@pytest.mark.parametrize("status", [403, 429])
def test_secondary_limit_blocks_for_a_minute(start: Start, clock: Clock, status: int) -> None:
    """Too many writes in a minute block every call of the credential for a minute, reads included."""
    client = start(Settings(max_per_minute=2, secondary_status=status))
    answers = [client.dispatch() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, status]
    assert answers[2].headers["retry-after"] == "60"
    assert "You have exceeded a secondary rate limit" in answers[2].json()["message"]
    clock.now += 59.5
    assert client.send("GET", RUNS).status == status
    clock.now += 0.5
    assert client.dispatch().status == 200


def test_reads_do_not_count_as_writes(start: Start, clock: Clock) -> None:
    """Only POSTs count against the minute, which slides."""
    client = start(Settings(max_per_minute=1))
    assert {client.send("GET", RUNS).status for _ in range(5)} == {200}
    assert client.dispatch().status == 200
    clock.now += 60
    assert client.dispatch().status == 200


def test_calls_in_a_pause_are_violations(start: Start, clock: Clock) -> None:
    """The refusal itself is no violation; a call before the announced end is, and afterwards none is."""
    client = start(Settings(max_per_minute=1))
    client.dispatch()
    client.dispatch()
    assert client.server.violations == 0
    client.dispatch()
    assert client.server.violations == 1
    clock.now += 60
    client.dispatch()
    assert client.server.violations == 1
    assert [each.violation for each in client.server.requests()] == [False, True, False, False]


def test_pause_asked_for_by_a_fault_counts_too(client: Client, clock: Clock) -> None:
    """A caller has to heed `retry-after` whatever the reason; a plain refusal asks for no pause."""
    client.server.inject(Fault(status=403), Fault(status=429, headers={"Retry-After": "10"}))
    for _ in range(3):
        client.dispatch()
    assert client.server.violations == 1
    clock.now += 10
    client.dispatch()
    assert client.server.violations == 1


def test_another_credential_is_not_limited(start: Start) -> None:
    """Limits belong to a credential: a stranger's wrong token uses nothing of ours up."""
    client = start(Settings(per_hour=1))
    client.send("GET", RUNS, headers={"Authorization": "Bearer other"})
    assert client.dispatch().status == 200
