"""A call of which nobody knows what it did: it is looked up, and then settled, sent again or held."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import Entry, State
from functions.core.settings import Route
from functions.dispatch.outcome import DeadLetter, Dispatched, Outcome, Wait
from modelrelay.local.github import GHES_3_17, PRESETS, Fault, Settings

from ..samples import NOW, ROUTE, delivery
from .bench import HOUR, Bench, fails
from .conftest import Start
from .simulator import OLD, refusal

OTHER = delivery(model_name="fraud")
HOLD = replace(ROUTE, on_unknown="hold")
TITLED = replace(ROUTE, inputs={"delivery_id": "${delivery_id}"})
UNTITLED = replace(ROUTE, inputs={"hidden": "${delivery_id}"})
ACCEPTED = replace(PRESETS["outage"], accept=True)
REFUSED = refusal(503)


def unlisted(status: int, message: str = "", /, **headers: str) -> Fault:
    """Let GitHub refuse its listings of runs, and nothing else."""
    return replace(refusal(status, message, **headers), match="/runs", times=0)


def summary(outcomes: list[Outcome]) -> list[Any]:
    """Tell outcomes as the seconds of a wait, the reason of a dead letter, or the type."""
    told = {Wait: "seconds", DeadLetter: "reason"}
    return [getattr(each, told.get(type(each), ""), type(each)) for each in outcomes]


@pytest.mark.parametrize(
    ("fault", "reason", "until", "seconds"),
    [
        (REFUSED, "github-unavailable", NOW + 1, 6),
        (refusal(500), "github-unavailable", NOW + 1, 6),
        (refusal(408), "github-unavailable", NOW + 1, 6),
        (PRESETS["garbage"], "unreadable-answer", NOW + 1, 6),
        (refusal(502), "github-unavailable", NOW + 10, 15),
        (refusal(504), "github-unavailable", NOW + 10, 15),
    ],
)
def test_unknown_outcome_waits_for_the_first_look(
    bench: Bench, fault: Fault, reason: str, until: float, seconds: float
) -> None:
    """What may have started a run waits until a look can tell; the ledger knows when it may have been."""
    bench.simulator.inject(fault)
    bench.hang("POST dispatches", bench.takes(1), after=True)
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Wait)
    assert (attempt.outcome.reason, attempt.outcome.seconds) == (reason, seconds)
    assert attempt.facts["doubt"] is True
    entry = bench.entry()
    assert (entry.state, entry.reason, entry.looks) == (State.UNKNOWN, reason, 0)
    assert entry.doubt == (NOW, until)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_dropped_connection_is_in_doubt(bench: Bench, drop: Any) -> None:
    """A connection that ended after sending says nothing of what GitHub did, for 10 s."""
    bench.simulator.inject(Fault(drop=drop))
    assert bench.wait("no-answer").seconds == 16
    assert (bench.entry().state, bench.entry().doubt) == (State.UNKNOWN, (NOW, NOW + 10))


def test_late_answer_is_in_doubt_from_its_end(bench: Bench) -> None:
    """A call that ran out of time may have had its effect until then."""
    bench.hang("POST dispatches", bench.takes(15.5), after=True)
    assert bench.wait("no-answer").seconds == 6
    assert bench.entry().doubt == (NOW, NOW + 15.5)


def test_early_message_makes_no_call(bench: Bench) -> None:
    """Before the first look nobody is asked anything, and the doubt stays."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 2
    bench.hooks.calls.clear()
    assert bench.wait("looking").seconds == 4
    assert bench.hooks.calls == ["get delivery", "put unknown"]
    assert bench.entry().doubt == (NOW, NOW)


def test_accepted_call_is_found_and_not_repeated(bench: Bench) -> None:
    """A 500 that had started a run ends as dispatched, with that run, after one call."""
    bench.simulator.inject(ACCEPTED)
    outcomes = bench.deliver()
    assert summary(outcomes) == [6, 14, Dispatched]
    assert isinstance(outcomes[-1], Dispatched)
    run, entry = bench.simulator.run, bench.entry()
    assert (outcomes[-1].run_id, outcomes[-1].run_url) == (run.id, run.html_url)
    assert outcomes[-1].told.detail == "GitHub had started the run although it did not say so."
    assert (entry.state, entry.run_id, entry.run_url) == (State.DISPATCHED, run.id, run.html_url)
    assert (entry.in_doubt, entry.looks) == (False, 0)
    assert (bench.posts, bench.looks) == (1, 2)


def test_accepted_call_that_shows_its_id_is_found_at_once(bench: Bench) -> None:
    """Where the run's title has the delivery's id, the first look decides."""
    bench.routes = [TITLED]
    bench.simulator.inject(ACCEPTED)
    assert summary(bench.deliver()) == [6, Dispatched]
    assert (bench.posts, bench.looks, len(bench.simulator.runs())) == (1, 1, 1)


def test_run_that_is_listed_late_is_found_at_the_second_look(bench: Bench, start: Start) -> None:
    """The listing may lag behind; what the first look misses the second one sees."""
    bench.use(start(Settings(listing_lag=15)))
    bench.routes = [TITLED]
    bench.simulator.inject(ACCEPTED)
    assert summary(bench.deliver()) == [6, 14, Dispatched]
    assert (bench.posts, bench.looks) == (1, 2)


def test_what_was_not_started_is_sent_again_after_the_second_look(bench: Bench) -> None:
    """Only a run that was missed twice, the second time 20 s after the call, counts as never created."""
    bench.simulator.inject(REFUSED)
    times: list[float] = []
    bench.hang("POST dispatches", lambda: times.append(bench.clock.now), times=2)
    assert summary(bench.deliver()) == [6, 14, Dispatched]
    assert (bench.posts, bench.looks, len(bench.simulator.runs())) == (2, 2, 1)
    assert times == [NOW, pytest.approx(NOW + 20, abs=1)]
    assert bench.entry().attempts == 2


def test_looks_are_told(bench: Bench) -> None:
    """The line of an attempt that looked says what it saw."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    seen = []
    for _ in range(2):
        bench.clock.now += 20
        seen.append(bench.attempt().facts["look_up"])
    assert seen == ["LookAgain", "NotStarted"]
    bench.simulator.inject(ACCEPTED)
    bench.routes = [TITLED]
    bench.attempt(OTHER)
    bench.clock.now += 20
    attempt = bench.attempt(OTHER)
    assert attempt.facts["look_up"] == "Found"
    assert "doubt" not in attempt.facts


def test_looks_are_counted_in_the_ledger(bench: Bench) -> None:
    """Another sandbox knows that the listing was asked once already."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 6
    assert bench.wait("looking").seconds == 14
    assert (bench.entry().state, bench.entry().looks) == (State.UNKNOWN, 1)


@pytest.mark.parametrize("route", [ROUTE, HOLD])
def test_run_of_another_person_leaves_it_open(bench: Bench, route: Route) -> None:
    """Where two runs may be its own, the route says whether to send again or to ask a person."""
    bench.routes = [route]
    bench.simulator.inject(ACCEPTED)
    bench.attempt()
    bench.by_hand()
    bench.clock.now += 6
    outcomes = bench.deliver()
    assert summary(outcomes) == [14, "unknown-outcome" if route is HOLD else Dispatched]
    assert bench.posts == (1 if route is HOLD else 2)


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


def test_listing_that_takes_too_long_is_no_answer(bench: Bench) -> None:
    """A look may take six seconds."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 6
    bench.hang("GET runs", bench.takes(6.1), after=True)
    bench.wait("no-answer")
    assert bench.pool.seconds == [15, 6]
    assert (bench.entry().state, bench.posts) == (State.UNKNOWN, 1)


@pytest.mark.parametrize(("seconds", "posts"), [(10.0, 2), (10.5, 1)])
def test_look_that_took_long_needs_another_ticket(bench: Bench, seconds: float, posts: int) -> None:
    """A call is begun within ten seconds of its ticket's time, or not with this ticket."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 6
    bench.attempt()
    bench.clock.now += 60
    bench.hang("query dispatched", bench.takes(seconds))
    attempt = bench.attempt()
    assert bench.posts == posts
    if posts == 1:
        assert isinstance(attempt.outcome, Wait)
        assert (attempt.outcome.reason, attempt.outcome.seconds) == ("busy", 1)
        assert bench.entry().state is State.UNKNOWN
        assert summary(bench.deliver())[-1] is Dispatched


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


@pytest.mark.parametrize(("route", "silence"), [(ROUTE, NOW + 12), (TITLED, 0)])
def test_silence_follows_a_call_in_doubt(bench: Bench, route: Route, silence: float) -> None:
    """So that its run can be told from others, nobody calls until it can't be created any more.

    Where runs show the delivery's id, they can be told anyway.
    """
    bench.routes = [route]
    bench.simulator.inject(Fault(drop="before"))
    bench.attempt()
    assert bench.gate().silent_until == silence


def test_ids_that_no_run_shows_confuse_nobody(bench: Bench) -> None:
    """A route may pass the id to a workflow that does not show it: no run is taken for two deliveries'."""
    bench.routes = [UNTITLED]
    first, second = delivery(version="1"), delivery(version="2")
    bench.simulator.inject(Fault(drop="after", match=first.id), Fault(drop="before", match=second.id))
    bench.attempt(first)
    bench.clock.now += 1
    bench.attempt(second)
    bench.clock.now += 60
    for sent in (first, second):
        assert isinstance(bench.deliver(sent)[-1], Dispatched)
    assert {run.inputs["hidden"] for run in bench.simulator.runs()} == {first.id, second.id}


def test_call_that_told_no_run_confuses_nobody(bench: Bench, start: Start) -> None:
    """On a GitHub Enterprise Server that answers 204, the run before is not taken for one's own."""
    bench.use(start(Settings(edition=GHES_3_17)), "/api/v3")
    bench.version = OLD
    assert isinstance(bench.attempt(OTHER).outcome, Dispatched)
    bench.simulator.inject(Fault(drop="before"))
    assert isinstance(bench.deliver()[-1], Dispatched)
    assert [run.inputs["model_name"] for run in bench.simulator.runs()] == ["churn", "fraud"]


def test_lapsed_claim_is_looked_up_before_it_is_sent(bench: Bench) -> None:
    """An attempt that died after its call started a run; who comes next finds it."""
    bench.hang("POST dispatches", lambda: 1 / 0, after=True)
    with pytest.raises(ZeroDivisionError):
        bench.attempt()
    assert summary(bench.deliver()) == [61, 6, Dispatched]
    assert (bench.posts, len(bench.simulator.runs())) == (1, 1)


def test_lapsed_claim_that_sent_nothing_is_sent(bench: Bench) -> None:
    """An attempt that died before its call leaves a delivery that nobody finds, and it is sent."""
    claimed = Entry(state=State.CLAIMED, holder="dead", attempts=1, claimed_at=NOW)
    bench.ledger.move(delivery(), claimed, NOW)
    assert summary(bench.deliver()) == [61, 6, Dispatched]
    assert (bench.posts, bench.looks, len(bench.simulator.runs())) == (1, 2, 1)
    assert bench.entry().deaths == 1
