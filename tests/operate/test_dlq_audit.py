"""The record of what people did."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from functions.core.ledger import KEEP_SECONDS, State
from functions.operate.audit import Audit
from modelrelay.errors import CommandError
from modelrelay.local.signals import Stopped
from tests.unit.samples import NOW, Clock, delivery

from .conftest import Deployed


@pytest.fixture
def audit(deployed: Deployed, clock: Clock) -> Audit:
    """The records of a stack."""
    return Audit(deployed.cloud.client("dynamodb"), deployed.outputs["LedgerTableName"], clock)


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


def test_record_says_who_did_what_and_what_came_of_it(audit: Audit, clock: Clock) -> None:
    """One record is left, with the options, the counts, and the time at which it ended."""
    counts = {"sent": 0}
    with audit.recorded("arn:me", "dlq replay", {"models": ["a"]}, counts):
        (begun,) = audit.newest()
        clock.now += 5
        counts["sent"] = 3
    (act,) = audit.newest()
    assert (begun.outcome, begun.counts, begun.at) == ("begun", {}, NOW)
    assert act.id.startswith("audit#2026-09-21T14:13:20.000+00:00#")
    assert (act.who, act.action, act.options) == ("arn:me", "dlq replay", {"models": ["a"]})
    assert (act.outcome, act.counts, act.at) == ("done", {"sent": 3}, NOW + 5)


@pytest.mark.parametrize(("error", "outcome"), [(CommandError("x"), "failed"), (Stopped(), "interrupted")])
def test_record_of_what_did_not_end_well(audit: Audit, error: BaseException, outcome: str) -> None:
    """An error or a signal is on record with what was done until then, and goes on its way."""
    with pytest.raises(type(error)), audit.recorded("me", "dlq purge", {}, {"removed": 2}):
        raise error
    (act,) = audit.newest()
    assert (act.outcome, act.counts) == (outcome, {"removed": 2})


def test_what_can_not_be_recorded_is_not_done(deployed: Deployed) -> None:
    """Where the record can't be written, the block does not run."""
    audit = Audit(deployed.cloud.client("dynamodb"), "no-such-table")
    ran = False
    with pytest.raises(ClientError), audit.recorded("me", "dlq purge", {}, {}):
        ran = True
    assert not ran


def test_newest_record_comes_first(audit: Audit, clock: Clock, deployed: Deployed) -> None:
    """Records are read newest first, as many as wanted, and no delivery is among them."""
    deployed.know(delivery(), State.DISPATCHED)
    for number in range(5):
        clock.now += 1
        audit.begin("me", f"act {number}", {})
    assert [act.action for act in audit.newest(3)] == ["act 4", "act 3", "act 2"]
    assert len(list(audit.newest())) == 5


def test_record_goes_when_the_ledgers_entries_do(audit: Audit, deployed: Deployed) -> None:
    """DynamoDB forgets a record after as long as a delivery."""
    act = audit.begin("me", "dlq purge", {})
    item = deployed.cloud.client("dynamodb").get_item(
        TableName=deployed.outputs["LedgerTableName"], Key={"id": {"S": act.id}}
    )["Item"]
    assert (item["expires_at"]["N"], item["state"]["S"]) == (str(int(NOW) + KEEP_SECONDS), "audit")
