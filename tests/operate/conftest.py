"""A stack on an embedded AWS with what operators look at: two queues and a ledger, and no functions."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from functions.core.delivery import Delivery
from functions.core.ledger import BY_MODEL, BY_STATE, Entry, Ledger, State
from modelrelay.cdk import ROOT
from modelrelay.cli import app
from modelrelay.local.emulator import Emulator

_NUMBERS = itertools.count(1)
_FIFO = {"FifoQueue": True, "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}


@dataclass(frozen=True)
class Deployed:
    """A deployed stack.

    Attributes:
        name: The stack's.
        cloud: The AWS that it is deployed to.
        outputs: The stack's outputs.
    """

    name: str
    cloud: Emulator
    outputs: dict[str, str]

    @property
    def sqs(self) -> Any:
        """A client of its SQS."""
        return self.cloud.client("sqs")

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return Ledger(self.cloud.client("dynamodb"), self.outputs["LedgerTableName"])

    def bury(self, delivery: Delivery, reason: str = "github-not-found", **attributes: str) -> None:
        """Make a delivery a dead letter, as dispatch does it; "" for a reason as SQS does it."""
        given = {"reason": reason, "detail": "Not Found.", "status": "404", **attributes} if reason else {}
        self.bury_text(delivery.to_message(), delivery.group, **given)

    def bury_text(self, body: str, group: str = "unknown", **attributes: str) -> None:
        """Make any text a dead letter."""
        self.sqs.send_message(
            QueueUrl=self.outputs["DeadLetterQueueUrl"],
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=f"letter-{next(_NUMBERS)}",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    def know(self, delivery: Delivery, state: State, now: float | None = None, **fields: Any) -> None:
        """Write into the ledger how a delivery stands."""
        entry = self.ledger.get(delivery.id)
        written = Entry(state=state, revision=entry.revision, holder="test", **fields)
        self.ledger.move(delivery, written, time.time() if now is None else now)

    def counts(self, output: str = "DeadLetterQueueUrl") -> tuple[int, int]:
        """Count a queue's messages: those that can be received, and those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=names)
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return visible, hidden

    def drain(self, output: str = "QueueUrl") -> list[Any]:
        """Take everything off a queue, in its order."""
        url, found = self.outputs[output], []
        while messages := self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            for message in messages:
                found.append(message)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def cli(self, *arguments: str, given: str | None = None) -> Any:
        """Run a command in this process."""
        return CliRunner().invoke(app, [*arguments, "--stack", self.name], input=given)

    def process(self, *arguments: str) -> subprocess.Popen[str]:
        """Run a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "modelrelay", *arguments, "--stack", self.name],
            cwd=ROOT,
            env=self.cloud.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An embedded AWS for all tests of this folder."""
    emulator = Emulator(tmp_path_factory.mktemp("cloud"))
    try:
        emulator.wait_until_ready()
        yield emulator
    finally:
        emulator.stop()


@pytest.fixture
def deployed(cloud: Emulator, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A new stack with empty queues and an empty ledger, to which this process's AWS settings lead."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in cloud.environment.items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            monkeypatch.setenv(name, value)
    stack = f"Relay{next(_NUMBERS)}"
    client = cloud.client("cloudformation")
    client.create_stack(StackName=stack, TemplateBody=json.dumps(_template(stack)))
    client.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    outputs = client.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return Deployed(stack, cloud, {each["OutputKey"]: each["OutputValue"] for each in outputs})


def _template(stack: str) -> dict[str, Any]:
    types = {"id": "S", "model": "S", "accepted_at": "N", "state": "S", "updated_at": "N"}
    table = {
        "TableName": f"{stack}-Ledger",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": type_} for name, type_ in types.items()
        ],
        "GlobalSecondaryIndexes": [
            _index(BY_MODEL, "model", "accepted_at"),
            _index(BY_STATE, "state", "updated_at"),
        ],
    }
    queues = {"Deliveries": "deliveries", "DeadLetters": "dead-letters"}
    return {
        "Resources": {
            "Ledger": {"Type": "AWS::DynamoDB::Table", "Properties": table},
            **{
                name: {
                    "Type": "AWS::SQS::Queue",
                    "Properties": {**_FIFO, "QueueName": f"{stack}-{suffix}.fifo"},
                }
                for name, suffix in queues.items()
            },
        },
        "Outputs": {
            "QueueUrl": {"Value": {"Ref": "Deliveries"}},
            "DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetters"}},
            "LedgerTableName": {"Value": {"Ref": "Ledger"}},
        },
    }


def _index(name: str, key: str, order: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": key, "KeyType": "HASH"},
            {"AttributeName": order, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
