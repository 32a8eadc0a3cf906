"""Faults: what they answer, whom they hit, and whether the dispatch takes effect."""

import json
from typing import Any

import pytest
import urllib3
from pydantic import ValidationError

from modelrelay.local.github import PRESETS, Fault, FaultError, parse_faults

from .client import RUNS, Client, Clock


def statuses(client: Client, count: int) -> list[int]:
    """Dispatch several times and return what was answered."""
    return [client.dispatch().status for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "status", "effect"),
    [
        ("outage", 503, 0),
        ("rate-limit", 403, 0),
        ("secondary", 429, 0),
        ("bad-credentials", 401, 0),
        ("garbage", 200, 1),
        ("forbidden", 403, 0),
        ("sso", 403, 0),
        ("ip-allow-list", 403, 0),
        ("redirect", 307, 0),
        ("unprocessable", 422, 0),
    ],
)
def test_preset_answers_once_and_is_over(client: Client, name: str, status: int, effect: int) -> None:
    """Each preset gives its status once; only the garbled answer hides a dispatch that was accepted."""
    client.server.inject(PRESETS[name])
    answer = client.dispatch()
    assert answer.status == status
    assert "x-github-request-id" in answer.headers
    assert len(client.server.runs()) == effect
    assert client.dispatch().status == 200


def test_every_preset_is_tested() -> None:
    """The list above is complete."""
    [mark] = test_preset_answers_once_and_is_over.pytestmark  # type: ignore[attr-defined]  # pytest adds it
    assert {case[0] for case in mark.args[1]} == set(PRESETS)


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("rate-limit", "retry-after", "60"),
        ("rate-limit", "x-ratelimit-remaining", "0"),
        ("secondary", "retry-after", "60"),
        ("forbidden", "x-accepted-github-permissions", "actions=write"),
    ],
)
def test_preset_carries_the_telling_header(client: Client, name: str, header: str, value: str) -> None:
    """The headers by which a client tells one refusal from another are there."""
    client.server.inject(PRESETS[name])
    assert client.dispatch().headers[header] == value


def test_garbage_cannot_be_parsed(client: Client) -> None:
    """The garbled 200 isn't JSON, so the client can't know its run."""
    client.server.inject(PRESETS["garbage"])
    with pytest.raises(json.JSONDecodeError):
        client.dispatch().json()


def test_redirect_leads_to_the_same_workflow(client: Client) -> None:
    """The address in a redirect is on the same host and accepts the dispatch."""
    client.server.inject(PRESETS["redirect"])
    location = client.dispatch().headers["location"]
    assert location.startswith(f"{client.server.url}/repositories/")
    path = location.removeprefix(client.server.url)
    assert client.send("POST", path, {"ref": "main"}).status == 200
    assert client.server.runs()[0].workflow.file == "deploy.yml"


def test_redirect_of_another_address_keeps_its_path(client: Client) -> None:
    """A redirect of a path outside repositories leads back to it, and an unknown number to nothing."""
    client.server.inject(PRESETS["redirect"])
    assert client.send("GET", "/rate_limit").headers["location"] == f"{client.server.url}/rate_limit"
    assert client.send("GET", "/repositories/1/actions/workflows").status == 404


def test_times_bounds_the_hits(client: Client) -> None:
    """A fault hits as often as it says."""
    client.server.inject(Fault(status=502, times=2))
    assert statuses(client, 3) == [502, 502, 200]


def test_zero_times_lasts_until_cleared(client: Client) -> None:
    """A fault without end is switched off by its name."""
    client.server.inject(Fault(name="mine", status=502, times=0), Fault(name="other", status=500))
    assert statuses(client, 3) == [502, 502, 502]
    client.server.clear_faults("mine")
    assert statuses(client, 2) == [500, 200]


def test_every_spares_the_requests_between(client: Client) -> None:
    """One of every three requests is hit, beginning with the first."""
    client.server.inject(Fault(status=500, every=3, times=2))
    assert statuses(client, 7) == [500, 200, 200, 500, 200, 200, 200]


def test_fault_lasts_for_its_time(client: Client, clock: Clock) -> None:
    """A fault for some seconds hits everything until they are over."""
    client.server.inject(Fault(status=503, for_seconds=30))
    assert statuses(client, 2) == [503, 503]
    clock.now += 30
    assert statuses(client, 1) == [200]


def test_match_picks_path_or_body(client: Client) -> None:
    """A fault may concern one model, or one address, and leaves the others alone."""
    client.server.inject(Fault(status=500, match="churn", times=0), Fault(status=503, match="/runs", times=0))
    assert client.dispatch({"model": "fraud"}).status == 200
    assert client.dispatch({"model": "churn"}).status == 500
    assert client.send("GET", RUNS).status == 503


def test_accepted_although_it_says_otherwise(client: Client) -> None:
    """The worst answer: 500, and yet the run exists."""
    client.server.inject(Fault(status=500, accept=True))
    assert client.dispatch({"delivery_id": "d-1"}).status == 500
    assert [run.display_title for run in client.server.runs()] == ["d-1"]


@pytest.mark.parametrize(("drop", "effect"), [("before", 0), ("after", 1)])
def test_dropped_connection_gives_no_answer(client: Client, drop: Any, effect: int) -> None:
    """A connection that ends without an answer says nothing about the effect."""
    client.server.inject(Fault(drop=drop))
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.dispatch()
    assert len(client.server.runs()) == effect
    assert client.server.requests()[0].status is None
    assert client.dispatch().status == 200


def test_delay_outlasts_an_impatient_client(client: Client) -> None:
    """A delayed answer has taken effect, though the client has given up waiting."""
    client.server.inject(Fault(delay=600))
    client.pool.connection_pool_kw["timeout"] = 0.05
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.dispatch()
    assert len(client.server.runs()) == 1


def test_delay_alone_changes_nothing_else(client: Client) -> None:
    """After a short delay the true answer comes."""
    client.server.inject(Fault(delay=0.001))
    assert client.dispatch().status == 200


def test_log_names_the_fault(client: Client) -> None:
    """The request log tells a fault's answer from a true one."""
    client.server.inject(PRESETS["outage"], Fault(status=500))
    statuses(client, 3)
    assert [each.fault for each in client.server.requests()] == [None, "unnamed", "outage"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"statsu": 500}', "statsu: unknown key; known are preset, name, status"),
        ('{"preset": "sunshine"}', "none of outage, rate-limit"),
        ('{"preset": ["outage"]}', "none of outage, rate-limit"),
        ('{"status": "500"}', "status: "),
        ('{"status": 99}', "status: "),
        ('{"times": -1}', "times: "),
        ('{"every": 0}', "every: "),
        ('{"delay": NaN}', "delay: "),
        ('{"drop": "sometimes"}', "drop: "),
        ('{"status": 500, "headers": {"a": "b\\r\\nc"}}', "printable ASCII"),
        ('{"status": 500, "drop": "after"}', "exclude each other"),
        ('{"accept": true}', "need a status"),
        ("[1]", "a fault is an object"),
        ("{", "not JSON"),
    ],
)
def test_bad_fault_is_explained(client: Client, text: str, complaint: str) -> None:
    """A fault that makes no sense is refused with its reason and changes nothing."""
    answer = client.control("POST", "faults", text.encode())
    assert answer.status == 400
    assert complaint in answer.json()["message"]
    assert client.control("GET", "faults").json() == []


def test_preset_can_be_changed(client: Client) -> None:
    """Other keys change a preset; headers are added to its own."""
    [fault] = parse_faults('{"preset": "rate-limit", "times": 2, "headers": {"retry-after": "1"}}')
    assert (fault.status, fault.times) == (403, 2)
    assert fault.headers == {"retry-after": "1", "x-ratelimit-remaining": "0"}


def test_bad_list_switches_nothing_on(client: Client) -> None:
    """A list is taken whole or not at all."""
    with pytest.raises(FaultError):
        parse_faults('[{"preset": "outage"}, {"preset": ""}]')
    assert client.control("POST", "faults", [{"preset": "outage"}, {"preset": ""}]).status == 400
    assert client.dispatch().status == 200


def test_fault_made_in_python_is_checked_too() -> None:
    """A wrong fault fails where it is made, not when it hits."""
    with pytest.raises(ValidationError, match="exclude each other"):
        Fault(status=500, drop="after")
