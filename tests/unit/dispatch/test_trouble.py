"""What trouble with GitHub means for everybody, and for the delivery that met it."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import Entry, State
from functions.core.settings import Route
from functions.dispatch.outcome import Dispatched, Wait
from functions.dispatch.trouble import Trouble
from modelrelay.local.github import PRESETS, Fault, Settings

from ..samples import NOW, ROUTE, delivery
from .bench import HOUR, Bench
from .conftest import Start
from .simulator import refusal

OTHER, THIRD = delivery(model_name="fraud"), delivery(model_name="cost")
PASSING = replace(PRESETS["outage"], times=0)


def told_attempts(bench: Bench, attempts: int) -> None:
    """Let the ledger know of earlier calls."""
    bench.ledger.move(delivery(), Entry(holder="earlier", attempts=attempts), NOW)


def test_limit_closes_the_gate_for_everybody(bench: Bench) -> None:
    """Who is limited is booked for the time that GitHub names; nobody calls before, and all get a turn."""
    bench.simulator.inject(refusal(429, "Slow down.", retry_after="90"))
    wait = bench.wait("rate-limited")
    assert (wait.seconds, wait.told.status, wait.told.detail) == (90, 429, "Slow down.")
    assert (bench.entry().state, bench.entry().booked_at) == (State.WAITING, NOW + 90)
    assert bench.gate().closed_until == NOW + 90
    turns = [90.0, *(bench.wait("rate-limited", sent).seconds for sent in (OTHER, THIRD))]
    assert turns == pytest.approx([90, 91, 92], abs=0.5)
    assert bench.posts == 1
    for sent, seconds in zip((None, OTHER, THIRD), turns, strict=True):
        bench.clock.now = max(bench.clock.now, NOW + seconds)
        assert isinstance(bench.attempt(sent).outcome, Dispatched)
    assert bench.simulator.violations == 0


@pytest.mark.parametrize("preset", ["rate-limit", "secondary"])
def test_limit_leaves_no_doubt(bench: Bench, preset: str) -> None:
    """GitHub refused the call, so it is sent again without a look."""
    bench.simulator.inject(PRESETS[preset])
    outcomes = bench.deliver()
    assert [type(each) for each in outcomes] == [Wait, Dispatched]
    assert (bench.posts, bench.looks) == (2, 0)


def test_limit_without_a_time_is_waited_out_longer_each_time(bench: Bench) -> None:
    """Where GitHub names no time, pauses double from a minute on."""
    bench.simulator.inject(replace(refusal(403, "You have exceeded a secondary rate limit"), times=3))
    outcomes = bench.deliver()
    assert [each.seconds for each in outcomes if isinstance(each, Wait)] == [60, 120, 240]
    assert bench.gate().reason == ""


def test_primary_limit_is_waited_out(bench: Bench, start: Start) -> None:
    """When the hour's requests are used up, nobody calls until GitHub begins a new hour."""
    bench.use(start(Settings(per_hour=1)))
    assert isinstance(bench.attempt().outcome, Dispatched)
    outcomes = bench.deliver(OTHER)
    assert [type(each) for each in outcomes] == [Wait, Dispatched]
    assert bench.clock.now >= NOW + HOUR
    assert (bench.posts, bench.simulator.violations) == (2, 0)


def test_three_failures_close_the_gate(bench: Bench) -> None:
    """After three calls without a good answer nobody calls for a while, and then one finds out for all."""
    bench.simulator.inject(PASSING)
    sent = [delivery(version=str(number)) for number in range(5)]
    for each in sent[:2]:
        assert bench.wait("github-unavailable", each).seconds == 6
        bench.clock.now += 3
    assert bench.gate().reason == ""
    bench.wait("github-unavailable", sent[2])
    gate = bench.gate()
    assert (gate.reason, gate.closed_until) == ("github-outage", NOW + 6 + 5)
    assert bench.wait("github-outage", sent[3]).seconds >= 5
    assert bench.posts == 3
    bench.clock.now = gate.closed_until
    bench.wait("github-unavailable", sent[4])
    assert (bench.gate().failures, bench.gate().closed_until) == (4, bench.clock.now + 10)
    assert bench.posts == 4
    bench.simulator.clear_faults()
    bench.clock.now += 10
    assert isinstance(bench.attempt(delivery(version="9")).outcome, Dispatched)
    assert (bench.gate().reason, bench.gate().failures) == ("", 0)


def test_one_probe_at_a_time(bench: Bench) -> None:
    """While one call finds out whether GitHub is back, the others wait for what it finds."""
    bench.simulator.inject(refusal(429, retry_after="90"))
    bench.attempt()
    bench.clock.now += 90
    seen: list[Any] = []
    bench.hang("POST dispatches", lambda: seen.append(bench.attempt(OTHER).outcome))
    assert isinstance(bench.attempt().outcome, Dispatched)
    [other] = seen
    assert isinstance(other, Wait)
    assert bench.posts == 2


def test_wait_is_as_long_as_the_gate_is_closed(bench: Bench) -> None:
    """Who met the trouble does not come back before the gate opens, however short its own patience is."""
    bench.simulator.inject(PASSING)
    for number in range(5):
        bench.attempt(delivery(version=str(number)))
        bench.clock.now = max(bench.clock.now + 3, bench.gate().closed_until)
    assert bench.wait("github-unavailable").seconds == 40
    assert bench.gate().closed_until == bench.clock.now + 40


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [
        (0, 1.0, 2),
        (0, 0.0, 1),
        (1, 1.0, 4),
        (1, 0.5, 3),
        (8, 1.0, 512),
        (9, 1.0, 900),
        (9, 0.0, 450),
        (100_000, 1.0, 900),
    ],
)
def test_patience_grows_to_a_quarter_of_an_hour(
    bench: Bench, attempts: int, jitter: float, seconds: float
) -> None:
    """Waits double with each call up to a cap, and half of each is left to chance."""
    told_attempts(bench, attempts)
    bench.simulator.close()
    bench.jitter = jitter
    assert bench.wait("unreachable").seconds == seconds


def test_patience_is_never_shorter_than_a_look_needs(bench: Bench) -> None:
    """A long patience is kept, and a short one is made long enough for GitHub's listing."""
    told_attempts(bench, 8)
    bench.simulator.inject(replace(PRESETS["outage"], times=2))
    assert bench.wait("github-unavailable").seconds == 512
    bench.clock.now += 2
    assert bench.wait("github-unavailable", OTHER).seconds == 6


def test_chance_is_used_by_default(bench: Bench) -> None:
    """Without a jitter of its own, retries spread."""
    nothing: Any = None
    trouble = Trouble(gate=nothing, credentials=nothing, books=nothing, clock=nothing, sleep=nothing)
    assert len({trouble._jitter() for _ in range(5)}) > 1
    assert all(0 <= trouble._jitter() <= 1 for _ in range(100))


@pytest.mark.parametrize("route", [ROUTE, replace(ROUTE, inputs={"delivery_id": "${delivery_id:-x}"})])
def test_call_that_was_never_sent_leaves_no_doubt(bench: Bench, route: Route) -> None:
    """Where no connection stood, nothing is looked up and nobody has to be silent, but it is a failure."""
    bench.routes = [route]
    bench.simulator.close()
    wait = bench.wait("unreachable")
    assert wait.told.detail == "GitHub did not answer (NewConnectionError)."
    assert (bench.entry().state, bench.entry().in_doubt) == (State.WAITING, False)
    assert (bench.gate().failures, bench.gate().silent_until) == (1, 0)


def test_failed_handshake_was_never_sent(bench: Bench) -> None:
    """A TLS connection that never stood carried nothing."""
    bench.url = bench.url.replace("http://", "https://")
    wait = bench.wait("unreachable")
    assert wait.told.detail == "GitHub did not answer (SSLError)."
    assert not bench.entry().in_doubt


@pytest.mark.parametrize(
    ("fault", "failures", "limits", "reason"),
    [
        (refusal(503), 1, 0, ""),
        (Fault(drop="before"), 1, 0, ""),
        (PRESETS["garbage"], 1, 0, ""),
        (refusal(429, retry_after="5"), 0, 1, "rate-limited"),
        (refusal(429), 0, 1, "rate-limited"),
        (refusal(403), 0, 0, "credential-not-permitted"),
        (PRESETS["unprocessable"], 0, 0, ""),
    ],
)
def test_trouble_is_told_to_the_gate(
    bench: Bench, fault: Fault, failures: int, limits: int, reason: str
) -> None:
    """What one delivery met is known to all."""
    bench.simulator.inject(fault)
    bench.attempt()
    gate = bench.gate()
    assert (gate.failures, gate.limits, gate.reason) == (failures, limits, reason)


def test_gate_is_told_before_the_outcome_is_settled(bench: Bench) -> None:
    """Who waits for the end of a call reads the ledger first, and then finds the gate as the call left it."""
    bench.simulator.inject(refusal(429, retry_after="90"))
    bench.attempt()
    assert bench.hooks.calls[-3:] == ["get gate", "put gate", "put waiting"]


def busy(bench: Bench) -> None:
    """Make a dozen calls, one after the other."""
    for version in range(12):
        bench.attempt(delivery(model_name=f"busy-{version}"))
        bench.clock.now += 1


@pytest.mark.parametrize(
    ("fault", "suspected"),
    [
        (refusal(429, "Slow down.", retry_after="5"), 12),
        (refusal(403, "You have exceeded a secondary rate limit"), 12),
        (refusal(403, "Used up.", retry_after="5", x_ratelimit_remaining="0"), 0),
        (refusal(503), 0),
    ],
    ids=["429", "403", "the hour's quota", "no limit"],
)
def test_refusal_above_a_secondary_limit_teaches(bench: Bench, fault: Fault, suspected: int) -> None:
    """Only where the hour's quota has some left was it our pace."""
    busy(bench)
    bench.simulator.inject(fault)
    bench.attempt()
    assert bench.gate().learned.suspected == suspected


def test_refused_look_teaches_nothing(bench: Bench) -> None:
    """The pace is that of calls which start something."""
    bench.simulator.inject(Fault(drop="before"))
    bench.attempt()
    bench.clock.now += 30
    busy(bench)
    bench.simulator.inject(refusal(429, "Slow down.", retry_after="5"))
    bench.wait("rate-limited")
    assert (bench.looks, bench.gate().limits, bench.gate().learned.until) == (1, 1, 0.0)


def test_look_that_succeeds_leaves_the_refusals_counted(bench: Bench) -> None:
    """It opens the gate, and says nothing of the limits of what starts something."""
    bench.simulator.inject(Fault(drop="before"))
    bench.attempt()
    bench.clock.now += 30
    bench.simulator.inject(refusal(429, "Slow down.", retry_after="5"))
    bench.wait("rate-limited", OTHER)
    bench.clock.now += 30
    assert isinstance(bench.wait("looking"), Wait)
    assert (bench.gate().reason, bench.gate().limits) == ("", 1)
    assert isinstance(bench.deliver(OTHER)[-1], Dispatched)
    assert bench.gate().limits == 0
