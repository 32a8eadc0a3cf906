"""The ledger of a delivery under work: its claim, and what became of it."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import Entry, LedgerUnavailable, Overtaken, State
from functions.dispatch.books import SETTLE_SECONDS, Work, settled
from functions.dispatch.outcome import DeadLetter, Dispatched, Outcome, Superseded, Told, Wait
from functions.dispatch.request import shape

from ..samples import NOW, ROUTE, delivery
from .bench import Bench, fails

DOUBT: dict[str, Any] = {"doubt_since": NOW - 30, "doubt_until": NOW - 20, "looks": 1, "seen": "{}"}
TOLD = Told(422, "No ref found for: main", "51AD")
DONE = Dispatched(Told(200), 17, "https://github.com/17")


def work(entry: Entry | None = None, seconds: float = 600.0) -> Work:
    """Give a delivery under work, of which the ledger says something already."""
    request = shape(delivery(), ROUTE)
    return Work(delivery(), ROUTE, request, entry or Entry(), "mine", time_left=lambda: seconds)


def known(bench: Bench, **fields: Any) -> Entry:
    """Write an entry into the ledger, as an earlier attempt did."""
    return bench.ledger.move(delivery(), Entry(**{"holder": "earlier", **fields}), NOW - 10)


def test_claim_is_written_down(bench: Bench) -> None:
    """A claim counts the call and ends the turn; what was in doubt has been decided."""
    earlier = known(
        bench, state=State.UNKNOWN, attempts=3, deaths=1, booked_at=NOW - 1, reason="busy", **DOUBT
    )
    mine = work(earlier)
    bench.clock.now += 0.12345
    bench.books().claim(mine)
    assert mine.entry == bench.entry()
    assert mine.entry == Entry(
        state=State.CLAIMED,
        revision=2,
        holder="mine",
        updated_at=NOW + 0.123,
        attempts=4,
        deaths=1,
        claimed_at=NOW + 0.123,
        reason="busy",
        past=f"[[{NOW - 30}, {NOW - 20}]]",
    )


@pytest.mark.parametrize("after", [False, True])
def test_claim_that_fails_is_the_callers(bench: Bench, after: bool) -> None:  # noqa: FBT001
    """Nobody may go on as if it had been written."""
    mine = work()
    bench.hang("put claimed", fails, after=after)
    with pytest.raises(LedgerUnavailable):
        bench.books().claim(mine)
    assert mine.entry == Entry()


def test_claim_of_a_delivery_that_was_moved_is_refused(bench: Bench) -> None:
    """A claim is made on the entry that was read, or not at all."""
    known(bench)
    with pytest.raises(Overtaken):
        bench.books().claim(work())
    assert bench.entry().holder == "earlier"


@pytest.mark.parametrize(
    ("outcome", "doubt", "expected"),
    [
        (DONE, {}, {"state": State.DISPATCHED, "run_id": 17, "run_url": "https://github.com/17"}),
        (DONE, DOUBT, {"state": State.DISPATCHED, "run_id": 17, "run_url": "https://github.com/17"}),
        (Dispatched(Told(204)), {}, {"state": State.DISPATCHED}),
        (
            DeadLetter(TOLD, "github-refused"),
            {},
            {"state": State.DEAD_LETTERED, "reason": "github-refused", "detail": TOLD.detail},
        ),
        (
            DeadLetter(TOLD, "expired"),
            DOUBT,
            {"state": State.DEAD_LETTERED, "reason": "expired", "detail": TOLD.detail, **DOUBT},
        ),
        (Wait(TOLD, "busy", 5), {}, {"state": State.WAITING, "reason": "busy", "detail": TOLD.detail}),
        (
            Wait(TOLD, "busy", 5),
            DOUBT,
            {"state": State.UNKNOWN, "reason": "busy", "detail": TOLD.detail, **DOUBT},
        ),
        (Superseded(TOLD), {}, {"state": State.SUPERSEDED, "detail": TOLD.detail}),
        (Superseded(TOLD), DOUBT, {"state": State.SUPERSEDED, "detail": TOLD.detail}),
    ],
)
def test_outcome_is_written_down(
    bench: Bench, outcome: Outcome, doubt: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The ledger tells of each outcome in its own words; a doubt stays where nothing has decided it."""
    before = Entry(
        state=State.CLAIMED, revision=4, holder="other", attempts=2, run_id=9, run_url="u", **doubt
    )
    entry = settled(before, outcome, "mine")
    assert entry == Entry(revision=4, holder="mine", attempts=2, **expected)


def test_settled_outcome_is_given_back(bench: Bench) -> None:
    """What was written is what the work goes on with."""
    mine = work(known(bench, state=State.CLAIMED, claimed_at=NOW - 10))
    assert bench.books().settle(mine, DONE) is DONE
    assert mine.entry == bench.entry()
    assert (mine.entry.revision, mine.entry.updated_at, mine.entry.claimed_at) == (2, NOW, NOW - 10)
    assert mine.facts == {}
    assert bench.clock.naps == []


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_outcome_is_written_as_soon_as_the_ledger_is_back(bench: Bench, failures: int) -> None:
    """A ledger that fails for a while is asked again every two seconds."""
    mine = work()
    bench.hang("put waiting", fails, times=failures)
    bench.books().settle(mine, Wait(Told(), "busy", 1))
    assert mine.facts == {}
    assert (bench.entry().state, bench.entry().updated_at) == (State.WAITING, NOW + 2 * failures)
    assert bench.clock.naps == [2.0] * failures


@pytest.mark.parametrize(
    ("call", "outcome"), [("put waiting", Wait(TOLD, "busy", 1)), ("transact dispatched", DONE)]
)
def test_outcome_whose_writing_was_not_confirmed_stands(bench: Bench, call: str, outcome: Outcome) -> None:
    """A write that took effect unseen is no quarrel when it is tried again."""
    mine = work()
    bench.hang(call, fails, after=True)
    assert bench.books().settle(mine, outcome) is outcome
    assert mine.facts == {}
    assert (bench.entry().holder, bench.entry().revision, bench.entry().updated_at) == ("mine", 1, NOW)
    assert bench.hooks.calls[:2] == [call, call]


def test_outcome_stands_without_the_ledger(bench: Bench) -> None:
    """After the fourth failure the outcome stands alone, and the line says so."""
    mine = work()
    bench.hang("put waiting", fails, times=5)
    wait = Wait(Told(), "busy", 1)
    assert bench.books().settle(mine, wait) is wait
    assert mine.facts == {"unsettled": "LedgerUnavailable"}
    assert bench.clock.naps == [2.0] * 3
    assert bench.hooks.calls == ["put waiting"] * 4


@pytest.mark.parametrize(("seconds", "tries"), [(SETTLE_SECONDS - 0.1, 1), (SETTLE_SECONDS, 4)])
def test_no_time_is_spent_that_is_not_there(bench: Bench, seconds: float, tries: int) -> None:
    """Near the end of the invocation the ledger is not asked once more."""
    mine = work(seconds=seconds)
    bench.hang("put waiting", fails, times=5)
    bench.books().settle(mine, Wait(Told(), "busy", 1))
    assert mine.facts == {"unsettled": "LedgerUnavailable"}
    assert len(bench.hooks.calls) == tries


def test_overtaken_outcome_is_not_written(bench: Bench) -> None:
    """What somebody else wrote stands, at once; what a call did is done, and the line says so."""
    known(bench)
    mine = work(Entry(state=State.CLAIMED))
    assert bench.books().settle(mine, DONE) is DONE
    assert mine.facts == {"unsettled": "Overtaken"}
    assert (bench.entry().holder, bench.clock.naps) == ("earlier", [])


@pytest.mark.parametrize(
    ("call", "outcome"),
    [("transact dispatched", DONE), ("put dead-lettered", DeadLetter(Told(), "unknown-outcome"))],
)
def test_what_was_found_out_does_not_stand_without_the_ledger(
    bench: Bench, call: str, outcome: Outcome
) -> None:
    """Nothing was called: the message comes back and it is found out again, for the ledger to know."""
    earlier = Entry(state=State.UNKNOWN, **DOUBT)
    bench.hang(call, fails, times=4)
    with pytest.raises(LedgerUnavailable):
        bench.books().settle(work(earlier), outcome)
    known(bench)
    with pytest.raises(Overtaken):
        bench.books().settle(work(earlier), outcome)


@pytest.mark.parametrize(("seconds", "waited"), [(-5.0, 1.0), (0.0, 1.0), (1.5, 1.5), (900.0, 900.0)])
def test_wait_is_a_second_at_least(bench: Bench, seconds: float, waited: float) -> None:
    """A message that came back at once would only be received again."""
    mine = work()
    assert bench.books().wait(mine, "busy", seconds) == Wait(Told(), "busy", waited)
    assert bench.books().wait(mine, "busy", seconds, TOLD) == Wait(TOLD, "busy", waited)
    assert (bench.entry().state, bench.entry().reason, bench.entry().booked_at) == (State.WAITING, "busy", 0)


def test_turn_is_written_down(bench: Bench) -> None:
    """A delivery that has its turn waits until then, and can show it."""
    mine = work(replace(Entry(), **DOUBT))
    outcome = bench.books().book(mine, "pacing", NOW + 5.1234, TOLD)
    assert outcome == Wait(TOLD, "pacing", NOW + 5.1234 - NOW)
    assert bench.entry().booked_at == NOW + 5.123
    assert (bench.entry().state, bench.entry().looks) == (State.UNKNOWN, 1)
