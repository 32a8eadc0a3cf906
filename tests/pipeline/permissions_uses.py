"""For each permission the smallest real use that needs it: what is promised without it, and after it is back.

A use does what needs the permission while it is taken away, and sees the promise kept; then it sees that
nothing was lost. Where that takes a while, because something waits, it yields in between.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from functions.core.ledger import BY_STATE
from tests.pipeline.conftest import Pipeline, Reply, eventually, transition
from tests.pipeline.permissions import Permission, Roles
from tests.pipeline.test_senders import FIXTURES, PATHS, alias, post

RETRY_SECONDS: Final = 10
"""For how long a message is hidden that dispatch could not hide itself; as deployed, for twelve minutes."""

UNKNOWN: Final = "0" * 32
"""A delivery that never was."""

INDEX: Final = f"ledger/index/{BY_STATE}"


@dataclass
class Bench:
    """What a use works with.

    Attributes:
        pipeline: The pipeline.
        roles: The deployed roles.
        permission: What the use is of.
        letter: The delivery of a dead letter that only lies there.
        taken: Whether the permission was taken away.
    """

    pipeline: Pipeline
    roles: Roles
    permission: Permission
    letter: str
    taken: bool = False

    @contextmanager
    def without(self) -> Iterator[None]:
        """Take the permission away."""
        with self.roles.without(self.permission):
            self.taken = True
            yield

    def restart(self) -> None:
        """Let the function forget what it knows: it keeps a secret's value for four minutes."""
        client, function = self.pipeline.client("lambda"), self.roles.functions[self.permission.function]
        name = function["FunctionName"]
        client.update_function_configuration(FunctionName=name, MemorySize=function["MemorySize"])
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def attempted(self, delivery: str, **wanted: str) -> None:
        """Wait for an attempt at a delivery that came out like this."""
        eventually(
            lambda: [line for line in self.pipeline.attempts(delivery) if wanted.items() <= line.items()]
        )

    def started_once(self, delivery: str, model: str) -> None:
        """Wait until a delivery is on record as dispatched; its run was started once."""
        eventually(lambda: self.pipeline.runs(model))
        eventually(lambda: self.pipeline.entry(delivery)["state"] == "dispatched")
        assert len(self.pipeline.runs(model)) == 1

    def lies(self, delivery: str) -> bool:
        """Tell whether a delivery's letter is on its queue, hidden or not; only the emulator can say."""
        told = self.pipeline.emulator("sqs/messages?QueueUrl=" + self._dead_letters)
        return delivery in json.dumps(told)

    @property
    def _dead_letters(self) -> str:
        return str(self.pipeline.ready["outputs"]["DeadLetterQueueUrl"])

    def buried(self) -> str:
        """Let GitHub refuse a new delivery, once, and give it when it is a dead letter."""
        model = new_model()
        self.pipeline.github("POST", "faults", {"preset": "unprocessable", "times": 1, "match": model})
        delivery = self.pipeline.send(model, 1)
        eventually(lambda: self.pipeline.dead_letter(delivery))
        return delivery

    def widget(self, **parameters: str) -> str:
        """Ask the console function, as the dashboard does, and give the HTML."""
        return self.pipeline.console("POST", "/widget", json.dumps(parameters).encode(), {}).body.decode()

    @contextmanager
    def impatient_queue(self) -> Iterator[None]:
        """Let the delivery queue bring a message back soon that nobody has hidden or removed."""
        queue, sqs = self.pipeline.ready["outputs"]["QueueUrl"], self.pipeline.client("sqs")
        names: Any = ["VisibilityTimeout"]
        before = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": str(RETRY_SECONDS)})
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes=before)


Use = Callable[[Bench], None]
LongUse = Callable[[Bench], Iterator[None]]


def new_model() -> str:
    """Give a model's name that nothing else uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


def _storing(bench: Bench) -> None:
    """Ingest asks the sender to come again, and takes the event then."""
    model = new_model()
    body = transition(model, 1)
    with bench.without():
        reply = bench.pipeline.post(body)
        assert (reply.status, reply.headers.get("retry-after")) == (503, "30")
    (delivery,) = bench.pipeline.post(body).json()["deliveries"]
    bench.started_once(delivery["id"], model)


def _checking(sender: str) -> LongUse:
    """Make the use of a sender's secret: without it nobody is let in, and nobody is turned away for good."""

    def use(bench: Bench) -> Iterator[None]:
        with bench.without():
            bench.restart()
            reply = _sent(bench.pipeline, sender)
            assert (reply.status, reply.headers.get("retry-after")) == (503, "30")
        yield
        # It leaves Secrets Manager alone for some seconds after a failure.
        eventually(lambda: _sent(bench.pipeline, sender).status in {200, 202})

    return use


def _sent(pipeline: Pipeline, sender: str) -> Reply:
    if sender == "events":
        data = {"model_name": new_model(), "version": 1, "alias": "champion"}
        now = datetime.now(UTC).isoformat()
        return post(pipeline, sender, {"type": "model_version.alias_set", "timestamp": now, "data": data})
    if sender == "mlflow":
        return post(pipeline, sender, alias(new_model(), 1))
    known = next(each["payload"] for each in FIXTURES if PATHS[each["sender"]] == sender)
    return post(pipeline, sender, known)


def _calling(bench: Bench) -> Iterator[None]:
    """Without GitHub's secret nobody is called, and the delivery waits."""
    model = new_model()
    with bench.without():
        bench.restart()
        delivery = bench.pipeline.send(model, 1)
        bench.attempted(delivery, outcome="Wait", reason="secret-unavailable")
        assert bench.pipeline.runs(model) == []
    bench.restart()  # It would leave Secrets Manager alone for some seconds, and put off whatever comes then.
    yield
    bench.started_once(delivery, model)


def _keeping(bench: Bench) -> Iterator[None]:
    """Without the ledger nobody is called, and the delivery waits."""
    model = new_model()
    with bench.without():
        delivery = bench.pipeline.send(model, 1)
        bench.attempted(delivery, outcome="Wait", reason="ledger-unavailable")
        assert bench.pipeline.runs(model) == []
    yield
    bench.started_once(delivery, model)


def _advancing(bench: Bench) -> Iterator[None]:
    """What GitHub did stands and the log says that it is not on record; the next delivery is."""
    model, later = new_model(), new_model()
    with bench.without():
        delivery = bench.pipeline.send(model, 1)
        bench.attempted(delivery, outcome="Dispatched", unsettled="LedgerUnavailable")
        assert bench.pipeline.entry(delivery)["state"] == "claimed"
    yield
    bench.started_once(bench.pipeline.send(later, 1), later)
    assert len(bench.pipeline.runs(model)) == 1


def _looking_up(bench: Bench) -> Iterator[None]:
    """A run that looks failed is not started anew as long as it can't be found out whether it was started."""
    model = new_model()
    fault = {"status": 500, "accept": True, "times": 1, "match": model}
    bench.pipeline.github("POST", "faults", fault)
    with bench.without():
        delivery = bench.pipeline.send(model, 1)
        bench.attempted(delivery, outcome="Wait", reason="ledger-unavailable")
        assert len(bench.pipeline.runs(model)) == 1
    yield
    bench.started_once(delivery, model)


def _hiding(bench: Bench) -> Iterator[None]:
    """A wait that can't be put into effect fails the attempt; the queue's own time-out brings it back."""
    model = new_model()
    fault = {"preset": "rate-limit", "headers": {"retry-after": "1"}, "times": 1, "match": model}
    bench.pipeline.github("POST", "faults", fault)
    with bench.impatient_queue(), bench.without():
        delivery = bench.pipeline.send(model, 1)
        bench.attempted(delivery, outcome="Failed", error="ClientError")
        assert bench.pipeline.runs(model) == []
    yield
    bench.started_once(delivery, model)


def _burying(bench: Bench) -> Iterator[None]:
    """What can't be buried stays on the queue, and is buried later."""
    model = new_model()
    bench.pipeline.github("POST", "faults", {"preset": "unprocessable", "times": 1, "match": model})
    with bench.impatient_queue(), bench.without():
        delivery = bench.pipeline.send(model, 1)
        bench.attempted(delivery, outcome="Failed", error="ClientError")
        assert not bench.lies(delivery)
    yield
    eventually(lambda: bench.lies(delivery))
    assert bench.pipeline.runs(model) == []


def _showing(told: str, works: str, **parameters: str) -> Use:
    """Make the use of what the console reads: it says what fails, and shows it again later."""

    def use(bench: Bench) -> None:
        asked = {name: value or bench.letter for name, value in parameters.items()}
        with bench.without():
            assert f"AWS did not do as it was told ({told})" in bench.widget(**asked)
        assert works in bench.widget(**asked)

    return use


def _replaying(told: str) -> Use:
    """Make the use of what a replay needs before it sends: the letter stays where it is."""

    def use(bench: Bench) -> None:
        delivery = bench.buried()
        with bench.without():
            assert told in bench.widget(action="replay", delivery=delivery)
        assert bench.pipeline.dead_letter(delivery)
        assert bench.pipeline.entry(delivery)["state"] == "dead-lettered"
        assert "1 sent again" in bench.widget(action="replay", delivery=delivery)
        eventually(lambda: bench.pipeline.entry(delivery)["state"] == "dispatched")

    return use


def _removing(bench: Bench) -> None:
    """A letter that was sent and can't be removed is told of, and is not sent a second time."""
    delivery = bench.buried()
    with bench.without():
        told = bench.widget(action="replay", delivery=delivery)
        assert "1 sent, and still there: SQS did not confirm its removal" in told
    eventually(lambda: bench.pipeline.entry(delivery)["state"] == "dispatched")
    eventually(lambda: bench.pipeline.dead_letter(delivery))
    assert "1 removed without sending" in bench.widget(action="replay", delivery=delivery)
    assert bench.pipeline.dead_letter(delivery) is None


def _letting_go(bench: Bench) -> None:
    """Letters that a replay is not about stay hidden for two minutes, and none is lost."""
    delivery = bench.buried()
    assert "Nothing was there to replay" in bench.widget(action="replay", delivery=UNKNOWN)
    assert bench.pipeline.dead_letter(delivery)
    with bench.without():
        assert "Nothing was there to replay" in bench.widget(action="replay", delivery=UNKNOWN)
        assert bench.pipeline.dead_letter(delivery) is None
    assert bench.lies(delivery)


PUT_OFF: Final[Mapping[Permission, LongUse]] = {
    # A restart comes before anything waits that it could interrupt.
    Permission("Dispatch", "secretsmanager:GetSecretValue", "GitHubSecret"): _calling,
    Permission("Dispatch", "dynamodb:Query", INDEX): _looking_up,
    Permission("Dispatch", "dynamodb:GetItem", "ledger"): _keeping,
    Permission("Dispatch", "dynamodb:PutItem", "ledger"): _keeping,
    Permission("Dispatch", "dynamodb:UpdateItem", "ledger"): _advancing,
    Permission("Dispatch", "sqs:ChangeMessageVisibility", "deliveries"): _hiding,
    Permission("Dispatch", "sqs:SendMessage", "dead letters"): _burying,
    Permission("Ingest", "secretsmanager:GetSecretValue", "DatabricksSecret"): _checking("databricks"),
    Permission("Ingest", "secretsmanager:GetSecretValue", "MlflowSecret"): _checking("mlflow"),
    Permission("Ingest", "secretsmanager:GetSecretValue", "EventsSecret"): _checking("events"),
    Permission("Ingest", "secretsmanager:GetSecretValue", "DatabricksJobsSecret"): _checking(
        "databricks-jobs"
    ),
}
"""What has to wait, in the order in which it is begun."""

AT_ONCE: Final[Mapping[Permission, Use]] = {
    Permission("Ingest", "sqs:SendMessage", "deliveries"): _storing,
    Permission("Console", "dynamodb:Query", INDEX): _showing("LedgerUnavailable", "on the queue"),
    Permission("Console", "sqs:GetQueueAttributes", "dead letters"): _showing("ClientError", "on the queue"),
    Permission("Console", "dynamodb:GetItem", "ledger"): _showing(
        "LedgerUnavailable", "dead-lettered", action="show", delivery=""
    ),
    Permission("Console", "dynamodb:PutItem", "ledger"): _replaying("(ClientError)"),
    Permission("Console", "sqs:ReceiveMessage", "dead letters"): _replaying("(ClientError)"),
    Permission("Console", "sqs:SendMessage", "deliveries"): _replaying("1 not sent"),
    Permission("Console", "sqs:DeleteMessage", "dead letters"): _removing,
    # Last, because it hides all letters.
    Permission("Console", "sqs:ChangeMessageVisibility", "dead letters"): _letting_go,
}
"""What is over at once, in order."""

_MAPPING: Final = (
    "Lambda's event source does this in the function's role (AWS Lambda Developer Guide, \"Using Lambda with "
    "Amazon SQS\", execution role permissions); the emulator's does it by itself, without asking IAM."
)
_LOGS: Final = (
    "Lambda writes a function's output to its log group in the function's role (AWS Lambda Developer Guide, "
    '"Sending Lambda function logs to CloudWatch Logs"); the emulator does it by itself, without asking IAM.'
)

EXCUSED: Final[Mapping[Permission, str]] = {
    **{
        Permission("Dispatch", f"sqs:{action}", "deliveries"): _MAPPING
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    },
    **{
        Permission(function, f"logs:{action}", f"{function}Log"): _LOGS
        for function in ("Ingest", "Dispatch", "Console")
        for action in ("CreateLogStream", "PutLogEvents")
    },
}
"""What can't be shown on the embedded AWS, and why."""
