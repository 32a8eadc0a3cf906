"""The pipeline, run once by the command that people use, and what tests need to talk to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3

from modelrelay.cdk import ROOT
from tests.conftest import STRICT, pipeline_of

START_SECONDS = 240
ROUTES: list[dict[str, Any]] = [
    {"name": "default"},
    {
        "name": "jobs",
        "events": ["jobs.on_failure"],
        "target": {"workflow_id": "notify.yml"},
        "inputs": {"model_name": "${job_name}", "run_id": "${run_id}"},
    },
    {
        "name": "promoted",
        "models": ["event-*"],
        "target": {
            "type": "repository_dispatch",
            "event_type": "promoted",
            "client_payload": {
                "model_name": "${model_name}",
                "details": {"version": "${version}", "stages": ["${from_stage}", "${to_stage}"]},
                "delivery_id": "${delivery_id}",
            },
        },
    },
    {
        "name": "second",
        "models": ["both-*"],
        "target": {"owner": "another-organisation", "repository": "others"},
    },
]
"""The default route, as it is without a configuration, and others that only certain models come to."""

HTTP = urllib3.PoolManager(retries=False)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Pipeline:
    """The running pipeline, as its ready file describes it, and the process that runs it."""

    ready: Mapping[str, Any]
    pid: int

    @property
    def secret(self) -> str:
        """The secret that Databricks' webhooks are signed with."""
        return str(self.ready["webhook_secrets"]["databricks"])

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Post a body to Databricks' path, signed unless headers are given."""
        return self.request("POST", "/databricks", body, self.signed(body) if headers is None else headers)

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send any request to ingest."""
        answer = HTTP.request(
            method, self.ready["ingest_url"] + path, body=body, headers=headers, timeout=30.0
        )
        lower = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status, lower, answer.data)

    def console(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send any request to the local console."""
        url = self.ready["console_url"] + path
        answer = HTTP.request(method, url, body=body, headers=headers, timeout=30.0)
        return Reply(answer.status, {}, answer.data)

    def signed(self, body: bytes) -> dict[str, str]:
        """Give the headers that Databricks sends."""
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "X-Databricks-Signature": digest}

    def send(self, model: str, version: int, **fields: Any) -> str:
        """Send a stage transition and give the delivery's id."""
        reply = self.post(transition(model, version, **fields))
        assert reply.status == 202, reply
        (delivery,) = reply.json()["deliveries"]
        return str(delivery["id"])

    def client(self, service: Any) -> Any:
        """Give the AWS client, which is made once."""
        ready = self.ready
        return aws_client(service, ready["aws_endpoint_url"], ready["region"], ready.get("ca_bundle"))

    def cli(self, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the operator's command line against the pipeline, as a person does; `given` is piped in."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GITHUB_"))}
        aws = {
            "AWS_ENDPOINT_URL": self.ready["aws_endpoint_url"],
            "AWS_REGION": self.ready["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        if "ca_bundle" in self.ready:
            aws["AWS_CA_BUNDLE"] = self.ready["ca_bundle"]
        line = [sys.executable, "-m", "modelrelay", *arguments]
        return subprocess.run(
            line,
            cwd=ROOT,
            env=kept | aws | environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def github(self, method: str, path: str, content: Any = None) -> Any:
        """Call the simulator's own interface."""
        url = f"{self.ready['github_api_url']}/_simulator/{path}"
        body = None if content is None else json.dumps(content)
        answer = HTTP.request(
            method, url, body=body, headers={"Content-Type": "application/json"}, timeout=10.0
        )
        assert answer.status < 300, answer.data
        return json.loads(answer.data) if answer.data else None

    def emulator(self, path: str) -> Any:
        """Ask the embedded AWS for what AWS itself would not tell."""
        with urllib3.PoolManager(retries=False, ca_certs=self.ready.get("ca_bundle")) as pool:
            url = f"{self.ready['aws_endpoint_url']}/_ministack/{path}"
            return pool.request("GET", url, timeout=10.0).json()

    def runs(self, model: str) -> list[Any]:
        """Give the runs that were started for a model, oldest first."""
        runs = self.github("GET", "runs")
        return [run for run in reversed(runs) if run["inputs"].get("model_name") == model]

    def requests(self, model: str) -> list[Any]:
        """Give the requests about a model that GitHub got, oldest first."""
        exchanges = reversed(self.github("GET", "requests"))
        return [item for item in exchanges if _told(item["body"] or {}).get("model_name") == model]

    def dead_letters(self) -> list[Any]:
        """Look at the dead letters, of each model the first ten, and leave them where they are."""
        sqs, url = self.client("sqs"), self.ready["outputs"]["DeadLetterQueueUrl"]
        found: list[Any] = []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=30,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            found += messages
        for message in found:
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return found

    def dead_letter(self, delivery: str) -> Any:
        """Give a delivery's dead letter, or None."""
        return next((letter for letter in self.dead_letters() if delivery in letter["Body"]), None)

    def put(self, body: str, name: str) -> None:
        """Put a message onto the delivery queue by hand, as a replay does."""
        self.client("sqs").send_message(
            QueueUrl=self.ready["outputs"]["QueueUrl"],
            MessageBody=body,
            MessageGroupId=name,
            MessageDeduplicationId=name,
        )

    def attempts(self, delivery: str) -> list[Any]:
        """Give dispatch's log lines about a delivery."""
        return [line for line in self.log("Dispatch", delivery) if line.get("delivery") == delivery]

    def state(self, delivery: str) -> str:
        """Give the state that the ledger has of a delivery, "" for one that it does not know."""
        table = self.ready["outputs"]["LedgerTableName"]
        answer = self.client("dynamodb").get_item(TableName=table, Key={"id": {"S": delivery}})
        return str(answer.get("Item", {}).get("state", {}).get("S", ""))

    def entry(self, delivery: str) -> Any:
        """Give what the ledger says of a delivery, as plain values."""
        table = self.ready["outputs"]["LedgerTableName"]
        item = self.client("dynamodb").get_item(TableName=table, Key={"id": {"S": delivery}})["Item"]
        return {name: next(iter(value.values())) for name, value in item.items()}

    def waiting(self) -> int:
        """Count the messages that the delivery queue still has, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.ready["outputs"]["QueueUrl"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def log(self, function: str, word: str = "") -> list[Any]:
        """Give a function's structured log lines, or those with a word."""
        lines = [line for _, line in self.messages(f"{function}Log", word)]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def messages(self, group: str = "", word: str = "") -> list[tuple[str, str]]:
        """Give everything that was ever logged, with its log group; or what some groups have with a word."""
        logs = self.client("logs")
        names = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
        return [
            (name, event["message"])
            for name in names
            if group in name
            for event in logs.filter_log_events(logGroupName=name, filterPattern=word)["events"]
        ]


@cache
def aws_client(service: Any, url: str, region: str, ca_bundle: str | None) -> Any:
    """Make an AWS client, once for each service and pipeline: it takes longer than most calls."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=ca_bundle,
    )


def _told(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a dispatch tells: a workflow's inputs, or the payload of a repository's event."""
    return dict(body.get("inputs") or body.get("client_payload") or {})


def transition(model: str, version: int, **fields: Any) -> bytes:
    """Write a registry event as Databricks documents it."""
    return json.dumps(
        {
            "event": "MODEL_VERSION_TRANSITIONED_STAGE",
            "webhook_id": "c5596721253c4b429368cf6f4341b88a",
            "event_timestamp": 1589859029343,
            "model_name": model,
            "version": str(version),
            "to_stage": "Production",
            "from_stage": "None",
            "text": f"Registered model '{model}' version {version} transitioned from None to Production.",
            **fields,
        }
    ).encode()


def eventually(ask: Callable[[], Any], seconds: float = 200) -> Any:
    """Ask until the answer is something, and give it."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return answer


def start(ready_file: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `modelrelay local up`, without whatever AWS or GitHub settings this shell has."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GITHUB_"))}
    line = [sys.executable, "-m", "modelrelay", "local", "up", "--no-sample", "--ready-file", str(ready_file)]
    return subprocess.Popen(
        [*line, *arguments],
        cwd=ROOT,
        env=kept | {"TMPDIR": str(ready_file.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until_ready(process: subprocess.Popen[str], ready_file: Path) -> Mapping[str, Any]:
    """Wait for the ready file and read it."""
    deadline = time.monotonic() + START_SECONDS
    while not ready_file.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the pipeline did not start in time"
        time.sleep(0.1)
    return dict(json.loads(ready_file.read_text(encoding="utf-8")))


def stop(process: subprocess.Popen[str]) -> str:
    """Stop a pipeline as a person does, and give what it printed."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)[0]


@pytest.fixture(scope="module")
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    """The pipeline that the file's tests share, deployed once."""
    strict = pipeline_of(request.path) == STRICT
    shared: Pipeline = request.getfixturevalue("strict_pipeline" if strict else "plain_pipeline")
    return shared


@pytest.fixture(scope="session")
def plain_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The pipeline as users have it."""
    with running(tmp_path_factory.mktemp("pipeline")) as pipeline:
        yield pipeline


@pytest.fixture(scope="session")
def strict_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The pipeline where each function has its own role's rights and no others, and only TLS is answered."""
    with running(tmp_path_factory.mktemp("strict"), "--strict") as pipeline:
        yield pipeline


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Pipeline]:
    """Run a pipeline with all of our routes, and stop it as a person does."""
    ready_file = folder / "ready.json"
    process = start(ready_file, "--context", f"relay={json.dumps({'routes': ROUTES})}", *arguments)
    try:
        yield Pipeline(wait_until_ready(process, ready_file), process.pid)
    finally:
        output = stop(process)
    assert process.returncode == 0, output
    assert [*folder.iterdir()] == []


@pytest.fixture(scope="session")
def fire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A pipeline of its own under fire, which takes minutes."""
    from tests.pipeline import fire as fires  # noqa: PLC0415 - it needs what is defined here

    ready_file = tmp_path_factory.mktemp("fire") / "ready.json"
    process = start(ready_file, "--context", fires.CONTEXT)
    try:
        yield fires.open_fire(Pipeline(wait_until_ready(process, ready_file), process.pid))
    finally:
        stop(process)


@pytest.fixture(autouse=True)
def _no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave GitHub in good health after each test."""
    yield
    if "pipeline" in request.fixturenames:
        request.getfixturevalue("pipeline").github("DELETE", "faults")
