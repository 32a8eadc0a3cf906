"""What one delivery costs in calls, units, bytes and milliseconds, counted while the real code runs.

DynamoDB's units follow its Developer Guide ("DynamoDB on-demand capacity mode", "Using Global Secondary
Indexes", "DynamoDB transactions"): a write is a unit for each KB begun; each index that holds the item costs
as much again, and twice where the index's key changes; a transaction doubles the table's part. A consistent
read is a unit for each 4 KB begun. A refused write costs like one that was not.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aws_lambda_powertools import Logger

from benchmarks import samples
from benchmarks.drain_ours import Drain
from benchmarks.drain_queue import GroupedSQS
from benchmarks.drain_scene import Outcome, Scene
from functions.core.ledger import BY_MODEL, BY_STATE
from functions.core.metrics import INGEST, Meter
from functions.ingest.http import Request, Response
from tests.simulation.plan import Plan
from tests.simulation.tables import INDEXES
from tests.simulation.wiring import WEBHOOK_SECRET, Outside, Wiring

_KB: Final = 1024
_READ_BYTES: Final = 4 * _KB
_LOG_EVENT_BYTES: Final = 26
"""What CloudWatch Logs adds to each line."""

_LATER_SECONDS: Final = 3600.0
_NUMBERS: Final = itertools.count()

assert set(INDEXES) == {BY_MODEL, BY_STATE}  # noqa: S101 - the simulation's indexes are the ledger's

Item = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Counts:
    """What one delivery costs on the average, beside its request to the API and its run of ingest.

    Attributes:
        receives: Messages received, which is dispatch's invocations too: a batch is one message.
        waits: Visibility changes.
        writes: DynamoDB's write units.
        reads: Its read units.
        gate_writes: Those of `writes` that change the gate's item.
        item_bytes: The size of the ledger's item in the end.
        ingest_log_bytes: What ingest writes into its log, the line of metrics included.
        dispatch_log_bytes: What dispatch writes.
        milliseconds: How long dispatch runs, all invocations together.
    """

    receives: float
    waits: float
    writes: float
    reads: float
    gate_writes: float
    item_bytes: float
    ingest_log_bytes: float
    dispatch_log_bytes: float
    milliseconds: float


def counted(scene: Scene) -> Counts:
    """Let a backlog drain, with the delivery of one webhook in it, and give what one delivery costs."""
    drain = MeteredDrain(scene)
    outcome = drain.run()
    each = 1 / len(outcome.runs)  # that of the webhook included
    units, made = drain.units, outcome.made
    return Counts(
        receives=outcome.receives * each,
        waits=made["change_message_visibility"] * each,
        writes=units["writes"] * each,
        reads=units["reads"] * each,
        gate_writes=units["gate writes"] * each,
        item_bytes=drain.item_bytes(),
        ingest_log_bytes=drain.ingest_bytes(),
        dispatch_log_bytes=drain.log_bytes * each,
        milliseconds=drain.milliseconds * each,
    )


class MeteredDrain(Drain):
    """A drain whose calls to DynamoDB and whose log lines are measured.

    Attributes:
        units: DynamoDB's units.
        log_bytes: The bytes of dispatch's log.
        milliseconds: The time of its attempts.
    """

    def __init__(self, scene: Scene) -> None:
        self.units: Counter[str] = Counter()
        self.log_bytes = 0
        self.milliseconds = 0.0
        self._written: dict[str, Item] = {}
        self._lines = Lines("dispatch")
        self._ingest: Callable[[Any, Any], Any] | None = None
        self._answers: list[Response] = []
        super().__init__(scene)

    def outside(self, plan: Plan, sqs: GroupedSQS) -> Outside:
        """Make what a stack's function is handed, and look over its shoulder."""
        plain = super().outside(plan, sqs)
        plain.secrets.keep(WEBHOOK_SECRET, samples.SECRET)
        self._ingest = Wiring(plan, plain).ingest()

        def log(message: str, **fields: Any) -> None:
            plain.log(message, **fields)
            self.log_bytes += self._lines.measure(message, fields)
            self.milliseconds += float(fields.get("milliseconds", 0))

        def emit(line: str) -> None:
            self.log_bytes += len(line) + _LOG_EVENT_BYTES

        metered = MeteredDynamoDB(plain.dynamodb, self.units, self._written)
        return replace(plain, dynamodb=metered, log=log, emit=emit)

    def run(self) -> Outcome:
        """Let the backlog drain; an hour later ingest takes one webhook more."""
        self.scheduler.spawn("ingest", self._take_one, delay=_LATER_SECONDS)
        return super().run()

    def item_bytes(self) -> float:
        """Give the mean size of the ledger's items: the gate and the slots are few or small."""
        sizes = [size(item) for key, item in self._written.items() if "#" not in key]
        return sum(sizes) / len(sizes)

    def ingest_bytes(self) -> int:
        """Give what ingest logs of a webhook that it has stored, with the metrics."""
        response = self._answers[0]
        facts = {"method": "POST", "path": "/databricks", "status": response.status, **response.facts}
        lines: list[str] = []
        Meter(INGEST, "ModelRelay", lines.append).record(response.counts, response.reason)
        return Lines(INGEST).measure("request", facts) + sum(len(each) + _LOG_EVENT_BYTES for each in lines)

    def _take_one(self) -> None:
        assert self._ingest  # noqa: S101 - tells the type checker
        event = samples.request(samples.body(samples.SMALL_BYTES))
        self._answers.append(self._ingest(Request.from_api_gateway(event, samples.LARGE_BYTES), None))


class Lines:
    """Log lines as the functions' logger writes them under Lambda."""

    def __init__(self, service: str) -> None:
        self._buffer = io.StringIO()
        name = f"{service} {next(_NUMBERS):03}"  # Of one name there is one logger, and it keeps its stream.
        self._logger = Logger(service=name, stream=self._buffer, level="INFO")
        self._logger.append_keys(
            cold_start=False,
            function_name="ModelRelay-Dispatch12345678-abcdefghijkl",
            function_memory_size="512",
            function_arn="arn:aws:lambda:us-east-1:111122223333:function:ModelRelay-Dispatch12345678-abcdefghijkl",
            function_request_id="00000000-0000-0000-0000-000000000000",
        )

    def measure(self, message: str, fields: Mapping[str, Any]) -> int:
        """Give what a line counts in CloudWatch Logs."""
        self._buffer.seek(0)
        self._buffer.truncate()
        self._logger.info(message, **json.loads(json.dumps(fields, default=str)))
        return len(self._buffer.getvalue().encode()) + _LOG_EVENT_BYTES


class MeteredDynamoDB:
    """A client that counts units and passes everything on."""

    def __init__(self, client: Any, units: Counter[str], written: dict[str, Item]) -> None:
        self._client = client
        self._units = units
        self._written = written
        self.exceptions = client.exceptions

    def get_item(self, **parameters: Any) -> Any:
        """Read an item, consistently."""
        answer = self._client.get_item(**parameters)
        self._units["reads"] += max(1, math.ceil(size(answer.get("Item", {})) / _READ_BYTES))
        return answer

    def put_item(self, **parameters: Any) -> Any:
        """Write an item."""
        item = parameters["Item"]
        self._count(item, 1)
        answer = self._client.put_item(**parameters)
        self._written[item["id"]["S"]] = item
        return answer

    def transact_write_items(self, **parameters: Any) -> Any:
        """Write an item and advance its slot, which is smaller than a KB."""
        put = parameters["TransactItems"][0]["Put"]["Item"]
        self._count(put, 2)
        self._units["writes"] += 2 * (len(parameters["TransactItems"]) - 1)
        answer = self._client.transact_write_items(**parameters)
        self._written[put["id"]["S"]] = put
        return answer

    def _count(self, item: Item, times: int) -> None:
        units = write_units(self._written.get(item["id"]["S"]), item, times)
        self._units["writes"] += units
        if "gate" in item:
            self._units["gate writes"] += units


def write_units(old: Item | None, new: Item, times: int = 1) -> int:
    """Give the write units of putting an item in the place of another.

    Args:
        old: What stands there, if anything does.
        new: What is to stand there.
        times: 2 in a transaction.
    """
    units = times * max(_kilobytes(new), _kilobytes(old or {}))
    for key in INDEXES.values():
        before, after = (_place(item, key) for item in (old or {}, new))
        if before == after:
            units += _kilobytes(new) if after else 0
        else:
            units += (_kilobytes(old or {}) if before else 0) + (_kilobytes(new) if after else 0)
    return units


def size(item: Item) -> int:
    """Give an item's bytes: names and texts by their UTF-8, numbers by two digits a byte and one more."""
    return sum(len(name.encode()) + _value_size(*next(iter(value.items()))) for name, value in item.items())


def _value_size(kind: str, value: str) -> int:
    return len(value.encode()) if kind == "S" else math.ceil(len(value.strip("-").replace(".", "")) / 2) + 1


def _kilobytes(item: Item) -> int:
    return math.ceil(size(item) / _KB)


def _place(item: Item, key: tuple[str, str]) -> tuple[str, ...]:
    """Give where an index holds an item; empty where it does not."""
    if not all(name in item for name in key):
        return ()
    return tuple(next(iter(item[name].values())) for name in key)
