"""The ledger, against a real DynamoDB: who may move a delivery, what survives, and what can be asked."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.event import ALIAS_DELETED, ALIAS_SET, VERSION_CREATED
from functions.core.ledger import (
    CALL_SECONDS,
    LEASE_SECONDS,
    Entry,
    Ledger,
    LedgerUnavailable,
    Overtaken,
    State,
)
from modelrelay.local.emulator import Emulator

from ..conftest import Flaky
from ..samples import NOW, delivery

OLDER, NEWER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
UNKNOWN_DELIVERY = Entry()
LOST = ["after", "repeated"]


def by(holder: str, state: State = State.CLAIMED, entry: Entry = UNKNOWN_DELIVERY) -> Entry:
    """Give the entry that an attempt writes in the place of another."""
    return replace(entry, state=state, holder=holder)


def dispatch(ledger: Ledger, sent: Delivery, now: float = NOW) -> Entry:
    """Take a delivery all the way."""
    claimed = ledger.move(sent, by("d"), now)
    return ledger.move(sent, replace(claimed, state=State.DISPATCHED, run_id=17, run_url="u"), now)


def stored(dynamodb: Emulator, table: str) -> list[dict[str, Any]]:
    """Give every item as it lies in the table."""
    return [*dynamodb.client("dynamodb").scan(TableName=table)["Items"]]


def test_delivery_that_the_ledger_does_not_know_waits(ledger: Ledger) -> None:
    """Of what nobody moved there is an entry of revision 0, with nothing in it."""
    assert ledger.get("never seen") == Entry()


def test_entry_is_read_as_it_was_written(ledger: Ledger) -> None:
    """Nothing of an entry is lost or changed on its way, and the ledger counts and dates the write."""
    examples: dict[type, Any] = {
        State: State.UNKNOWN,
        str: 'ü \\ "x"',
        int: 17_000_000_017,
        float: NOW + 0.125,
    }
    full = Entry(**{field.name: examples[type(field.default)] for field in fields(Entry)})
    full = replace(full, revision=0)
    written = ledger.move(delivery(), full, NOW + 0.0006)
    assert written == replace(full, revision=1, updated_at=NOW + 0.001)
    assert ledger.get(delivery().id) == written


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("known", [False, True])
def test_stale_write_is_refused(ledger: Ledger, state: State, known: bool) -> None:  # noqa: FBT001
    """Of two functions that read the same entry one moves the delivery; the other's write does nothing."""
    read = ledger.move(delivery(), by("before", State.WAITING), NOW) if known else UNKNOWN_DELIVERY
    won = ledger.move(delivery(), by("one", State.CLAIMED, read), NOW)
    with pytest.raises(Overtaken, match=delivery().id):
        ledger.move(delivery(), by("two", state, read), NOW)
    assert ledger.get(delivery().id) == won
    assert ledger.newest(delivery()) == ""


def test_many_functions_at_once_make_one_claim(ledger: Ledger) -> None:
    """However many claim a delivery in the same moment, one of them has it."""

    def claim(holder: str) -> Entry | None:
        try:
            return ledger.move(delivery(), by(holder), NOW)
        except Overtaken:
            return None

    with ThreadPoolExecutor(8) as functions:
        claims = [entry for entry in functions.map(claim, "abcdefgh") if entry]
    assert claims == [ledger.get(delivery().id)]


@pytest.mark.parametrize("state", [State.CLAIMED, State.WAITING, State.DISPATCHED])
def test_write_whose_answer_was_lost_is_found_at_the_next_try(
    ledger: Ledger, flaky: Flaky, state: State
) -> None:
    """Who does not know whether it wrote may write again: it counts once."""
    flaky.failing = dict.fromkeys(["put_item", "transact_write_items"], "after")
    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        ledger.move(delivery(), by("one", state), NOW)
    assert ledger.move(delivery(), by("one", state), NOW).revision == 1
    assert ledger.get(delivery().id).state is state


@pytest.mark.parametrize("state", [State.CLAIMED, State.DISPATCHED])
def test_write_that_the_client_repeated_is_our_own(ledger: Ledger, flaky: Flaky, state: State) -> None:
    """A refusal of what took effect at the try before is no quarrel with anybody."""
    flaky.failing = dict.fromkeys(["put_item", "transact_write_items"], "repeated")
    written = ledger.move(delivery(), by("one", state), NOW)
    assert ledger.get(delivery().id) == written


def test_earlier_write_of_the_same_attempt_is_not_this_one(ledger: Ledger) -> None:
    """An attempt that writes in the place of what it wrote over itself is told, like any other."""
    ledger.move(delivery(), by("one", State.CLAIMED, ledger.move(delivery(), by("one"), NOW)), NOW)
    with pytest.raises(Overtaken):
        ledger.move(delivery(), by("one", State.WAITING), NOW)


def test_failing_table_is_told(ledger: Ledger, flaky: Flaky) -> None:
    """Whatever DynamoDB fails at is one error, with its kind."""
    operations = ["get_item", "put_item", "transact_write_items", "query"]
    flaky.failing = dict.fromkeys(operations, "before")
    for ask in (
        lambda: ledger.get("any"),
        lambda: ledger.move(delivery(), by("one"), NOW),
        lambda: ledger.move(delivery(), by("one", State.DISPATCHED), NOW),
        lambda: list(ledger.of_model("churn")),
    ):
        with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
            ask()
    assert flaky.calls == operations
    assert ledger.get(delivery().id) == Entry()


def test_what_was_just_written_is_read(ledger: Ledger, flaky: Flaky) -> None:
    """No reading of an entry or a slot may be behind."""
    ledger.get(delivery().id)
    ledger.newest(delivery())
    assert [asked["ConsistentRead"] for asked in flaky.asked] == [True, True]


def test_refusal_that_cannot_be_looked_into_is_not_known(ledger: Ledger, flaky: Flaky) -> None:
    """Where DynamoDB fails while we ask whose write it was, nobody is said to have overtaken us."""
    flaky.failing = {"put_item": "repeated", "get_item": "before"}
    with pytest.raises(LedgerUnavailable):
        ledger.move(delivery(), by("one"), NOW)


def test_busy_table_is_told(dynamodb: Emulator, table: str) -> None:
    """A transaction that was cancelled for anything but a condition may be tried again."""
    client = dynamodb.client("dynamodb")
    busy = {
        "Error": {"Code": "x"},
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
    }

    class Busy(Flaky):
        def transact_write_items(self, **_: Any) -> None:
            raise client.exceptions.TransactionCanceledException(busy, "TransactWriteItems")

    ledger = Ledger(Busy(client), table)  # type: ignore[arg-type]  # it is one but for a call
    with pytest.raises(LedgerUnavailable, match="TransactionCanceledException"):
        ledger.move(delivery(), by("one", State.DISPATCHED), NOW)


def test_slot_advances_with_the_newest_dispatched_fact(ledger: Ledger) -> None:
    """A slot knows of nothing at first, and then of what happened last."""
    for occurred_at in (OLDER, NEWER):
        sent = delivery(occurred_at=occurred_at)
        assert ledger.newest(sent) != occurred_at
        dispatch(ledger, sent)
        assert ledger.newest(sent) == occurred_at


@pytest.mark.parametrize("occurred_at", [OLDER, NEWER])
def test_fact_that_is_not_newer_is_written_down_beside_the_slot(ledger: Ledger, occurred_at: str) -> None:
    """A forced older fact has its run on record, and the slot never goes back."""
    dispatch(ledger, delivery(version="9", occurred_at=NEWER))
    old = delivery(version="8", occurred_at=occurred_at)
    written = dispatch(ledger, old)
    assert (written.state, written.run_id) == (State.DISPATCHED, 17)
    assert ledger.get(old.id) == written
    assert ledger.newest(old) == NEWER


@pytest.mark.parametrize("how", ["before", *LOST])
def test_write_beside_the_slot_is_as_careful(ledger: Ledger, flaky: Flaky, how: str) -> None:
    """A forced older fact's write may fail or get lost like any other, and is found again."""
    dispatch(ledger, delivery(version="9", occurred_at=NEWER))
    old = delivery(version="8", occurred_at=OLDER)
    flaky.failing["put_item"] = how
    if how != "repeated":
        with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
            ledger.move(old, by("one", State.DISPATCHED), NOW)
    assert ledger.move(old, by("one", State.DISPATCHED), NOW) == ledger.get(old.id)


def test_write_beside_the_slot_can_be_overtaken(ledger: Ledger, flaky: Flaky) -> None:
    """Who moves a forced older fact between our two tries has it."""
    dispatch(ledger, delivery(version="9", occurred_at=NEWER))
    old = delivery(version="8", occurred_at=OLDER)
    flaky.meanwhile["put_item"] = lambda: ledger.move(old, by("two"), NOW)
    with pytest.raises(Overtaken):
        ledger.move(old, by("one", State.DISPATCHED), NOW)
    assert ledger.get(old.id).holder == "two"


@pytest.mark.parametrize("state", [state for state in State if state is not State.DISPATCHED])
def test_slot_knows_nothing_of_what_was_not_dispatched(ledger: Ledger, state: State) -> None:
    """Only a dispatched fact stands in the way of older ones."""
    ledger.move(delivery(), by("one", state), NOW)
    assert ledger.newest(delivery()) == ""


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"version": "9"}, True),
        ({"to_stage": "Staging"}, False),
        ({"model_name": "fraud"}, False),
        ({"route": "other"}, False),
        ({"workspace_id": "team-a"}, False),
        ({"kind": "model_version.transition_requested"}, False),
        ({"alias": "champion"}, False),
    ],
)
def test_slot_is_a_models_stage(ledger: Ledger, other: dict[str, Any], same: bool) -> None:  # noqa: FBT001
    """A fact is replaced by a newer one of the same route, model and stage alone."""
    dispatch(ledger, delivery(occurred_at=NEWER))
    assert bool(ledger.newest(delivery(**other))) is same


def test_slot_is_an_alias_set_or_deleted(ledger: Ledger) -> None:
    """Setting an alias is overtaken by its deletion."""
    alias: dict[str, Any] = {"to_stage": None, "alias": "champion"}
    dispatch(ledger, delivery(kind=ALIAS_DELETED, occurred_at=NEWER, **alias))
    assert ledger.newest(delivery(kind=ALIAS_SET, **alias)) == NEWER


def test_fact_without_stage_or_alias_replaces_none(ledger: Ledger) -> None:
    """A new version stands beside the others: there is nothing that it replaces."""
    dispatch(ledger, delivery(kind=VERSION_CREATED, to_stage=None, occurred_at=NEWER))
    assert ledger.newest(delivery(kind=VERSION_CREATED, to_stage=None)) == ""


CLAIMED = Entry(
    State.CLAIMED, revision=4, holder="d", attempts=2, deaths=1, claimed_at=NOW, looks=2, seen="{}", past="[]"
)


def test_claim_holds_for_its_lease() -> None:
    """Until the lease is over a claim is read as it stands."""
    assert CLAIMED.lapses_at == NOW + LEASE_SECONDS
    assert CLAIMED.recovered(NOW + LEASE_SECONDS - 0.001) is CLAIMED


def test_claim_of_the_dead_leaves_a_doubt() -> None:
    """Of a call whose attempt died nobody knows what it did, from its claim to the end of its time."""
    found = CLAIMED.recovered(NOW + LEASE_SECONDS)
    assert found == replace(
        CLAIMED,
        state=State.UNKNOWN,
        deaths=2,
        doubt_since=NOW,
        doubt_until=NOW + CALL_SECONDS,
        looks=0,
        seen="",
    )
    assert (found.in_doubt, found.doubt) == (True, (NOW, NOW + CALL_SECONDS))
    assert found.recovered(NOW + 1e6) is found


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLAIMED])
def test_only_a_claim_lapses(state: State) -> None:
    """What no call is under way for stays what it is, however old."""
    entry = replace(CLAIMED, state=state)
    assert entry.recovered(NOW + 1e9) is entry
    assert (entry.in_doubt, entry.doubt) == (False, (0.0, 0.0))


def test_claim_is_in_doubt_while_it_holds() -> None:
    """Others reckon with a run of a call that is under way, although it is not to be looked for yet."""
    assert (CLAIMED.in_doubt, CLAIMED.doubt) == (False, (NOW, NOW + CALL_SECONDS))


def test_recovered_entry_is_moved_like_the_claim(ledger: Ledger) -> None:
    """Of two functions that find the dead one's claim, one takes the delivery over."""
    dead = ledger.move(delivery(), replace(CLAIMED, revision=0), NOW).recovered(NOW + LEASE_SECONDS)
    taken = ledger.move(delivery(), by("one", State.CLAIMED, dead), NOW)
    with pytest.raises(Overtaken):
        ledger.move(delivery(), by("two", State.CLAIMED, dead), NOW)
    assert (taken.deaths, taken.revision) == (2, 2)


class Leafing(Flaky):
    """DynamoDB whose answers to a query have one item each."""

    def query(self, **parameters: Any) -> Any:
        """Give a page of one."""
        self.calls.append("query")
        return self._client.query(**{**parameters, "Limit": 1})


@pytest.fixture
def leafing(dynamodb: Emulator) -> Leafing:
    """A client that has to leaf."""
    return Leafing(dynamodb.client("dynamodb"))


def test_models_deliveries_are_given_newest_first(leafing: Any, table: str) -> None:
    """A model's deliveries come page after page, the one accepted last first, and nobody else's."""
    ledger = Ledger(leafing, table)
    sent = [delivery(version=str(age), accepted_at=int((NOW - age) * 1000)) for age in (2, 0, 1)]
    written = {each.id: dispatch(ledger, each) for each in [*sent, delivery(model_name="fraud")]}
    leafing.calls.clear()
    newest_first = [sent[1].id, sent[2].id, sent[0].id]
    found = list(ledger.of_model("churn"))
    assert [(each.id, each.entry) for each in found] == [(each, written[each]) for each in newest_first]
    assert set(leafing.calls) == {"query"}
    assert len(leafing.calls) >= 3
    assert list(ledger.of_model("unknown")) == []


def test_deliveries_in_a_state_are_given_by_time(leafing: Any, table: str) -> None:
    """Who came into a state within a span, ends included, is found by an index, newest first."""
    ledger = Ledger(leafing, table)
    sent = {age: delivery(version=str(age)) for age in (3.5, 3, 2, 1, 0.5)}
    for age, each in sent.items():
        ledger.move(each, by("one", State.UNKNOWN), NOW - age)
    ledger.move(delivery(version="other"), by("one", State.CLAIMED), NOW - 2)
    leafing.calls.clear()
    found = list(ledger.in_state(State.UNKNOWN, NOW - 3, NOW - 1))
    assert [each.id for each in found] == [sent[1].id, sent[2].id, sent[3].id]
    assert [each.entry.updated_at for each in found] == [NOW - 1, NOW - 2, NOW - 3]
    assert set(leafing.calls) == {"query"}


def test_delivery_leaves_the_state_it_came_from(ledger: Ledger) -> None:
    """What waits is found waiting, and no longer once it was dispatched; slots are found nowhere."""

    def found(state: State) -> list[Entry]:
        return [each.entry for each in ledger.in_state(state, NOW, NOW)]

    waiting = ledger.move(delivery(), Entry(holder="one"), NOW)
    assert found(State.WAITING) == [waiting]
    sent = ledger.move(delivery(), by("one", State.DISPATCHED, waiting), NOW)
    assert found(State.WAITING) == []
    assert found(State.DISPATCHED) == [sent]
    assert [each.entry for each in ledger.of_model("churn")] == [sent]


def test_record_tells_what_it_is_about(ledger: Ledger) -> None:
    """Who asks for a model's deliveries is told their facts beside what became of them."""
    dispatch(ledger, delivery())
    [record] = ledger.of_model("churn")
    about = {"route": "default", "model": "churn", "version": "8", "to_stage": "Production"}
    assert about.items() <= record.about.items()
    assert record.about["accepted_at"] == NOW * 1000
    assert not {"id", "state", "holder", "run_id"} & record.about.keys()


@pytest.mark.parametrize("model", ["m" * 2049, "ü" * 1025])
def test_model_that_no_index_takes_is_left_out(
    ledger: Ledger, dynamodb: Emulator, table: str, model: str
) -> None:
    """A name that DynamoDB refuses as a key does not keep its delivery from being written down."""
    sent = delivery(model_name=model)
    assert dispatch(ledger, sent) == ledger.get(sent.id)
    assert not [item for item in stored(dynamodb, table) if "model" in item]
    assert ledger.newest(delivery(model_name=model, version="9")) == sent.event.occurred_at


@pytest.mark.parametrize("model", ["m" * 2048, "ü" * 1024])
def test_long_model_is_found(ledger: Ledger, model: str) -> None:
    """A name as long as DynamoDB takes it, counted in bytes, is indexed."""
    dispatch(ledger, delivery(model_name=model))
    assert len(list(ledger.of_model(model))) == 1


def test_items_hold_names_and_no_prose_and_no_empty_values(
    ledger: Ledger, dynamodb: Emulator, table: str
) -> None:
    """What people ask about is kept; what people wrote is not."""
    dispatch(ledger, delivery(alias="", tags={"canary": "canary"}))
    items = stored(dynamodb, table)
    assert "canary" not in json.dumps(items)
    [entry] = [item for item in items if "state" in item]
    told = {"model": "churn", "version": "8", "route": "default", "to_stage": "Production"}
    assert {name: entry[name]["S"] for name in told} == told
    assert entry["accepted_at"] == {"N": str(int(NOW * 1000))}
    assert not {"alias", "reason", "doubt_since", "looks"} & entry.keys()


def test_items_go_90_days_after_they_were_last_touched(
    ledger: Ledger, dynamodb: Emulator, table: str
) -> None:
    """Deliveries and slots live as long from their last write on, in whole seconds as DynamoDB wants it."""
    dispatch(ledger, delivery(occurred_at=OLDER))
    dispatch(ledger, delivery(version="9", occurred_at=NEWER), NOW + 60.9)
    lives = sorted(item["expires_at"]["N"] for item in stored(dynamodb, table))
    first, last = (str(int(NOW) + after + 90 * 86_400) for after in (0, 60))
    assert lives == [first, last, last]
