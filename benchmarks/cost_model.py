"""From counts to money: what a month costs, item by item, ours and two others' ways.

Every number that is neither counted (`cost_count`), measured (`results.json`) nor a list price
(`prices.json`) is in `Assumptions`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.cost_count import Counts

PRICES_FILE: Final = Path(__file__).with_name("prices.json")
RESULTS_FILE: Final = Path(__file__).with_name("results.json")
HOURS: Final = 730
"""Hours of a month, as AWS bills it."""

MONTH_SECONDS: Final = HOURS * 3600
PER_CREDENTIAL: Final = 500 * HOURS
"""Dispatches that GitHub lets one credential make in a month, if each creates content."""

KEPT_MONTHS: Final = 3
_GB: Final = 10**9
_POLLS_A_MINUTE: Final = 3
"""A long poll takes 20 s."""

Bill = dict[str, float]
"""A month's dollars by item."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody counts here.

    Attributes:
        memory_gb: The functions' memory (`infra/function.py`).
        ingest_milliseconds: A warm run of ingest under Lambda, with its call to SQS.
        ingest_cold_milliseconds: The start of a new copy, which is billed too; replaced by what was measured.
        dispatch_cold_milliseconds: Likewise.
        idle_seconds: After so long without a request a copy is gone.
        pollers: How many long polls Lambda keeps open on a queue whose source has a maximum concurrency
            ("Configuring scaling behavior for SQS event source mappings": five at low traffic).
        platform_log_bytes: Lambda's own lines for one invocation.
        access_log_bytes: The API's line for one request.
        secrets: A sender's and GitHub's.
        secret_reads: Reads at a copy's start and every four minutes: two of ingest's, one of dispatch's.
        secret_seconds: How long a secret's value is kept.
        metrics: The functions' own, with those by reason that usually occur.
        alarms: Alarms of one metric each.
        composite_alarms: Alarms made of others.
        bytes_out: What goes to GitHub for one dispatch, TLS included.
        peak: How many times the average the busiest second is.
        container_gb: Memory of the container.
        container_vcpu: Its share of a processor.
    """

    memory_gb: float = 0.5
    ingest_milliseconds: float = 15.0
    ingest_cold_milliseconds: float = 1_000.0
    dispatch_cold_milliseconds: float = 1_200.0
    idle_seconds: float = 600.0
    pollers: int = 5
    platform_log_bytes: int = 600
    access_log_bytes: int = 300
    secrets: int = 2
    secret_reads: int = 3
    secret_seconds: float = 240.0
    metrics: int = 20
    alarms: int = 19
    composite_alarms: int = 2
    bytes_out: int = 6_000
    peak: float = 10.0
    container_gb: float = 0.5
    container_vcpu: float = 0.25


@dataclass(frozen=True, slots=True)
class Tariff:
    """The list prices and quotas of `prices.json`."""

    prices: Mapping[str, float]
    quotas: Mapping[str, Mapping[str, Any]]
    as_of: str
    region: str


def tariff(path: Path = PRICES_FILE) -> Tariff:
    """Read the prices."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Tariff(content["prices"], content["quotas"], content["as_of"], content["region"])


def assumptions(path: Path = RESULTS_FILE) -> Assumptions:
    """Give the assumptions, with cold starts as they were measured where they were."""
    measured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = measured.get("cold", {}).get("rows", {})
    usual = Assumptions()
    return replace(
        usual,
        ingest_cold_milliseconds=_median(rows, "ingest", usual.ingest_cold_milliseconds),
        dispatch_cold_milliseconds=_median(rows, "dispatch", usual.dispatch_cold_milliseconds),
    )


def _median(rows: Mapping[str, Any], name: str, otherwise: float) -> float:
    return float(rows[name]["answer"]["median"]) if name in rows else otherwise


def stacks(events: float) -> int:
    """Give how many credentials so many dispatches a month need, each with a stack of its own."""
    return max(1, math.ceil(events / PER_CREDENTIAL))


def cold_share(events: float, idle_seconds: float) -> float:
    """Give how many of a copy's requests find it gone, where requests come by chance at an average rate."""
    return math.exp(-events / MONTH_SECONDS * idle_seconds)


def ours(events: float, counts: Counts, assumed: Assumptions, prices: Mapping[str, float]) -> Bill:
    """Give a month of ours: as many stacks as GitHub's limit makes of it, each with its share of events."""
    number = stacks(events)
    share = events / number
    bill = _front(share, counts, assumed, prices) | _watching(assumed, prices)
    runs = share * counts.receives
    cold = cold_share(share, assumed.idle_seconds) * share * assumed.dispatch_cold_milliseconds
    bill["Lambda"] += runs * prices["lambda_request"]
    bill["Lambda"] += _compute(share * counts.milliseconds + cold, assumed, prices)
    bill["SQS"] += (runs + share + share * counts.waits) * prices["sqs_fifo_request"]
    bill["DynamoDB"] = _ledger(share, counts, prices)
    bill["logs"] += _logs(share * counts.dispatch_log_bytes + runs * assumed.platform_log_bytes, prices)
    bill["transfer"] = share * assumed.bytes_out / _GB * prices["transfer_out_gb"]
    return {item: number * dollars for item, dollars in bill.items()}


def pipes(events: float, counts: Counts, assumed: Assumptions, prices: Mapping[str, float]) -> Bill:
    """Give a month of the same API, check and queue in front of an EventBridge pipe to an API destination.

    It has no ledger, no gate and no order across tries; a pipe is charged for each request to its target.
    """
    bill = _front(events, counts, assumed, prices)
    bill["SQS"] += 2 * events * prices["sqs_fifo_request"]
    bill["EventBridge"] = events * (prices["pipe_request"] + prices["api_destination_request"])
    bill["watching"] = 2 * prices["alarm_metric_month"]
    bill["transfer"] = events * assumed.bytes_out / _GB * prices["transfer_out_gb"]
    return bill


def container(events: float, counts: Counts, assumed: Assumptions, prices: Mapping[str, float]) -> Bill:
    """Give a month of one small container behind a load balancer, and what it writes into its log.

    One that fails takes everything with it that it has not stored; a second one would double the first item.
    """
    hourly = (
        assumed.container_vcpu * prices["fargate_arm_vcpu_hour"]
        + assumed.container_gb * prices["fargate_arm_gb_hour"]
    )
    balancer = prices["load_balancer_hour"] + prices["load_balancer_unit_hour"]
    lines = events * (counts.ingest_log_bytes + counts.dispatch_log_bytes)
    return {
        "container": HOURS * hourly,
        "load balancer": HOURS * (balancer + 3 * prices["public_address_hour"]),
        "secrets": assumed.secrets * prices["secret_month"],
        "logs": _logs(lines, prices),
        "watching": 2 * prices["alarm_metric_month"],
        "transfer": events * assumed.bytes_out / _GB * prices["transfer_out_gb"],
    }


def loads(events: float, counts: Counts, assumed: Assumptions) -> dict[str, float]:
    """Give what the quotas limit in the busiest second; GitHub's is the average: the queue evens it out."""
    average = events / MONTH_SECONDS
    busiest = average * assumed.peak
    return {
        "dispatches": average,
        "requests": busiest,
        "requests_of_a_stack": busiest / stacks(events),
        "ingest_seconds": busiest * assumed.ingest_milliseconds / 1000,
        "gate_units": average / stacks(events) * counts.gate_writes,
        "secret_reads": min(busiest, busiest * assumed.secret_reads / assumed.secret_seconds),
    }


def nearest(events: float, counts: Counts, assumed: Assumptions, charges: Tariff) -> list[tuple[str, float]]:
    """Give the quotas with the part of each that is used, the fullest first."""
    load = loads(events, counts, assumed)
    used = [(name, load[quota["load"]] / quota["per_second"]) for name, quota in charges.quotas.items()]
    return sorted(used, key=lambda each: -each[1])


def _front(events: float, counts: Counts, assumed: Assumptions, prices: Mapping[str, float]) -> Bill:
    """Give what takes and stores a webhook: the API, ingest, the queue with its polls, the secrets."""
    cold = cold_share(events, assumed.idle_seconds) * events * assumed.ingest_cold_milliseconds
    polls = assumed.pollers * _POLLS_A_MINUTE * 60 * HOURS
    reads = assumed.secret_reads * min(events, MONTH_SECONDS / assumed.secret_seconds)
    lines = counts.ingest_log_bytes + assumed.platform_log_bytes + assumed.access_log_bytes
    return {
        "API": events * prices["http_api_request"],
        "Lambda": events * prices["lambda_request"]
        + _compute(events * assumed.ingest_milliseconds + cold, assumed, prices),
        "SQS": (polls + events) * prices["sqs_fifo_request"],
        "secrets": assumed.secrets * prices["secret_month"] + reads * prices["secret_call"],
        "logs": _logs(events * lines, prices),
    }


def _watching(assumed: Assumptions, prices: Mapping[str, float]) -> Bill:
    alarms = assumed.alarms * prices["alarm_metric_month"]
    composite = assumed.composite_alarms * prices["composite_alarm_month"]
    metrics = assumed.metrics * prices["metric_month"]
    return {"watching": alarms + composite + metrics + prices["dashboard_month"]}


def _compute(milliseconds: float, assumed: Assumptions, prices: Mapping[str, float]) -> float:
    return milliseconds / 1000 * assumed.memory_gb * prices["lambda_arm_gb_second"]


def _ledger(events: float, counts: Counts, prices: Mapping[str, float]) -> float:
    """Give requests and storage: an item lies in the table, its backup and two indexes for 90 days."""
    requests = events * (
        counts.writes * prices["dynamodb_write_unit"] + counts.reads * prices["dynamodb_read_unit"]
    )
    kept = events * KEPT_MONTHS * counts.item_bytes / _GB
    return requests + kept * (3 * prices["dynamodb_gb_month"] + prices["dynamodb_recovery_gb_month"])


def _logs(size: float, prices: Mapping[str, float]) -> float:
    """Give what so many bytes of log a month cost, taken in and kept for three months."""
    return size / _GB * (prices["logs_gb"] + KEPT_MONTHS * prices["logs_stored_gb_month"])
