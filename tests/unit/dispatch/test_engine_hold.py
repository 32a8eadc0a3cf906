"""A listing of runs that GitHub refuses or that can't be had, and deliveries that are held for a person."""

import json
from dataclasses import replace

import pytest

from functions.core.ledger import State
from functions.core.settings import Route
from functions.dispatch.outcome import DeadLetter, Dispatched, Wait
from modelrelay.local.github import PRESETS, Fault

from ..samples import NOW, ROUTE, delivery
from .bench import HOUR, Bench, fails, summary
from .simulator import refusal

OTHER = delivery(model_name="fraud")
HOLD = replace(ROUTE, on_unknown="hold")
TITLED = replace(ROUTE, inputs={"delivery_id": "${delivery_id}"})
ACCEPTED = replace(PRESETS["outage"], accept=True)
REFUSED = refusal(503)


def unlisted(status: int, message: str = "", /, **headers: str) -> Fault:
    """Let GitHub refuse its listings of runs, and nothing else."""
    return replace(refusal(status, message, **headers), match="/runs", times=0)


@pytest.mark.parametrize("status", [404, 405, 501, 403, 301])
@pytest.mark.parametrize("route", [ROUTE, HOLD])
def test_listing_that_is_refused_leaves_it_open(bench: Bench, route: Route, status: int) -> None:
    """A GitHub that will never show its runs is asked once, and then the route decides."""
    bench.routes = [route]
    bench.simulator.inject(REFUSED, unlisted(status, "Resource not accessible"))
    outcomes = bench.deliver()
    assert summary(outcomes) == [6, "unknown-outcome" if route is HOLD else Dispatched]
    assert (bench.posts, bench.looks) == (1 if route is HOLD else 2, 1)
    assert bench.gate().reason == ""


def test_held_delivery_says_why(bench: Bench) -> None:
    """The letter says what is not known, and what to do; the ledger keeps the doubt."""
    bench.routes = [HOLD]
    bench.simulator.inject(REFUSED, unlisted(404))
    held = bench.deliver()[-1]
    assert isinstance(held, DeadLetter)
    assert held.told.detail == (
        "GitHub may have started a run. GitHub does not list the workflow's runs (404). "
        "Look there, and replay to start one."
    )
    entry = bench.entry()
    assert (entry.state, entry.reason, entry.doubt) == (State.DEAD_LETTERED, "unknown-outcome", (NOW, NOW))


def hold(bench: Bench) -> None:
    """Have a delivery held whose call started nothing, by a GitHub that does not list its runs."""
    bench.routes = [HOLD]
    bench.simulator.inject(REFUSED, replace(unlisted(404), name="unlisted"))
    assert summary(bench.deliver()) == [6, "unknown-outcome"]
    bench.clock.now += HOUR


def test_replay_of_a_held_delivery_sends_it(bench: Bench) -> None:
    """Who replays it has looked: it is sent, although it still can't be found out what happened."""
    hold(bench)
    assert summary(bench.deliver(sent_at=bench.clock.now)) == [Dispatched]
    assert (bench.posts, len(bench.simulator.runs())) == (2, 1)


def test_decision_is_for_one_call(bench: Bench) -> None:
    """When the replayed call is in doubt again, a person is asked again."""
    hold(bench)
    bench.simulator.inject(replace(REFUSED, match="dispatches"))
    assert summary(bench.deliver(sent_at=bench.clock.now)) == [6, "unknown-outcome"]
    assert bench.posts == 2


@pytest.mark.parametrize("trouble", ["gate closed", "listing fails", "listing works now"])
def test_replay_that_has_to_wait_is_sent_all_the_same(bench: Bench, trouble: str) -> None:
    """What a person has decided stands, however long the replay has to wait for its turn."""
    hold(bench)
    match trouble:
        case "gate closed":
            bench.simulator.inject(replace(refusal(429, retry_after="60"), match="dispatches"))
            bench.attempt(OTHER)
        case "listing fails":
            bench.simulator.clear_faults("unlisted")
            bench.simulator.inject(replace(unlisted(503), times=1), unlisted(404))
        case "listing works now":
            bench.simulator.clear_faults("unlisted")
            bench.hang("GET runs", lambda: bench.simulator.inject(unlisted(404)), after=True)
    outcomes = bench.deliver(sent_at=bench.clock.now)
    assert isinstance(outcomes[0], Wait)
    assert isinstance(outcomes[-1], Dispatched), outcomes
    assert len(bench.simulator.runs()) == 1


def test_replay_of_a_held_delivery_is_looked_up_first(bench: Bench) -> None:
    """When the run can be found after all, a replay starts no second one."""
    bench.routes = [replace(TITLED, on_unknown="hold")]
    bench.simulator.inject(ACCEPTED, replace(unlisted(404), times=1))
    assert summary(bench.deliver()) == [6, "unknown-outcome"]
    bench.clock.now += HOUR
    assert summary(bench.deliver(sent_at=bench.clock.now)) == [Dispatched]
    assert (bench.posts, len(bench.simulator.runs())) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (unlisted(429, retry_after="60"), "rate-limited"),
        (unlisted(403, "You have exceeded a secondary rate limit"), "rate-limited"),
        (unlisted(500), "github-unavailable"),
        (unlisted(503), "github-unavailable"),
        (Fault(drop="before", match="/runs", times=0), "no-answer"),
        (Fault(status=200, body='{"workflow_runs": [', match="/runs", times=0), "unreadable-answer"),
        (unlisted(403, "This installation has been suspended"), "credential-suspended"),
        (unlisted(403, "acme has an IP allow list enabled"), "credential-ip-not-allowed"),
        (unlisted(403, "SAML", x_github_sso="required; url=u"), "credential-needs-sso"),
        (unlisted(401, "Bad credentials"), "credential-rejected"),
    ],
)
@pytest.mark.parametrize("route", [ROUTE, HOLD])
def test_listing_that_is_in_trouble_is_waited_for(
    bench: Bench, route: Route, fault: Fault, reason: str
) -> None:
    """As long as the listing may be had later, nothing is sent, and the doubt stays as it was."""
    bench.routes = [route]
    bench.simulator.inject(ACCEPTED, fault)
    bench.attempt()
    before = bench.entry()
    bench.clock.now += 6
    wait = bench.wait(reason)
    entry = bench.entry()
    assert (entry.state, entry.looks, entry.doubt) == (State.UNKNOWN, before.looks, before.doubt)
    assert bench.gate().failures + bool(bench.gate().reason) > 0
    assert bench.posts == 1
    bench.simulator.clear_faults()
    bench.clock.now += wait.seconds + 60
    assert isinstance(bench.deliver()[-1], Dispatched)
    assert len(bench.simulator.runs()) == 1


@pytest.mark.parametrize("query", ["query dispatched", "query unknown"])
def test_look_without_the_ledger_gives_its_ticket_back(bench: Bench, query: str) -> None:
    """Where the ledger can't tell of other deliveries, this one waits and nobody waits for it."""
    bench.simulator.inject(ACCEPTED)
    bench.attempt()
    bench.clock.now += 6
    bench.attempt()
    bench.clock.now += 60
    bench.hang(query, fails)
    assert bench.wait("ledger-unavailable").seconds == 20
    assert bench.gate().tickets == ()
    assert (bench.entry().state, bench.posts) == (State.UNKNOWN, 1)


def test_last_listing_of_the_hour_closes_the_gate(bench: Bench) -> None:
    """A look that finds the run opens no gate that its own answer has closed."""
    bench.routes = [TITLED]
    bench.simulator.inject(ACCEPTED)
    bench.attempt()
    run = bench.simulator.run
    bench.clock.now += 6
    listed = {"id": run.id, "display_title": delivery().id, "created_at": "2026-09-21T14:13:20Z"}
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 600)}
    bench.simulator.inject(Fault(status=200, body=json.dumps({"workflow_runs": [listed]}), headers=headers))
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.gate().closed_until == NOW + 601


@pytest.mark.parametrize(("ledgers", "held"), [({}, False), ({"Other": NOW}, True)], ids=["alone", "shared"])
def test_run_that_may_be_another_stacks_is_held(
    bench: Bench,
    ledgers: dict[str, float],
    held: bool,  # noqa: FBT001 - the row's outcome
) -> None:
    """Where stacks share a credential, a run of that moment proves nothing, and the route's word counts."""
    gate = bench._gate(bench._dynamodb, bench.ledger)
    gate._change(lambda state, _now: (replace(state, ledgers=ledgers), None))
    bench.routes = [replace(ROUTE, on_unknown="hold")]
    bench.simulator.inject(Fault(drop="after"))
    outcome = bench.deliver()[-1]
    assert isinstance(outcome, DeadLetter if held else Dispatched)
    assert bench.posts == 1
