"""The gate of two functions, in a real table: what they tell each other, and how they wait for each other."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from functions.core.ledger import Entry, Ledger, State
from functions.dispatch.gate import POLL_SECONDS, Gate, GateUnavailable
from functions.dispatch.gate_state import (
    BUSY,
    LINE_SLACK,
    OUTAGE,
    PACING,
    RATE_LIMITED,
    START_SECONDS,
    TICKET_SECONDS,
    Caller,
    GateState,
    Later,
    Ticket,
)
from functions.dispatch.pacing import Pace
from modelrelay.local.emulator import Emulator

from ..conftest import Flaky
from ..samples import NOW, Clock, caller, delivery, total

STEP = LINE_SLACK * 1.0
"""The distance of two turns in a line."""

WAIT = 20.0
"""How long these functions wait for the end of another's call."""


class Function:
    """A dispatch function as its gate and ledger see it: it enters, begins a call and ends it."""

    def __init__(
        self,
        name: str,
        client: Any,
        table: str,
        clock: Clock,
        per_minute: int = 60,
        gate_table: str = "",
    ) -> None:
        self.name = name
        self.aws, self.books = Flaky(client), Flaky(client)
        self.clock = clock
        self.delivery = delivery(version=name)
        self.ledger = Ledger(self.books, table)  # type: ignore[arg-type]  # it is one that fails on demand
        self.entry = Entry()
        self.gate = Gate(
            self.aws,  # type: ignore[arg-type]  # likewise
            gate_table or table,
            "github-secret",
            ledger=self.ledger,
            pace=Pace(per_minute, 500),
            clock=clock,
            sleep=clock.sleep,
        )

    def caller(self, **changes: Any) -> Caller:
        """Give its next attempt."""
        holder = f"{self.name}-{self.entry.attempts + 1}"
        usual = {"holder": holder, "delivery": self.delivery.id, "revision": self.entry.revision}
        return caller(self.name, **{**usual, **changes})

    def enter(self, wait: float = WAIT, **changes: Any) -> Ticket | Later:
        """Ask for a call."""
        return self.gate.enter(self.caller(**changes), self.clock() + wait)

    def admitted(self, wait: float = WAIT, **changes: Any) -> Ticket:
        """Ask for a call, and get it."""
        decision = self.enter(wait, **changes)
        assert isinstance(decision, Ticket)
        return decision

    def begin(self) -> None:
        """Claim the delivery and send the call."""
        now = self.clock()
        claimed = replace(self.entry, state=State.CLAIMED, holder=self.caller().holder, claimed_at=now)
        self.entry = self.ledger.move(self.delivery, claimed, now)
        self.gate.called(now)
        self.entry = replace(self.entry, called_at=now)

    def end(self, tell: Callable[[], object] = lambda: None) -> None:
        """Tell the gate what is to be told, and then settle."""
        tell()
        holder, attempts = self.caller().holder, self.entry.attempts + 1
        over = replace(self.entry, state=State.WAITING, holder=holder, attempts=attempts)
        self.entry = self.ledger.move(self.delivery, over, self.clock())

    def call(self) -> None:
        """Make a call that takes no time."""
        self.admitted()
        self.begin()
        self.end()


@pytest.fixture
def one(dynamodb: Emulator, table: str, clock: Clock) -> Function:
    """A function."""
    return Function("one", dynamodb.client("dynamodb"), table, clock)


@pytest.fixture
def two(dynamodb: Emulator, table: str, clock: Clock) -> Function:
    """Another one."""
    return Function("two", dynamodb.client("dynamodb"), table, clock)


@pytest.fixture
def three(dynamodb: Emulator, table: str, clock: Clock) -> Function:
    """And one more: SQS starts two at once, and may have a third one for a moment."""
    return Function("three", dynamodb.client("dynamodb"), table, clock)


def test_good_call_costs_a_read_and_a_write(one: Function, clock: Clock) -> None:
    """Where nothing is wrong the gate is read and written once a call, and waits for nothing."""
    assert one.admitted() == Ticket(NOW, "one", "one-1", one.delivery.id, ledger=one.ledger.table)
    one.gate.succeeded()
    assert one.aws.calls == ["get_item", "put_item"]
    assert one.aws.asked[0]["ConsistentRead"]
    assert sum(clock.naps) == 0
    assert one.gate.read() == replace(one.gate.last, revision=1)
    one.gate.ended(one.gate.last.tickets[0])
    assert one.aws.calls == ["get_item", "put_item", "get_item"]


def test_early_comer_writes_nothing(one: Function, two: Function) -> None:
    """Who comes before its turn is told its turn again, and nothing is written."""
    one.admitted()
    turn = two.enter(patience=0.0)
    two.aws.calls.clear()
    assert two.enter(booked_at=turn.at, patience=0.0) == turn == Later(NOW + 1, PACING)
    assert two.aws.calls == ["get_item"]


def test_spacing_is_slept_out(one: Function, clock: Clock) -> None:
    """A function's second call comes a second after its first, without going back to the queue."""
    one.call()
    one.call()
    assert clock.now == NOW + 1
    assert sum(clock.naps) == 1


def test_writer_that_came_first_is_respected(one: Function, two: Function, clock: Clock) -> None:
    """Who finds that somebody wrote in between decides anew: two that ask at once get two times."""
    two.aws.meanwhile["put_item"] = one.call
    assert two.admitted().at == NOW + 1
    assert two.aws.calls.count("put_item") == 2
    assert [ticket.owner for ticket in one.gate.read().tickets] == ["one", "two"]


def test_crowd_of_writers_is_given_way(one: Function, two: Function) -> None:
    """After eight tries in vain nobody may call."""

    def write_first() -> None:
        one.gate.limited(None)
        two.aws.meanwhile["put_item"] = write_first

    write_first()
    with pytest.raises(GateUnavailable, match="too many writers"):
        two.enter(credential="key")
    assert two.aws.calls.count("put_item") == 8


@pytest.mark.parametrize("operation", ["get_item", "put_item"])
@pytest.mark.parametrize("how", ["before", "after"])
def test_without_the_table_nobody_calls(one: Function, two: Function, operation: str, how: str) -> None:
    """Where DynamoDB fails there is no ticket; one that was written all the same is replaced."""
    one.aws.failing[operation] = how
    with pytest.raises(GateUnavailable, match="EndpointConnectionError"):
        one.enter()
    assert one.admitted(holder="one-2").at <= NOW + 1
    assert [ticket.holder for ticket in one.gate.read().tickets] == ["one-2"]


def test_write_that_the_client_repeated_leaves_one_ticket(one: Function) -> None:
    """A write that is refused because it had taken effect before is made once more on top of itself."""
    one.aws.failing["put_item"] = "repeated"
    ticket = one.admitted()
    assert ticket.at == NOW + 1
    assert one.gate.read().tickets == (ticket,)


@pytest.mark.parametrize("seconds", [0.4, 3.3, 5.3, 9.9, 19.0])
def test_second_call_waits_for_the_end_of_the_first(
    one: Function, two: Function, clock: Clock, seconds: float
) -> None:
    """However long a call takes, the next one begins after it, with a ticket that is not old."""
    one.admitted()
    one.begin()
    clock.at(NOW + seconds, one.end)
    ticket = two.admitted()
    assert clock.now >= max(NOW + seconds, NOW + 1)
    assert clock.now <= max(NOW + seconds, NOW + 1) + POLL_SECONDS
    assert clock.now <= ticket.at + START_SECONDS / 2
    assert ticket in two.gate.read().tickets


def test_tickets_are_used_in_their_order(one: Function, two: Function, clock: Clock) -> None:
    """Who has the later ticket waits for who has not even begun, and not the other way round."""

    def ask_and_die() -> None:
        two.books.failing["get_item"] = "before"
        with pytest.raises(GateUnavailable):
            two.enter()

    one.call()
    clock.at(NOW + 0.5, ask_and_die)
    ticket = one.admitted()
    assert [each.owner for each in one.gate.read().tickets] == ["one", "two"]
    assert ticket.at == NOW + 1
    assert two.books.calls == ["get_item"]
    assert one.books.calls.count("get_item") == 0


def test_third_call_waits_for_both_before_it(
    one: Function, two: Function, three: Function, clock: Clock
) -> None:
    """However many tickets there are, the next call begins when the last one before it is over."""

    def ask_and_die() -> None:
        two.books.failing["get_item"] = "before"
        with pytest.raises(GateUnavailable):
            two.enter()

    one.admitted()
    one.begin()
    ask_and_die()
    two.begin()
    clock.at(NOW + 3, one.end)
    clock.at(NOW + 6, two.end)
    three.admitted()
    assert NOW + 6 <= clock.now <= NOW + 6 + POLL_SECONDS


def test_delivery_that_somebody_else_moved_ends_the_wait(one: Function, two: Function, clock: Clock) -> None:
    """Who holds a ticket for a delivery that another has written to since can't call any more."""
    one.admitted()
    moved = Entry(state=State.CLAIMED, holder="another")
    clock.at(NOW + 2, lambda: two.ledger.move(one.delivery, moved, clock.now))
    two.admitted()
    assert clock.now <= NOW + 2 + POLL_SECONDS


def test_second_call_gives_up_and_books(one: Function, two: Function, clock: Clock) -> None:
    """Who can't wait for the end of the other's call gives its ticket back and takes a turn."""
    one.admitted()
    one.begin()
    decision = two.enter(wait=4.0)
    assert decision == Later(decision.at, BUSY)
    assert clock.now <= decision.at
    assert NOW + 4 - POLL_SECONDS <= clock.now <= NOW + 4
    state = two.gate.read()
    assert [ticket.owner for ticket in state.tickets] == ["one"]
    assert total(state.bookings) == 1


def test_giving_up_takes_nobody_elses_booking(one: Function, two: Function, clock: Clock) -> None:
    """Who gives up takes a new turn, and what others have booked stays booked."""
    one.admitted()
    turn = two.enter(patience=0.0)
    for other in ("b", "c"):
        one.gate.enter(caller(other, patience=0.0), NOW)
    one.begin()
    clock.now = turn.at
    assert isinstance(two.enter(wait=4.0, booked_at=turn.at), Later)
    assert total(two.gate.read().bookings) == 3


def test_ticket_of_the_dead_lapses(one: Function, two: Function, clock: Clock) -> None:
    """A dead function's ticket holds the others up until its call would be over, and no longer."""
    one.admitted()
    one.begin()
    two.admitted(wait=60.0)
    assert NOW + TICKET_SECONDS < clock.now <= NOW + TICKET_SECONDS + POLL_SECONDS


def test_ticket_that_is_given_back_holds_nobody_up(one: Function, two: Function, clock: Clock) -> None:
    """Who does not call after all says so, once; the others keep their times."""
    ticket = one.admitted()
    clock.at(NOW + 0.1, lambda: one.gate.leave(ticket))
    two.admitted()
    assert clock.now == NOW + 1
    one.aws.calls.clear()
    one.gate.leave(ticket)
    assert one.aws.calls == ["get_item"]


def test_closure_stops_who_waits(one: Function, two: Function, clock: Clock) -> None:
    """What the first call brings to light is known to the second before it begins."""
    one.admitted()
    one.begin()
    clock.at(NOW + 2, lambda: one.end(lambda: one.gate.limited(60)))
    assert two.enter() == Later(NOW + 62 + STEP, RATE_LIMITED)
    assert two.gate.read().tickets[0].owner == "one"
    assert len(two.gate.read().tickets) == 1


@pytest.mark.parametrize("silence", [2.0, 6.0, 12.0, 60.0])
def test_silence_is_kept_by_who_waits(one: Function, two: Function, clock: Clock, silence: float) -> None:
    """While it can't be told what a call did, who has a ticket already waits too, or takes a turn."""
    one.admitted()
    one.begin()
    clock.at(NOW + 0.5, lambda: one.end(lambda: one.gate.failed(NOW + silence)))
    decision = two.enter()
    assert (clock.now if isinstance(decision, Ticket) else decision.at) >= NOW + silence
    assert isinstance(decision, Ticket) is (silence < WAIT)


@pytest.mark.parametrize("late", [0.9, 2.6, 4.4, 9.0])
def test_distance_is_kept_from_the_real_begin(
    one: Function, two: Function, clock: Clock, late: float
) -> None:
    """A call that began later than its ticket says still has a second to itself."""
    one.admitted()
    clock.at(NOW + late, one.begin)
    clock.at(NOW + late, one.end)
    two.admitted()
    assert clock.now >= NOW + late + 1


def test_distance_is_kept_from_a_call_whose_ticket_is_gone(
    dynamodb: Emulator, table: str, clock: Clock
) -> None:
    """When a call really began is told with the function's next question, also where the calls are rare."""
    one, two = (Function(name, dynamodb.client("dynamodb"), table, clock, 1) for name in ("one", "two"))
    one.admitted()
    clock.now += 9
    one.begin()
    one.end()
    clock.now = NOW + 58
    assert isinstance(one.enter(patience=0.0), Later)
    assert clock.now == NOW + 58
    decision = two.enter()
    assert (clock.now if isinstance(decision, Ticket) else decision.at) >= NOW + 69


@pytest.mark.parametrize("reads", [False, True])
def test_call_that_only_asks_is_alone_too(one: Function, two: Function, clock: Clock, reads: bool) -> None:  # noqa: FBT001
    """A look and a call never happen at once, whichever comes first; no look keeps a distance."""
    one.admitted(reads=reads)
    clock.at(NOW + 3.2, one.begin if not reads else lambda: None)
    clock.at(NOW + 3.3, one.end)
    two.admitted(reads=not reads)
    assert NOW + 3.3 <= clock.now <= NOW + 3.3 + POLL_SECONDS


def test_clocks_that_differ_let_no_two_calls_begin(
    one: Function, dynamodb: Emulator, table: str, clock: Clock
) -> None:
    """Who was let in first calls first, also where the second's clock is a little behind."""
    behind = Clock()
    behind.now = NOW - 0.01
    two = Function("two", dynamodb.client("dynamodb"), table, behind)
    one.admitted()
    one.begin()
    assert isinstance(two.enter(wait=0.0, reads=True), Later)


def test_gate_that_cannot_see_the_ledger_lets_nobody_in(one: Function, two: Function) -> None:
    """Where it can't be told whether the other call is over, nobody calls."""
    one.admitted()
    one.begin()
    two.books.failing["get_item"] = "before"
    with pytest.raises(GateUnavailable, match="EndpointConnectionError"):
        two.enter()


def test_closure_is_known_to_the_others(one: Function, two: Function) -> None:
    """A rate limit that one function meets closes the gate for all, and each is told its end."""
    one.admitted()
    assert one.gate.limited(17) == NOW + 17
    assert two.enter() == Later(NOW + 17 + STEP, RATE_LIMITED)
    assert two.gate.last.reason == RATE_LIMITED


def test_failures_in_a_row_close_the_gate(one: Function) -> None:
    """Failures are counted over calls, and the third one's pause is told."""
    one.admitted()
    assert [one.gate.failed(0.0) for _ in range(3)] == [0, 0, NOW + 5]
    assert one.gate.read().reason == OUTAGE


def test_rejected_credential_is_looked_at_again(one: Function) -> None:
    """Who meets a wrong credential is told when to look whether it was replaced, and finds it replaced."""
    one.admitted()
    assert one.gate.rejected("credential-rejected", "key") == NOW + 60
    assert one.enter().at > NOW + 60
    assert isinstance(one.enter(credential="new", booked_at=NOW), Ticket)


def test_probe_that_succeeds_opens_the_gate(one: Function, two: Function, clock: Clock) -> None:
    """The call after a closure tells the others that all is well."""
    one.admitted()
    one.end(lambda: one.gate.limited(60))
    clock.now += 60
    assert one.admitted().probe
    one.gate.succeeded()
    one.end()
    assert not two.admitted().probe
    assert two.gate.last.reason == ""


def test_success_ends_a_row_of_failures(one: Function) -> None:
    """A success after a failure is written down, so that only failures in a row count."""
    one.admitted()
    one.gate.failed(0.0)
    one.admitted()
    one.gate.succeeded()
    assert one.gate.read().failures == 0


def test_success_ends_failures_that_came_while_it_waited(one: Function, two: Function, clock: Clock) -> None:
    """What was told after it had entered counts too."""
    one.admitted()
    one.begin()
    clock.at(NOW + 2, lambda: one.end(lambda: one.gate.failed(0.0)))
    two.admitted()
    two.gate.succeeded()
    assert two.gate.read().failures == 0


@pytest.mark.parametrize("operation", ["get_item", "put_item"])
def test_report_that_was_refused_is_made_up_for(one: Function, two: Function, operation: str) -> None:
    """What DynamoDB did not take is told before this function's next call, until it is taken."""
    one.admitted()
    one.aws.failing[operation] = "before"
    assert one.gate.limited(None) == NOW + 60
    one.aws.failing[operation] = "before"
    with pytest.raises(GateUnavailable):
        one.enter()
    assert two.gate.read().reason == ""
    for each in (one, two, one):
        assert each.enter() == Later(each.gate.read().booked_until, RATE_LIMITED)
    assert one.gate.read().limits == 1


@pytest.mark.parametrize("report", [Gate.succeeded, lambda gate: gate.limited(1)])
def test_report_that_comes_late_does_not_undo_a_newer_one(
    one: Function, two: Function, clock: Clock, report: Callable[[Gate], object]
) -> None:
    """What one function could not tell in time changes nothing about what another has learned since."""
    one.admitted()
    one.end(lambda: one.gate.failed(0.0))
    clock.now += 1
    one.admitted()
    one.aws.failing["put_item"] = "before"
    one.end(lambda: report(one.gate))
    clock.now += 1
    two.admitted()
    closed_until = NOW + 3602
    two.end(lambda: two.gate.limited(3600))
    assert two.gate.read().closed_until == closed_until
    clock.now += 2
    decision = one.enter(booked_at=clock.now)
    assert isinstance(decision, Later)
    assert decision.at >= closed_until
    assert two.gate.read().reason == RATE_LIMITED


def test_gate_holds_times_and_names_and_stays(
    one: Function, dynamodb: Emulator, table: str, clock: Clock
) -> None:
    """The item holds nothing of a delivery or a secret, is in no index, and never goes."""
    one.admitted(credential="fingerprint")
    one.gate.rejected("credential-rejected", "fingerprint")
    [item] = dynamodb.client("dynamodb").scan(TableName=table)["Items"]
    assert set(item) == {"id", "revision", "gate"}
    assert item["id"]["S"] == "gate#github-secret"
    state = json.loads(item["gate"]["S"])
    assert set(state) == {field.name for field in fields(GateState)}
    assert [set(ticket) for ticket in state["tickets"]] == [{field.name for field in fields(Ticket)}]
    assert state["credential"] == "fingerprint"


def rewrite(function: Function, table: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the gate's state as it is kept, as another version may have written it."""
    client: Any = function.aws
    item = client.get_item(TableName=table, Key={"id": {"S": "gate#github-secret"}})["Item"]
    state = json.loads(item["gate"]["S"])
    change(state)
    client.put_item(TableName=table, Item=item | {"gate": {"S": json.dumps(state)}})


def test_state_of_a_later_version_is_read(one: Function, table: str) -> None:
    """After a roll-back, what the newer version wrote besides is ignored, and the rest holds."""

    def change(state: dict[str, Any]) -> None:
        state["later"] = state["tickets"][0]["later"] = state["learned"]["later"] = 1

    one.admitted()
    rewrite(one, table, change)
    assert one.gate.read() == replace(one.gate.last, revision=1)


def test_state_of_an_earlier_version_is_read(one: Function, table: str) -> None:
    """What that did not know is as if nothing had happened yet."""

    def change(state: dict[str, Any]) -> None:
        del state["learned"], state["ledgers"], state["tickets"][0]["ledger"]
        state["calls"] = {minute: count for minute, (count, _) in state["calls"].items()}

    one.admitted()
    rewrite(one, table, change)
    state = one.gate.read()
    assert state.learned == GateState().learned
    assert list(state.calls.values()) == [(1, 60)]
    assert state.tickets == (replace(one.gate.last.tickets[0], ledger=""),)


def test_distance_that_was_learned_is_kept(one: Function, two: Function, clock: Clock) -> None:
    """Who waits for another's call is as slow after it as refusals have taught."""
    for _ in range(2):
        for _ in range(14):
            one.call()
        one.gate.overrun(60)
        clock.now += 60
        one.admitted()
        one.begin()
        one.end(one.gate.succeeded)
    one.admitted(patience=9.0)
    clock.now += 4
    one.begin()
    one.end(one.gate.succeeded)
    two.admitted(patience=9.0)
    learned = two.gate.last.learned
    assert 0 < learned.per_minute < 15
    assert clock.now >= one.entry.called_at + 60 / learned.per_minute
