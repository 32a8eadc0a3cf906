"""The ledger, against a real DynamoDB: who may move a delivery, and what survives."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.event import ALIAS_DELETED, ALIAS_SET, VERSION_CREATED
from functions.core.ledger import KEEP_SECONDS, LEASE_SECONDS, Ledger, LedgerUnavailable, NotOurs, State
from modelrelay.local.emulator import Emulator

from ..conftest import Flaky
from ..samples import NOW, delivery

OLDER, NEWER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
FINAL = [State.DISPATCHED, State.SUPERSEDED]
OPEN = [State.WAITING, State.UNKNOWN, State.DEAD_LETTERED]


def dispatch(ledger: Ledger, sent: Delivery) -> None:
    """Take a delivery all the way."""
    ledger.settle(sent, ledger.claim(sent, "d", NOW), State.DISPATCHED, NOW, run_id=17, run_url="u")


def test_new_delivery_can_be_claimed(ledger: Ledger) -> None:
    """The first to ask gets the claim, and the ledger knows who and when."""
    claim = ledger.claim(delivery(), "one", NOW)
    assert (claim.state, claim.holder, claim.attempts, claim.claimed_at) == (State.CLAIMED, "one", 1, NOW)
    assert ledger.get(delivery().id) == claim


def test_claimed_delivery_is_nobody_elses(ledger: Ledger) -> None:
    """A second function is told who holds the claim, and until when."""
    ledger.claim(delivery(), "one", NOW)
    claim = ledger.claim(delivery(), "two", NOW + LEASE_SECONDS)
    assert (claim.holder, claim.lapses_at) == ("one", NOW + LEASE_SECONDS)


def test_claim_of_the_dead_lapses(ledger: Ledger) -> None:
    """When an attempt dies without a word, the delivery can be claimed again after the lease."""
    ledger.claim(delivery(), "one", NOW)
    claim = ledger.claim(delivery(), "two", NOW + LEASE_SECONDS + 0.01)
    assert (claim.holder, claim.attempts) == ("two", 2)


def test_claim_whose_answer_was_lost_is_ours(ledger: Ledger, flaky: Flaky) -> None:
    """A claim that took effect unseen is recognised when it is tried again."""
    flaky.failing["update_item"] = "after"
    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        ledger.claim(delivery(), "one", NOW)
    assert ledger.claim(delivery(), "one", NOW).holder == "one"


@pytest.mark.parametrize("state", OPEN)
def test_unsettled_delivery_can_be_claimed_again(ledger: Ledger, state: State) -> None:
    """What waits, what nobody knows of, and what was dead-lettered and replayed is tried again."""
    ledger.settle(delivery(), ledger.claim(delivery(), "one", NOW), state, NOW, reason="why")
    claim = ledger.claim(delivery(), "two", NOW)
    assert (claim.holder, claim.attempts) == ("two", 2)


@pytest.mark.parametrize("state", FINAL)
def test_settled_delivery_cannot_be_claimed(ledger: Ledger, state: State) -> None:
    """What was dispatched or superseded stays so, however late a duplicate comes."""
    ledger.settle(delivery(), ledger.claim(delivery(), "one", NOW), state, NOW)
    assert ledger.claim(delivery(), "two", NOW + 1e6).state is state


def test_run_is_remembered(ledger: Ledger) -> None:
    """A duplicate can be told which run its delivery had started."""
    dispatch(ledger, delivery())
    entry = ledger.claim(delivery(), "two", NOW)
    assert (entry.run_id, entry.run_url) == (17, "u")


@pytest.mark.parametrize("state", [State.DISPATCHED, State.WAITING])
def test_lapsed_claim_settles_nothing(ledger: Ledger, state: State) -> None:
    """Who lost the claim can't overwrite what the next one does."""
    lost = ledger.claim(delivery(), "one", NOW)
    held = ledger.claim(delivery(), "two", NOW + LEASE_SECONDS + 1)
    with pytest.raises(NotOurs):
        ledger.settle(delivery(), lost, state, NOW)
    assert ledger.get(delivery().id) == held


@pytest.mark.parametrize("state", [State.DISPATCHED, State.WAITING])
def test_settlement_whose_answer_was_lost_stands(ledger: Ledger, state: State) -> None:
    """A write that took effect unseen is no quarrel when it is tried again."""
    claim = ledger.claim(delivery(), "one", NOW)
    for _ in range(2):
        ledger.settle(delivery(), claim, state, NOW)
    entry = ledger.get(delivery().id)
    assert entry
    assert entry.state is state


def test_unknown_delivery_is_nothing(ledger: Ledger) -> None:
    """Of what was never claimed the ledger says nothing, and nobody can settle it."""
    assert ledger.get("unknown") is None
    claim = ledger.claim(delivery(), "one", NOW)
    with pytest.raises(NotOurs):
        ledger.settle(delivery(version="9"), claim, State.WAITING, NOW)


def test_slot_knows_the_newest_dispatched_fact(ledger: Ledger) -> None:
    """A forced older fact is written down and does not turn the slot back."""
    new, old = delivery(version="9", occurred_at=NEWER), delivery(version="8", occurred_at=OLDER)
    assert ledger.newest(old) == ""
    dispatch(ledger, new)
    dispatch(ledger, old)
    assert ledger.newest(old) == NEWER
    entry = ledger.get(old.id)
    assert entry
    assert entry.state is State.DISPATCHED


@pytest.mark.parametrize("state", OPEN)
def test_slot_knows_nothing_of_what_was_not_dispatched(ledger: Ledger, state: State) -> None:
    """Only a dispatched fact stands in the way of older ones."""
    ledger.settle(delivery(), ledger.claim(delivery(), "one", NOW), state, NOW)
    assert ledger.newest(delivery()) == ""


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"version": "9"}, True),
        ({"to_stage": "Staging"}, False),
        ({"model_name": "fraud"}, False),
        ({"kind": "model_version.transition_requested"}, False),
        ({"alias": "champion"}, False),
    ],
)
def test_slot_is_a_models_stage(ledger: Ledger, other: dict[str, Any], same: bool) -> None:  # noqa: FBT001
    """A fact is replaced by a newer one of the same model and stage alone."""
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


def test_failing_table_is_told(ledger: Ledger, flaky: Flaky) -> None:
    """Whatever DynamoDB fails at is one error, with its kind."""
    claim = ledger.claim(delivery(), "one", NOW)
    flaky.failing = {"get_item": "before", "update_item": "before", "transact_write_items": "before"}
    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        ledger.get("any")
    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        ledger.settle(delivery(), claim, State.WAITING, NOW)
    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        ledger.settle(delivery(), claim, State.DISPATCHED, NOW)


def test_failure_beside_the_slot_is_told(ledger: Ledger, flaky: Flaky) -> None:
    """Settling a forced older fact may fail like any other write."""
    dispatch(ledger, delivery(version="9", occurred_at=NEWER))
    old = delivery(version="8", occurred_at=OLDER)
    claim = ledger.claim(old, "one", NOW)
    flaky.failing["update_item"] = "before"
    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        ledger.settle(old, claim, State.DISPATCHED, NOW)


def test_busy_table_is_told(dynamodb: Emulator, table: str) -> None:
    """A transaction that was cancelled for anything but a condition may be tried again."""
    client = dynamodb.client("dynamodb")
    busy = {"Error": {"Code": "x"}, "CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}]}

    class Busy(Flaky):
        def transact_write_items(self, **_: Any) -> None:
            raise client.exceptions.TransactionCanceledException(busy, "TransactWriteItems")

    ledger = Ledger(Busy(client), table)  # type: ignore[arg-type]  # it is one but for a call
    claim = ledger.claim(delivery(), "one", NOW)
    with pytest.raises(LedgerUnavailable, match="TransactionCanceledException"):
        ledger.settle(delivery(), claim, State.DISPATCHED, NOW)


def test_items_hold_names_and_no_prose_and_go_after_90_days(
    ledger: Ledger, dynamodb: Emulator, table: str
) -> None:
    """What people ask about is kept for a while; what people wrote is not kept at all."""
    dispatch(ledger, replace(delivery(tags={"note": "canary"})))
    items = dynamodb.client("dynamodb").scan(TableName=table)["Items"]
    assert "canary" not in json.dumps(items)
    assert {item["expires_at"]["N"] for item in items} == {str(int(NOW) + KEEP_SECONDS)}
    [entry] = [item for item in items if "state" in item]
    told = {"model": "churn", "version": "8", "route": "default", "to_stage": "Production"}
    assert {name: entry[name]["S"] for name in told} == told
