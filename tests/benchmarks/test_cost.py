"""Costs add up: units by DynamoDB's rules, sums by the prices, and counts by the running code."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.cost import cells
from benchmarks.cost_count import Counts, Lines, counted, size, write_units
from benchmarks.cost_model import (
    HOURS,
    MONTH_SECONDS,
    PER_CREDENTIAL,
    Assumptions,
    assumptions,
    cold_share,
    container,
    nearest,
    ours,
    pipes,
    stacks,
    tariff,
)
from benchmarks.drain_scene import Scene

COUNTS = Counts(
    receives=2.0,
    waits=1.0,
    writes=10.0,
    reads=4.0,
    gate_writes=2.0,
    item_bytes=400.0,
    ingest_log_bytes=1_000.0,
    dispatch_log_bytes=2_000.0,
    milliseconds=1_000.0,
)
CHARGES = tariff()
NOTHING = dict.fromkeys(CHARGES.prices, 0.0)
GATE = {"id": {"S": "gate#x"}, "revision": {"N": "1"}, "gate": {"S": "{}"}}


def entry(state: str = "claimed", updated_at: str = "1", more: str = "") -> dict[str, dict[str, str]]:
    """An item of the ledger, which both indexes hold."""
    texts = {"id": "d", "state": state, "model": "m", "detail": more}
    numbers = {"updated_at": updated_at, "accepted_at": "5"}
    return {name: {"S": text} for name, text in texts.items()} | {
        name: {"N": text} for name, text in numbers.items()
    }


@pytest.mark.parametrize(
    ("old", "new", "times", "units"),
    [
        (None, GATE, 1, 1),
        (GATE, GATE, 1, 1),
        (None, entry(), 1, 3),
        (entry(), entry("dispatched"), 1, 4),
        (entry(), entry("dispatched"), 2, 5),
        (entry(), entry(updated_at="2"), 1, 4),
        (entry(), entry(), 1, 3),
        (None, entry(more="x" * 1_024), 1, 6),
        (entry(more="x" * 1_024), entry("dispatched"), 1, 6),
    ],
    ids=[
        "no index",
        "again",
        "two indexes",
        "key moved",
        "transaction",
        "time moved",
        "same key",
        "large",
        "shrunk",
    ],
)
def test_units_follow_the_rules(
    old: dict[str, dict[str, str]] | None, new: dict[str, dict[str, str]], times: int, units: int
) -> None:
    """A unit a KB begun, one an index, two where its key changes; a transaction doubles the table's part."""
    assert write_units(old, new, times) == units


def test_size_counts_names_and_values() -> None:
    """Texts count their UTF-8, numbers half their digits and one more byte."""
    assert size({"id": {"S": "é"}, "n": {"N": "1234"}}) == 2 + 2 + 1 + 3


def test_one_delivery_is_counted_while_the_code_runs() -> None:
    """Alone, a delivery is received once: gate, claim and outcome are written, and nothing waits."""
    alone = counted(Scene(1, models=1))
    assert (alone.receives, alone.waits) == (1.0, 0.0)
    claim, settle, slot = 3, 2 + 3, 2
    assert alone.gate_writes == 1
    assert alone.writes == alone.gate_writes + claim + settle + slot
    assert alone.reads == 2
    assert alone.milliseconds > 0
    assert 300 < alone.item_bytes < 1_024


def test_log_lines_are_measured_as_they_are_written() -> None:
    """A line counts its own bytes: a longer field makes it longer by as much."""
    short, long = (Lines("dispatch").measure("attempt", {"detail": "x" * length}) for length in (1, 101))
    assert long - short == 100
    assert short > 100


@pytest.mark.parametrize(
    ("events", "number"), [(1, 1), (PER_CREDENTIAL, 1), (PER_CREDENTIAL + 1, 2), (10**6, 3)]
)
def test_stacks_follow_githubs_limit(events: int, number: int) -> None:
    """A credential makes 365,000 dispatches a month, and no more."""
    assert stacks(events) == number


def test_sum_of_ours_is_what_the_prices_make_of_the_counts() -> None:
    """Each price counts as often as its item occurs."""
    events, assumed = 1_000.0, Assumptions(idle_seconds=math.inf, pollers=0)
    per_event = {
        "http_api_request": 1,
        "lambda_request": 1 + 2,
        "sqs_fifo_request": 1 + 2 + 1 + 1,
        "dynamodb_write_unit": 10,
        "dynamodb_read_unit": 4,
        "secret_call": 3,
        "logs_gb": (1_000 + 2_000 + 3 * 600 + 300) / 10**9,
        "transfer_out_gb": 6_000 / 10**9,
        "dynamodb_gb_month": 3 * 3 * 400 / 10**9,
        "lambda_arm_gb_second": 0.5 * (0.015 + 1.0),
    }
    for name, times in per_event.items():
        bill = ours(events, COUNTS, assumed, NOTHING | {name: 1.0})
        assert sum(bill.values()) == pytest.approx(events * times), name


def test_nothing_is_paid_twice_or_forgotten() -> None:
    """What is fixed is paid without an event, for every stack, and doubling all prices doubles the sum."""
    assumed = Assumptions()
    idle = sum(ours(0, COUNTS, assumed, CHARGES.prices).values())
    polls = 5 * 3 * 60 * HOURS * CHARGES.prices["sqs_fifo_request"]
    watching = 20 * 0.30 + 19 * 0.10 + 2 * 0.50 + 3.00
    assert idle == pytest.approx(polls + 2 * 0.40 + watching)
    doubled = {name: 2 * price for name, price in CHARGES.prices.items()}
    for way in (ours, pipes, container):
        once = sum(way(10**6, COUNTS, assumed, CHARGES.prices).values())
        assert sum(way(10**6, COUNTS, assumed, doubled).values()) == pytest.approx(2 * once)


def test_pipe_and_container_are_charged_by_their_own_prices() -> None:
    """A pipe pays for each event twice over, a container for its hours whatever comes."""
    assumed = Assumptions()
    assert pipes(10**6, COUNTS, assumed, CHARGES.prices)["EventBridge"] == pytest.approx(0.60)
    hours = container(0, COUNTS, assumed, CHARGES.prices)["container"]
    assert hours == container(10**6, COUNTS, assumed, CHARGES.prices)["container"]
    assert hours == pytest.approx(HOURS * (0.25 * 0.03238 + 0.5 * 0.00356))


def test_rare_events_meet_cold_functions() -> None:
    """Whether a copy is gone follows from the average distance of events."""
    assert cold_share(0, 600) == 1.0
    assert cold_share(MONTH_SECONDS / 600, 600) == pytest.approx(math.exp(-1))
    assert cold_share(10**7, 600) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("events", "exceeded"), [(10**3, 0), (10**5, 0), (10**6, 1), (10**9, 1)])
def test_github_is_the_first_limit(events: int, exceeded: int) -> None:
    """At every step GitHub's limit is the fullest, and with a stack a credential the only one exceeded."""
    used = nearest(events, COUNTS, Assumptions(), CHARGES)
    assert used[0][0].startswith("GitHub")
    assert sum(part > 1 for _, part in used) == exceeded


def test_row_has_the_sum_and_the_shares() -> None:
    """The shares of a row add up to a hundred."""
    row = cells(1_000, {"API": 1.0, "SQS": 3.0})
    assert row == {"month": 4.0, "a million events": 4_000.0, "API": 25.0, "SQS": 75.0}


def test_measured_cold_starts_replace_the_assumed(tmp_path: Path) -> None:
    """Where results are kept, they count; where not, the assumptions do."""
    kept = tmp_path / "results.json"
    assert assumptions(kept) == Assumptions()
    kept.write_text(json.dumps({"cold": {"rows": {"ingest": {"answer": {"median": 321.0}}}}}))
    assert assumptions(kept) == Assumptions(ingest_cold_milliseconds=321.0)


def test_prices_say_when_and_where_they_held() -> None:
    """A price is worth little without its date and region, and every quota has its source."""
    content = json.loads(Path("benchmarks/prices.json").read_text(encoding="utf-8"))
    assert content["as_of"]
    assert content["region"] == "us-east-1"
    assert all(price > 0 for price in content["prices"].values())
    assert all(quota["source"] for quota in content["quotas"].values())
