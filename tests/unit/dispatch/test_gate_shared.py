"""Two stacks with one credential: one gate between them, and a ledger for each."""

from __future__ import annotations

import pytest

from functions.dispatch.gate_state import BUSY, TICKET_SECONDS, GateState, Later, Ticket
from modelrelay.local.emulator import Emulator

from ..samples import NOW, Clock, total
from .test_gate import WAIT, Function


@pytest.fixture
def one(dynamodb: Emulator, table: str, clock: Clock) -> Function:
    """A function of the stack that has the gate."""
    return Function("one", dynamodb.client("dynamodb"), table, clock)


@pytest.fixture
def two(dynamodb: Emulator, table: str, other_table: str, clock: Clock) -> Function:
    """A function of the other stack."""
    return Function("two", dynamodb.client("dynamodb"), other_table, clock, gate_table=table)


@pytest.fixture
def both(one: Function, two: Function, clock: Clock) -> tuple[Function, Function]:
    """Both, once each has made a call."""
    for function in (one, two):
        ticket = function.admitted()
        function.begin()
        function.end()
        function.gate.ended(ticket)
        clock.now += 2 * TICKET_SECONDS
    return one, two


def entered(function: Function, ticket: Ticket) -> GateState:
    """Make the call that a ticket is for, and give the gate's state after it."""
    function.begin()
    function.end()
    function.gate.ended(ticket)
    return function.gate.read()


def test_alone_a_call_ends_without_a_word(one: Function) -> None:
    """Where one ledger has all deliveries, it tells the end of each call, and the gate is not written."""
    ticket = one.admitted()
    one.aws.calls.clear()
    assert entered(one, ticket).tickets == (ticket,)
    assert one.aws.calls == ["get_item"]


def test_gate_knows_whose_calls_it_paces(
    both: tuple[Function, Function], table: str, other_table: str
) -> None:
    """From the other stack's first call on, both are known, and each gives its tickets back."""
    one, two = both
    assert one.gate.read().ledgers.keys() == {table, other_table}
    for function in (one, two):
        ticket = function.admitted()
        state = entered(function, ticket)
        assert state.tickets == ()
        assert state.called_at == function.entry.called_at


def test_stack_that_is_gone_is_forgotten(both: tuple[Function, Function], table: str, clock: Clock) -> None:
    """A day after its last call nobody gives tickets back for its sake any more."""
    one, _ = both
    clock.now += 25 * 3600
    ticket = one.admitted()
    assert one.gate.read().ledgers.keys() == {table}
    one.aws.calls.clear()
    entered(one, ticket)
    assert one.aws.calls == ["get_item"]


def test_calls_of_both_are_counted(both: tuple[Function, Function]) -> None:
    """GitHub's limits are those of the credential, whoever uses it."""
    one, two = both
    one.admitted()
    assert total(two.gate.read().calls) == 3


def test_other_stacks_call_is_waited_for(both: tuple[Function, Function], clock: Clock) -> None:
    """Who can't read the other's ledger waits until the ticket is given back, and then keeps the distance."""
    one, two = both
    ticket = one.admitted()
    began = clock.now
    one.begin()

    def end() -> None:
        one.end()
        one.gate.ended(ticket)

    clock.at(began + 4, end)
    two.admitted()
    assert began + 4 <= clock.now <= began + 5


def test_other_stacks_call_that_takes_long_gives_a_turn(both: tuple[Function, Function]) -> None:
    """A wait on the spot has its end, as among functions of one stack."""
    one, two = both
    one.admitted()
    one.begin()
    decision = two.enter(wait=4.0)
    assert decision == Later(decision.at, BUSY)


def test_other_stacks_dead_function_holds_nobody_up_for_long(
    both: tuple[Function, Function], clock: Clock
) -> None:
    """A ticket that nobody gives back lapses."""
    one, two = both
    ticket = one.admitted()
    one.begin()
    two.admitted(wait=2 * TICKET_SECONDS)
    assert clock.now <= ticket.at + TICKET_SECONDS + WAIT


@pytest.mark.parametrize("how", ["before", "after"])
def test_end_that_can_not_be_told_is_told_later(both: tuple[Function, Function], how: str) -> None:
    """A call is over although DynamoDB fails just then: the delivery's outcome stands."""
    one, two = both
    ticket = one.admitted()
    one.begin()
    one.end()
    one.aws.failing["put_item"] = how
    one.gate.ended(ticket)
    one.enter(patience=-1.0)
    assert [each.holder for each in two.gate.read().tickets] == []


def test_limit_that_one_meets_stops_both(both: tuple[Function, Function], clock: Clock) -> None:
    """A silence is asked of the credential, not of a stack."""
    one, two = both
    one.admitted()
    one.begin()
    one.gate.limited(100)
    one.end()
    decision = two.enter()
    assert isinstance(decision, Later)
    assert decision.at >= clock.now + 100 - WAIT


def test_refusal_teaches_both(both: tuple[Function, Function], clock: Clock) -> None:
    """The other stack is as slow as the one that was refused must be."""
    one, two = both
    for _ in range(2):
        for _ in range(12):
            ticket = one.admitted()
            entered(one, ticket)
        one.gate.succeeded()
        one.admitted()
        one.gate.overrun(60)
        clock.now += 60
    learned = two.gate.read().learned
    assert learned.pace(two.gate._pace, clock.now).per_minute == learned.per_minute < 12
    assert NOW < clock.now < learned.until
