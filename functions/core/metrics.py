"""The numbers that alarms and graphs read, in CloudWatch's embedded metric format (EMF).

A function prints a line of JSON, and CloudWatch takes the numbers out of its log: counting costs no call
and needs no permission. The line is written here and not by Powertools' `Metrics`, which puts all numbers
of a line under the same dimensions: every number would be kept, and paid for, once more for each reason.

Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final

NAMESPACE_VARIABLE: Final = "POWERTOOLS_METRICS_NAMESPACE"
"""The environment variable in which the stack tells its functions where their metrics belong."""

SERVICE: Final = "service"
INGEST: Final = "ingest"
DISPATCH: Final = "dispatch"

Dimensions = tuple[tuple[str, ...], ...]
"""Sets of members of the line: CloudWatch keeps a number once for each set."""

TOTAL: Final[Dimensions] = ((SERVICE,),)
PER_REASON: Final[Dimensions] = ((SERVICE,), (SERVICE, "reason"))

_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

logger = logging.getLogger(__name__)


class Metric(Enum):
    """Every metric: its name in CloudWatch, who writes it, its unit, and whether reasons are told apart."""

    # A request is received, and then one of the others.
    RECEIVED = ("Received", INGEST, "Count")
    REJECTED = ("Rejected", INGEST, "Count", PER_REASON)
    IGNORED = ("Ignored", INGEST, "Count", PER_REASON)
    QUEUED = ("Queued", INGEST, "Count")  # deliveries: as many as routes want the event

    # An attempt ends in one of these.
    DISPATCHED = ("Dispatched", DISPATCH, "Count")
    DEFERRED = ("Deferred", DISPATCH, "Count", PER_REASON)
    DEAD_LETTERED = ("DeadLettered", DISPATCH, "Count", PER_REASON)
    DUPLICATE = ("Duplicate", DISPATCH, "Count")
    SUPERSEDED = ("Superseded", DISPATCH, "Count")
    FAILED = ("Failed", DISPATCH, "Count")

    # What else an attempt shows.
    UNKNOWN = ("Unknown", DISPATCH, "Count")  # GitHub may have started a run, and did not say so
    REDIRECTED = ("Redirected", DISPATCH, "Count")
    CREDENTIAL_WAITS = ("CredentialWaits", DISPATCH, "Count")  # deferrals for a reason `credential-…`
    WAIT_AGE = ("WaitAgeSeconds", DISPATCH, "Seconds")  # how old a delivery is that is deferred
    END_TO_END = ("EndToEndSeconds", DISPATCH, "Seconds")  # from the event's own time to its dispatch
    GITHUB_LATENCY = ("GitHubMilliseconds", DISPATCH, "Milliseconds")
    REMAINING_QUOTA = ("RemainingQuota", DISPATCH, "Count")

    def __init__(self, title: str, service: str, unit: str, dimensions: Dimensions = TOTAL) -> None:
        self.title = title
        self.service = service
        self.unit = unit
        self.dimensions = dimensions


def _write(line: str) -> None:
    """Print a line at one go: `print` writes the end of the line by itself, and Lambda flushes each time."""
    sys.stdout.write(f"{line}\n")


class Meter:
    """Writes the metrics of one function.

    Args:
        service: The function, as the dimension `service`.
        namespace: The stack's name.
        emit: Writes a line to where Lambda collects the log.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        service: str,
        namespace: str,
        emit: Callable[[str], object] = _write,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._namespace = namespace
        self._emit = emit
        self._clock = clock

    def record(self, values: Mapping[Metric, float], reason: str = "") -> None:
        """Write one line. Never fails: a number that is lost must not lose an event.

        Args:
            values: At least one number.
            reason: One of our own fixed words. Each is a metric to pay for, so never anything from outside.
        """
        try:
            self._emit(self._line(values, reason))
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("metrics-failed: %s", type(error).__name__)

    def _line(self, values: Mapping[Metric, float], reason: str) -> str:
        if not (self._namespace and values):
            raise ValueError  # CloudWatch would drop the line and say so only in a metric of its own.
        directives = _directives(self._namespace, tuple(values), bool(reason))
        line = {
            "_aws": {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": directives},
            SERVICE: self._service,
            **({"reason": reason} if reason else {}),
            **{metric.title: float(value) for metric, value in values.items()},  # `true` is no number
        }
        return _ENCODER.encode(line)


@lru_cache(maxsize=64)
def _directives(namespace: str, metrics: tuple[Metric, ...], has_reason: bool) -> list[dict[str, Any]]:  # noqa: FBT001 - cached by position
    """Tell CloudWatch what the numbers of a line are. A function has few kinds of lines."""
    groups: dict[Dimensions, list[Metric]] = {}
    for metric in metrics:
        groups.setdefault(metric.dimensions if has_reason else TOTAL, []).append(metric)
    return [
        {
            "Namespace": namespace,
            "Dimensions": dimensions,
            "Metrics": [{"Name": metric.title, "Unit": metric.unit} for metric in group],
        }
        for dimensions, group in groups.items()
    ]
