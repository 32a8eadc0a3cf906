"""The engine and its ledger: what happens to a delivery that comes more than once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.event import VERSION_CREATED
from functions.core.ledger import LEASE_SECONDS, Ledger, State
from functions.dispatch.engine import REPLAY_SECONDS, Attempt, Message
from functions.dispatch.outcome import Dispatched, Duplicate, Superseded, Wait
from modelrelay.local.github import PRESETS, Fault

from ..aws import Aws
from ..conftest import Flaky
from ..samples import NOW, Clock, delivery
from .simulator import Simulator, refusal
from .test_engine import Bench

OLDER, NEWER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"


@pytest.fixture
def bench(aws: Aws, clock: Clock, simulator: Simulator, ledger: Ledger) -> Iterator[Bench]:
    """A bench whose connections end with the test."""
    made = Bench(aws, clock, simulator, ledger)
    yield made
    made.pool.clear()


def replay(bench: Bench, sent: Delivery) -> Attempt:
    """Attempt a delivery as it comes back from the dead letters."""
    return bench.engine().attempt(Message(sent.to_message(), 1, NOW + REPLAY_SECONDS + 1))


def state(bench: Bench, sent: Delivery | None = None) -> State:
    """Give what the ledger says of a delivery."""
    entry = bench.ledger.get((sent or delivery()).id)
    assert entry
    return entry.state


def test_duplicate_starts_nothing(bench: Bench) -> None:
    """A delivery that was dispatched is not dispatched again, not even after a week."""
    first = bench.attempt().outcome
    bench.clock.now += 7 * 86_400
    again = replay(bench, delivery()).outcome
    assert isinstance(first, Dispatched)
    assert isinstance(again, Duplicate)
    assert (again.state, again.run_id, again.run_url) == ("dispatched", first.run_id, first.run_url)
    assert len(bench.simulator.seen) == 1


def test_second_function_waits_for_the_first(bench: Bench) -> None:
    """While one function has the claim, another one waits until the claim would lapse, and sends nothing."""
    bench.ledger.claim(delivery(), "another", NOW)
    assert LEASE_SECONDS < bench.waits("claimed") <= LEASE_SECONDS + 2
    assert bench.simulator.seen == []


def test_death_is_survived(bench: Bench) -> None:
    """A delivery whose attempt died is tried again once the claim has lapsed."""
    bench.ledger.claim(delivery(), "dead", NOW)
    bench.clock.now += LEASE_SECONDS + 1
    assert isinstance(bench.attempt().outcome, Dispatched)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (PRESETS["rate-limit"], State.WAITING),
        (PRESETS["bad-credentials"], State.WAITING),
        (PRESETS["outage"], State.UNKNOWN),
        (PRESETS["garbage"], State.UNKNOWN),
        (Fault(drop="after"), State.UNKNOWN),
        (refusal(422, "No"), State.DEAD_LETTERED),
        (None, State.DISPATCHED),
    ],
)
def test_ledger_tells_what_is_known(bench: Bench, fault: Fault | None, expected: State) -> None:
    """What GitHub said, or did not say, is what the ledger says."""
    if fault:
        bench.simulator.inject(replace(fault, times=0))
    bench.attempt()
    assert state(bench) is expected


def test_older_fact_does_not_follow_a_newer_one(bench: Bench) -> None:
    """A replayed letter whose stage has moved on since is superseded, and says by what."""
    bench.attempt(delivery(version="9", occurred_at=NEWER))
    old = delivery(version="8", occurred_at=OLDER)
    outcome = replay(bench, old).outcome
    assert isinstance(outcome, Superseded)
    assert NEWER in outcome.told.detail
    assert state(bench, old) is State.SUPERSEDED
    assert isinstance(replay(bench, old).outcome, Duplicate)
    assert len(bench.simulator.seen) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"occurred_at": NEWER, "version": "10"},
        {"occurred_at": OLDER, "to_stage": "Staging"},
        {"occurred_at": OLDER, "model_name": "fraud"},
        {"occurred_at": OLDER, "kind": VERSION_CREATED, "to_stage": None},
    ],
)
def test_replay_that_nothing_overtook_is_dispatched(bench: Bench, changes: dict[str, Any]) -> None:
    """A replay is held back only by a newer fact of its own model and stage."""
    bench.attempt(delivery(version="9", occurred_at=NEWER))
    assert isinstance(replay(bench, delivery(**changes)).outcome, Dispatched)


def test_order_of_arrival_holds_without_a_replay(bench: Bench) -> None:
    """What ingest accepted in time is dispatched in that order, whatever the sender's clock says."""
    bench.attempt(delivery(version="9", occurred_at=NEWER))
    assert isinstance(bench.attempt(delivery(version="8", occurred_at=OLDER)).outcome, Dispatched)


@pytest.mark.parametrize("how", ["before", "after"])
def test_without_a_ledger_nothing_is_sent(bench: Bench, flaky: Flaky, how: str) -> None:
    """A claim that failed, seen or unseen, is no claim: the delivery waits until it would have lapsed."""
    flaky.failing["update_item"] = how
    wait = bench.waits("ledger-unavailable")
    assert bench.simulator.seen == []
    bench.clock.now += wait
    assert isinstance(bench.attempt().outcome, Dispatched)


def test_ledger_that_cannot_tell_of_newer_facts_is_waited_for(bench: Bench, flaky: Flaky) -> None:
    """A replay is not sent before it is known that nothing has overtaken it."""
    flaky.failing["get_item"] = "before"
    outcome = replay(bench, delivery()).outcome
    assert isinstance(outcome, Wait)
    assert outcome.reason == "ledger-unavailable"
    assert bench.simulator.seen == []


def test_what_happened_stands_without_the_ledger(bench: Bench, flaky: Flaky) -> None:
    """A run that was started stays started although it could not be written down, and the line says so."""
    flaky.failing["transact_write_items"] = "before"
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Dispatched)
    assert attempt.unsettled == "LedgerUnavailable"


def test_overtaken_attempt_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When an attempt outlasts its claim, what the next one wrote stands."""
    request = bench.pool.request

    def be_slow(*args: Any, **kwargs: Any) -> Any:
        bench.ledger.claim(delivery(), "another", NOW + LEASE_SECONDS + 1)
        return request(*args, **kwargs)

    monkeypatch.setattr(bench.pool, "request", be_slow)
    attempt = bench.attempt()
    assert attempt.unsettled == "NotOurs"
    assert state(bench) is State.CLAIMED
