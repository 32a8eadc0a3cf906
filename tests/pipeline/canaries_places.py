"""Everything that the deployed pipeline shows or keeps, as texts, each with the name of its place."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import urllib3
from typer.testing import CliRunner

from modelrelay.cdk import STACK
from modelrelay.cli import app
from tests.pipeline.conftest import Pipeline

Text = tuple[str, str]
"""A place's name, and what stands there."""

_FUNCTION: Final = re.compile(r"(Ingest|Dispatch|Console|Access)[A-Za-z]*Log")


def everywhere(pipeline: Pipeline) -> Iterator[Text]:
    """Give all that is cheap to read."""
    yield from logs(pipeline)
    yield from queues(pipeline)
    yield from ledger(pipeline)
    yield from github(pipeline)
    yield from console(pipeline)


def logs(pipeline: Pipeline) -> Iterator[Text]:
    """Give what was ever logged, the metrics' lines apart."""
    lines: dict[str, list[str]] = {}
    for group, message in pipeline.messages():
        name = _FUNCTION.search(group)
        place = "metrics" if '"_aws"' in message else f"log {name[1] if name else group}"
        lines.setdefault(place, []).append(message)
    for place, messages in lines.items():
        yield place, "\n".join(messages)


def queues(pipeline: Pipeline) -> Iterator[Text]:
    """Give both queues' settings, and every message with its attributes, whether or not it is in flight."""
    sqs, outputs = pipeline.client("sqs"), pipeline.ready["outputs"]
    for output in ("QueueUrl", "DeadLetterQueueUrl"):
        answer = sqs.get_queue_attributes(QueueUrl=outputs[output], AttributeNames=["All"])
        tags = sqs.list_queue_tags(QueueUrl=outputs[output]).get("Tags", {})
        yield "queue settings", json.dumps([answer["Attributes"], tags])
    for queue, message in messages(pipeline):
        body, rest = _apart(message)
        yield f"{queue} body", body
        yield f"{queue} attributes", json.dumps(rest, default=str)


def messages(pipeline: Pipeline) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each message of the two queues as the embedded AWS keeps it, with its queue's name."""
    with urllib3.PoolManager(ca_certs=pipeline.ready.get("ca_bundle")) as pool:
        answer = pool.request("GET", f"{pipeline.ready['aws_endpoint_url']}/_ministack/sqs/messages")
    for accounts in answer.json()["messages"].values():
        for regions in accounts.values():
            for url, found in regions.items():
                for message in found:
                    yield "dead letter" if "DeadLetter" in url else "delivery", message


def _apart(message: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give a message's body, and what is written beside it, without the body's own copies or digests."""
    keys = {key.lower(): key for key in message}
    rest = {name: message[key] for name, key in keys.items() if name != "body"}
    return str(message[keys["body"]]), rest


def ledger(pipeline: Pipeline) -> Iterator[Text]:
    """Give every item, with all of its attributes."""
    pages = pipeline.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=pipeline.ready["outputs"]["LedgerTableName"]):
        yield "ledger", json.dumps(page["Items"], default=str)


def github(pipeline: Pipeline) -> Iterator[Text]:
    """Give what GitHub got: addresses, and bodies."""
    for each in pipeline.github("GET", "requests"):
        yield "GitHub address", f"{each['method']} {each['path']}?{each['query']}"
        yield "GitHub body", json.dumps(each["body"])


def console(pipeline: Pipeline, delivery: str = "") -> Iterator[Text]:
    """Give the dashboard's HTML: the overview, or a delivery's story."""
    asked = {"action": "show", "delivery": delivery} if delivery else {}
    reply = pipeline.console("POST", "/widget", json.dumps(asked).encode(), {})
    assert reply.status == 200, reply
    yield "console", reply.body.decode()


def deployed(pipeline: Pipeline) -> Iterator[Text]:
    """Give what the deployment left behind: template, outputs, environments, alarms, secrets' names."""
    stack = pipeline.client("cloudformation")
    yield "template", json.dumps(stack.get_template(StackName=STACK)["TemplateBody"])
    yield "outputs", json.dumps(stack.describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"])
    for function in pipeline.client("lambda").list_functions()["Functions"]:
        yield "environment", json.dumps(function["Environment"])
        yield "function", json.dumps(function, default=str)
    yield (
        "secret list",
        json.dumps(pipeline.client("secretsmanager").list_secrets()["SecretList"], default=str),
    )
    yield "alarms", json.dumps(pipeline.client("cloudwatch").describe_alarms()["MetricAlarms"], default=str)


def bundles(pipeline: Pipeline) -> Iterator[Text]:
    """Give each file of ours, or of whoever else's, in what was uploaded: the functions, the template."""
    s3 = pipeline.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        for listed in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            content = s3.get_object(Bucket=bucket["Name"], Key=listed["Key"])["Body"].read()
            if not listed["Key"].endswith(".zip"):
                yield f"asset {listed['Key']}", content.decode("latin-1")
                continue
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    yield f"bundle {name}", archive.read(name).decode("latin-1")


class Commands:
    """The operator's commands, run in this process: each costs a second of start-up in one of its own."""

    def __init__(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        aws = {
            "AWS_ENDPOINT_URL": pipeline.ready["aws_endpoint_url"],
            "AWS_REGION": pipeline.ready["region"],
            "AWS_DEFAULT_REGION": pipeline.ready["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CA_BUNDLE": pipeline.ready.get("ca_bundle", ""),
        }
        for name, value in aws.items():
            if value:
                monkeypatch.setenv(name, value)
        monkeypatch.delenv("GITHUB_TOKEN", raising=False)

    def __call__(self, *arguments: str, given: str | None = None, status: int | None = 0) -> str:
        """Run a command that must end with a status, if one is given, and give all that it printed."""
        done = CliRunner().invoke(app, list(arguments), input=given)
        said = f"{done.output} {done.exception or ''}"
        assert status in {None, done.exit_code}, (arguments, said)
        return said

    def both(self, place: str, *arguments: str, given: str | None = None) -> Iterator[Text]:
        """Run a command for people and for programs."""
        yield place, self(*arguments, given=given)
        yield place, self(*arguments, "--json", given=given)
