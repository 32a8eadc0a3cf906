"""A pause: a person lets nobody call, whatever else is the matter, and everything goes on from there."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.core.ledger import State
from functions.dispatch.calls import BUSY_SECONDS
from functions.dispatch.engine import QUEUED_SECONDS
from functions.dispatch.gate import Gate
from functions.dispatch.gate_state import (
    CREDENTIAL,
    LINE_SLACK,
    MAX_LOOK_SECONDS,
    OUTAGE,
    PACING,
    PAUSED,
    RATE_LIMITED,
    UNTIL_RESUMED,
    GateState,
    Later,
    Ticket,
    enter,
    failed,
    limited,
    pause,
    rejected,
    resume,
    resume_seen_at,
)
from functions.dispatch.gate_store import GateStore
from functions.dispatch.outcome import Dispatched
from functions.dispatch.pacing import Pace
from modelrelay.local.emulator import Emulator
from modelrelay.local.github import PRESETS

from ..samples import NOW, Clock, caller, delivery, total
from .bench import HOUR, SECRET, Bench

PACE = Pace(per_minute=60, per_hour=500)
DAY = 24 * HOUR
WORDS = ("GitHub is being moved", "ada")
SHUT = rejected(GateState(), NOW, f"{CREDENTIAL}rejected", "key")
STATES = [GateState(), limited(GateState(), NOW, 3600), failed(GateState(failures=9), NOW), SHUT]


def paused(state: GateState | None = None, seconds: float = UNTIL_RESUMED) -> GateState:
    """Pause a gate now, until it is resumed unless it is for some seconds."""
    return pause(state or GateState(), NOW, min(UNTIL_RESUMED, NOW + seconds), *WORDS)


# The rules


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("changes", [{}, {"reads": True}, {"booked_at": NOW}, {"has_turn": True}])
def test_nobody_calls_while_it_is_paused(state: GateState, changes: dict[str, Any]) -> None:
    """Neither a probe nor a look-up nor who has a turn gets a ticket; each is told that it is paused."""
    _, decision = enter(paused(state), PACE, caller(**changes), NOW)
    assert decision == Later(NOW + 30, PAUSED)


@pytest.mark.parametrize(
    ("paused_for", "look"),
    [(0, 30), (299, 30), (600, 60), (4200, 420), (12 * HOUR, 432), (11 * HOUR, 420), (10 * DAY, 8640)],
)
def test_pause_is_looked_at_ever_more_seldom(paused_for: float, look: float) -> None:
    """A resume is noticed soon after a short pause, and a long one costs few receives."""
    now = NOW + paused_for
    assert resume_seen_at(paused(), now) == pytest.approx(now + look, abs=1e-6)


def test_long_pause_leaves_most_receives_of_a_message() -> None:
    """A message that lies through ten days of pause was received less than half as often as SQS allows."""
    state, now, receives = paused(), NOW, 0
    while now < NOW + 10 * DAY:
        now, receives = resume_seen_at(state, now), receives + 1
    assert receives < 500
    assert receives > DAY / MAX_LOOK_SECONDS


def test_end_of_the_pause_is_looked_at() -> None:
    """Where a pause ends by itself, who waits comes back right then, and is let in at the usual speed."""
    state = paused(seconds=20)
    for name in "abcdef":
        state, decision = enter(state, PACE, caller(name), NOW + 1)
        assert decision == Later(NOW + 20, PAUSED)
    decisions = []
    for name in "abcdef":
        state, decision = enter(state, PACE, caller(name), NOW + 20)
        decisions.append(decision.at - NOW)
    assert decisions == pytest.approx([20, 21, 22, 23, 24, 24 + LINE_SLACK])


def test_pause_gives_and_takes_no_turns() -> None:
    """Who had a turn is asked back for it, or has it afterwards; the line is as it was."""
    state = enter(GateState(), PACE, caller(), NOW)[0]
    for name in "bcd":
        state, _ = enter(state, PACE, caller(name, patience=0.0), NOW)
    lined_up = paused(state)
    same, decision = enter(lined_up, PACE, caller("b", booked_at=NOW + 500), NOW)
    assert (same, decision) == (lined_up, Later(NOW + 500, PAUSED))
    same, decision = enter(lined_up, PACE, caller("b", booked_at=NOW + 1), NOW + 1)
    assert (same, decision) == (lined_up, Later(NOW + 31, PAUSED))
    state, ticket = enter(resume(same, NOW + 20), PACE, caller("b", booked_at=NOW + 1), NOW + 31)
    assert isinstance(ticket, Ticket)
    assert total(state.bookings) == 2


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("ended", [False, True])
def test_what_held_before_a_pause_holds_after_it(state: GateState, ended: bool) -> None:  # noqa: FBT001
    """A pause neither opens nor closes the gate, whether it is resumed or runs out."""
    after = resume(paused(state), NOW + 10) if ended else paused(state, seconds=10)
    assert after.name(NOW + 10) == state.name(NOW + 10)
    decisions = [enter(each, PACE, caller(), NOW + 10)[1] for each in (state, after)]
    assert decisions[0] == decisions[1]
    assert enter(after, PACE, caller(), NOW + 3600)[1] == enter(state, PACE, caller(), NOW + 3600)[1]


def test_trouble_during_a_pause_closes_the_gate_behind_it() -> None:
    """What the last call before the pause learned holds when the pause is over."""
    state = limited(paused(seconds=10), NOW + 1, 60)
    assert state.name(NOW + 1) == PAUSED
    assert state.name(NOW + 10) == "closed: rate-limited"
    assert enter(state, PACE, caller(), NOW + 10)[1] == Later(
        NOW + 61 + LINE_SLACK * PACE.spacing, RATE_LIMITED
    )


def test_replaced_secret_does_not_end_a_pause() -> None:
    """A new credential opens what the old one had closed, and nobody calls all the same."""
    state, decision = enter(paused(SHUT), PACE, caller(credential="new"), NOW)
    assert decision == Later(NOW + 30, PAUSED)
    assert resume(state, NOW + 1).name(NOW + 1) == "open"


def test_pause_that_is_declared_again_began_before() -> None:
    """Its end and its words are the last ones; since when nobody calls stays."""
    state = pause(paused(), NOW + 50, NOW + 100, "longer", "bob")
    assert (state.paused_since, state.paused_until) == (NOW, NOW + 100)
    assert (state.paused_reason, state.paused_by) == ("longer", "bob")
    assert pause(state, NOW + 200, NOW + 300, "again", "bob").paused_since == NOW + 200


def test_same_pause_changes_nothing() -> None:
    """Who pauses twice in the same way has paused once."""
    assert pause(paused(), NOW + 50, UNTIL_RESUMED, *WORDS) == paused()


def test_resume_leaves_when_the_pause_was_and_no_words() -> None:
    """Its end is kept, for deliveries have their full time again from there; why and who are over."""
    state = resume(paused(), NOW + 50)
    assert (state.paused_since, state.paused_until) == (NOW, NOW + 50)
    assert (state.paused_reason, state.paused_by) == ("", "")


@pytest.mark.parametrize("state", [*STATES, resume(paused(), NOW), paused(seconds=1)])
def test_resume_of_what_is_not_paused_changes_nothing(state: GateState) -> None:
    """It may be said twice, and after the pause has run out."""
    assert resume(state, NOW + 1) is state


@given(st.sampled_from(STATES), st.floats(0, 1e6), st.floats(0, 1e6))
def test_nobody_is_told_to_come_back_at_once_or_after_the_end(
    state: GateState, seconds: float, later: float
) -> None:
    """However long the pause and whenever one asks, the look is in the future, at its end at the latest."""
    state, now = paused(state, seconds), NOW + later
    if now < state.paused_until:
        assert now < resume_seen_at(state, now) <= state.paused_until
        decision = enter(state, PACE, caller(), now)[1]
        assert isinstance(decision, Later)
        assert (decision.reason, decision.at > now) == (PAUSED, True)
    else:
        assert state.name(now) != PAUSED


# The gate of two functions


@pytest.fixture
def store(bench: Bench, dynamodb: Emulator, table: str, clock: Clock) -> GateStore:
    """The operator's access to the gate of the bench."""
    return GateStore(dynamodb.client("dynamodb"), table, SECRET, clock)


def declare(store: GateStore, until: float = UNTIL_RESUMED) -> None:
    """Pause as the command line does."""
    store.change(lambda state, now: (pause(state, now, until, *WORDS), None))


def end(store: GateStore) -> None:
    """Resume as the command line does."""
    store.change(lambda state, now: (resume(state, now), None))


def test_paused_delivery_waits_and_loses_no_attempt(bench: Bench, store: GateStore) -> None:
    """Nothing is sent, the ledger says why, no attempt is used up; after the resume it is dispatched."""
    declare(store)
    attempt = bench.attempt()
    assert (attempt.facts["gate"], attempt.facts["attempt"]) == (PAUSED, 0)
    assert bench.wait(PAUSED).seconds == 30
    entry = bench.entry()
    assert (entry.state, entry.reason, entry.attempts) == (State.WAITING, PAUSED, 0)
    assert (bench.posts, bench.looks) == (0, 0)
    end(store)
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.entry().reason == ""


def test_look_up_waits_for_the_end_of_the_pause(bench: Bench, store: GateStore) -> None:
    """Of a delivery in doubt GitHub is not even asked, and the doubt stays."""
    bench.simulator.inject(PRESETS["outage"])
    bench.attempt()
    bench.clock.now += 30
    declare(store)
    bench.wait(PAUSED)
    assert (bench.looks, bench.entry().state) == (0, State.UNKNOWN)
    end(store)
    assert isinstance(bench.deliver()[-1], Dispatched)
    assert bench.looks == 2


def test_ticket_that_waits_for_its_turn_is_not_used_in_a_pause(bench: Bench, store: GateStore) -> None:
    """Who waits on the spot when the pause is declared comes back later."""
    assert isinstance(bench.attempt().outcome, Dispatched)
    bench.clock.at(NOW + 0.5, lambda: declare(store))
    wait = bench.wait(PAUSED, delivery(version="9"))
    assert wait.seconds == pytest.approx(30, abs=1)
    assert bench.posts == 1


def test_call_that_is_under_way_is_finished(bench: Bench, store: GateStore) -> None:
    """A pause that is declared during a call doesn't take its outcome away."""
    bench.hang("POST dispatches", lambda: declare(store))
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.entry().state is State.DISPATCHED
    bench.wait(PAUSED, delivery(version="9"))


def test_operator_and_functions_overwrite_nothing_of_each_other(
    bench: Bench, store: GateStore, clock: Clock
) -> None:
    """A pause and what a function learns at the same moment both stand."""
    seen: list[Callable[[], Any]] = [bench.attempt]

    def change(state: GateState, now: float) -> tuple[GateState, None]:
        if seen:
            seen.pop()()  # A function writes between our read and our write.
        return pause(state, now, UNTIL_RESUMED, *WORDS), None

    store.change(change)
    state = store.read()
    assert (state.name(NOW), total(state.calls)) == (PAUSED, 1)


def test_delivery_keeps_its_turn_through_a_pause(bench: Bench, store: GateStore) -> None:
    """Who had a turn before the pause is not put behind the line because of it."""
    bench.simulator.inject(replace(PRESETS["rate-limit"], headers={"retry-after": "20"}))
    bench.attempt()
    booked_at = bench.entry().booked_at
    declare(store)
    bench.clock.now += 25
    bench.wait(PAUSED)
    assert bench.entry().booked_at == booked_at == NOW + 20


# Giving up


def test_delivery_does_not_expire_during_a_pause(bench: Bench, store: GateStore) -> None:
    """However old it is by then, it waits; what is older than before the pause is given up as ever."""
    declare(store)
    bench.clock.now += 5 * DAY
    bench.wait(PAUSED)
    end(store)
    assert isinstance(bench.deliver()[-1], Dispatched)


def test_delivery_has_its_full_time_again_after_a_pause(bench: Bench, store: GateStore) -> None:
    """Time in which nobody was let try is no time of trying: it counts from the pause's end."""
    declare(store, NOW + 30 * HOUR)
    bench.clock.now += 54 * HOUR
    assert isinstance(bench.attempt(delivery(version="9")).outcome, Dispatched)
    bench.clock.now += 1
    assert bench.letter("expired").told.detail == "It could not be dispatched within 24 hours."


def test_pause_before_a_delivery_came_gives_it_no_more_time(bench: Bench, store: GateStore) -> None:
    """A pause that was over for long has nothing to do with it."""
    declare(store, NOW + HOUR)
    bench.clock.now += 50 * HOUR
    letter = bench.letter("expired", sent_at=NOW + 25 * HOUR)
    assert letter.told.detail == "It could not be dispatched within 24 hours."


def test_queue_never_drops_what_is_paused(bench: Bench, store: GateStore) -> None:
    """Before SQS would drop it, after 14 days, it is dead-lettered, paused or not."""
    declare(store)
    bench.clock.now += QUEUED_SECONDS
    bench.wait(PAUSED)
    bench.clock.now += 1
    detail = bench.letter("expired").told.detail
    assert detail == "It could not be dispatched within 13 days on the queue."
    assert QUEUED_SECONDS + resume_seen_at(store.read(), bench.clock.now) - bench.clock.now < 14 * DAY


def test_gate_is_asked_about_pauses_only_for_the_old(bench: Bench) -> None:
    """The healthy path reads the gate once."""
    bench.attempt()
    assert bench.hooks.calls.count("get gate") == 1


def test_second_function_gives_its_ticket_back(bench: Bench, store: GateStore, clock: Clock) -> None:
    """Who waits for another one's call when the pause begins is told of it, and leaves nothing behind."""
    other = Gate(
        bench._dynamodb,
        bench._table,
        SECRET,
        ledger=bench.ledger,
        pace=PACE,
        clock=clock,
        sleep=clock.sleep,
    )
    assert isinstance(other.enter(caller(), NOW), Ticket)
    clock.at(NOW + 2, lambda: declare(store))
    decision = other.enter(caller("b"), NOW + BUSY_SECONDS)
    assert isinstance(decision, Later)
    assert decision.reason == PAUSED
    assert [ticket.owner for ticket in store.read().tickets] == ["a"]


@pytest.mark.parametrize("reason", [OUTAGE, PACING, ""])
def test_paused_gate_is_called_paused(reason: str) -> None:
    """Log lines name the pause, whatever lies under it."""
    state = replace(paused(seconds=1), reason=reason, closed_until=NOW + 60)
    assert state.name(NOW) == PAUSED
    assert state.name(NOW + 1) != PAUSED
