"""A call of which nobody knows what it did: it is looked up, and then settled, sent again or held."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import Entry, State
from functions.core.settings import Route, Target
from functions.dispatch.batch import BEGIN_SECONDS
from functions.dispatch.outcome import Dispatched, Wait
from modelrelay.local.github import GHES_3_17, PRESETS, Fault, Settings

from ..samples import NOW, ROUTE, delivery, total
from .bench import Bench, summary
from .conftest import Start
from .simulator import OLD, refusal

OTHER = delivery(model_name="fraud")
HOLD = replace(ROUTE, on_unknown="hold")
TITLED = replace(ROUTE, inputs={"delivery_id": "${delivery_id}"})
TOLD = {"delivery_id": "${delivery_id}"}
EVENT = replace(ROUTE, target=Target("acme", "models", event_type="promoted", client_payload=TOLD), inputs={})
UNTITLED = replace(ROUTE, inputs={"hidden": "${delivery_id}"})
ACCEPTED = replace(PRESETS["outage"], accept=True)
REFUSED = refusal(503)


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


def test_looks_are_kept_in_the_ledger(bench: Bench) -> None:
    """Another sandbox knows that the listing was asked once already, and what it showed."""
    bench.simulator.inject(ACCEPTED)
    bench.attempt()
    bench.clock.now += 6
    assert bench.wait("looking").seconds == 14
    run, entry = bench.simulator.run, bench.entry()
    assert (entry.state, entry.looks) == (State.UNKNOWN, 1)
    assert [(each["id"], each["url"]) for each in json.loads(entry.seen)] == [(run.id, run.html_url)]


def test_run_that_the_listing_misses_the_second_time_is_found(bench: Bench) -> None:
    """What one look has seen counts, although the next one doesn't see it."""
    bench.simulator.inject(ACCEPTED)
    bench.attempt()
    bench.clock.now += 6
    bench.attempt()
    bench.simulator.inject(Fault(status=200, body='{"workflow_runs": []}', match="/runs"))
    bench.clock.now += 34
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.posts == 1
    assert (bench.entry().run_id, bench.entry().seen) == (bench.simulator.run.id, "")


def test_run_that_is_listed_after_the_last_look_is_found_next_time(bench: Bench, start: Start) -> None:
    """When a call was repeated in vain, the run of the one before is still its own."""
    bench.use(start(Settings(listing_lag=30)))
    bench.simulator.inject(ACCEPTED, Fault(drop="before", match="dispatches"))
    assert summary(bench.deliver()) == [6, 14, 16, 14, Dispatched]
    assert bench.entry().run_id == bench.simulator.run.id
    assert (bench.posts, bench.looks) == (2, 4)


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


def test_listing_that_takes_too_long_is_no_answer(bench: Bench) -> None:
    """A look may take six seconds."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 6
    bench.hang("GET runs", bench.takes(6.1), after=True)
    bench.wait("no-answer")
    assert bench.pool.seconds == [15, 6]
    assert (bench.entry().state, bench.posts) == (State.UNKNOWN, 1)


def test_look_does_not_use_up_the_time_of_the_call(bench: Bench) -> None:
    """However long the ledger takes over a look, the call that follows has a ticket and a time of its own."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 6
    bench.attempt()
    bench.clock.now += 60
    bench.hang("query dispatched", bench.takes(18))
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.pool.seconds == [15, 6, 6, 15]


def test_call_is_not_begun_after_a_look_that_left_it_no_time(bench: Bench) -> None:
    """Where too little is left of the invocation after the look, the delivery comes back for its call."""
    bench.simulator.inject(REFUSED)
    bench.attempt()
    bench.clock.now += 6
    bench.attempt()
    bench.clock.now += 60
    bench.seconds = BEGIN_SECONDS
    bench.hang("query dispatched", bench.takes(18))
    assert isinstance(bench.attempt().outcome, Wait)
    assert bench.posts == 1
    assert isinstance(bench.deliver()[-1], Dispatched)


def test_look_needs_no_turn_among_calls(bench: Bench) -> None:
    """A look starts nothing: it keeps no distance from calls, and nothing is counted."""
    bench.simulator.inject(replace(ACCEPTED, match="churn"))
    bench.attempt()
    bench.clock.now += 6
    bench.attempt(OTHER)
    bench.clock.naps.clear()
    bench.wait("looking")
    assert bench.clock.naps == []
    assert total(bench.gate().calls) == 2


@pytest.mark.parametrize(("route", "silence"), [(ROUTE, NOW + 13), (TITLED, 0), (EVENT, NOW + 13)])
def test_silence_follows_a_call_in_doubt(bench: Bench, route: Route, silence: float) -> None:
    """So that its run can be told from others, nobody calls until it can't be created any more.

    Where runs show the delivery's id, they can be told anyway.
    """
    bench.routes = [route]
    bench.simulator.inject(Fault(drop="before"))
    bench.attempt()
    assert bench.gate().silent_until == silence


@pytest.mark.parametrize("known", [False, True])
def test_ids_that_no_run_shows_confuse_nobody(bench: Bench, known: bool) -> None:  # noqa: FBT001
    """A route may pass the id to a workflow that does not show it: no run is taken for two deliveries'."""
    bench.routes = [UNTITLED]
    if known:
        bench.attempt(delivery(version="0"))
        bench.clock.now += 60
    first, second = delivery(version="1"), delivery(version="2")
    bench.simulator.inject(Fault(drop="after", match=first.id), Fault(drop="before", match=second.id))
    bench.attempt(first)
    bench.clock.now += 1
    bench.attempt(second)
    bench.clock.now += 60
    for sent in (first, second):
        assert isinstance(bench.deliver(sent)[-1], Dispatched)
    assert {run.inputs["hidden"] for run in bench.simulator.runs()} >= {first.id, second.id}


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
