"""A local run of the whole pipeline, driven from outside as a sender and an operator do."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import urllib3

from infra.bundling import ROOT

_START_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 60.0
_INPUTS: Final = {
    "model_name": "${model_name}",
    "model_version": "${version}",
    "delivery_id": "${delivery_id}",
}


@dataclass(frozen=True, slots=True)
class Local:
    """A running pipeline.

    Attributes:
        ready: What its ready file says.
        process: The process that runs it; functions and embedded AWS are below it.
    """

    ready: Mapping[str, Any]
    process: subprocess.Popen[bytes]
    http: urllib3.PoolManager

    def send(self, model: str, version: int, at: float) -> str:
        """Send a stage transition that happened at a time, and give the delivery's id once it is stored."""
        body = json.dumps(
            {
                "event": "MODEL_VERSION_TRANSITIONED_STAGE",
                "webhook_id": "c5596721253c4b429368cf6f4341b88a",
                "event_timestamp": int(at * 1000),
                "model_name": model,
                "version": str(version),
                "from_stage": "None",
                "to_stage": "Production",
            }
        ).encode()
        secret: str = self.ready["webhook_secrets"]["databricks"]
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        answer = self.http.request(
            "POST",
            f"{self.ready['ingest_url']}/databricks",
            body=body,
            headers={"Content-Type": "application/json", "X-Databricks-Signature": signature},
        )
        if answer.status != 202:  # noqa: PLR2004 - the HTTP status
            raise RuntimeError(f"ingest answered {answer.status}")
        return str(answer.json()["deliveries"][0]["id"])

    def github(self, method: str, path: str, content: Any = None) -> Any:
        """Call the simulator's own interface."""
        url = f"{self.ready['github_api_url']}/_simulator/{path}"
        answer = self.http.request(method, url, json=content) if content else self.http.request(method, url)
        return json.loads(answer.data) if answer.data else None

    def client(self, service: Any) -> Any:
        """Make an AWS client."""
        return boto3.client(
            service,
            endpoint_url=self.ready["aws_endpoint_url"],
            region_name=self.ready["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator takes any
        )

    def queued(self) -> int:
        """Count what the delivery queue still has, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client("sqs").get_queue_attributes(
            QueueUrl=self.ready["outputs"]["QueueUrl"], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def started(self) -> dict[str, float]:
        """Give when GitHub first got each delivery whose run it then started, by the delivery's id."""
        found: dict[str, float] = {}
        for exchange in self.github("GET", "requests"):
            inputs = (exchange["body"] or {}).get("inputs", {})
            if "delivery_id" in inputs and exchange["status"] in {200, 204}:
                delivery = inputs["delivery_id"]
                found[delivery] = min(exchange["at"], found.get(delivery, exchange["at"]))
        return found


@contextmanager
def running() -> Iterator[Local]:
    """Run the pipeline with a simulated GitHub, and stop it as a person does."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GITHUB_"))}
    relay = {"routes": [{"name": "default", "inputs": _INPUTS}]}
    with tempfile.TemporaryDirectory() as scratch:
        ready = Path(scratch, "ready.json")
        line = [sys.executable, "-m", "modelrelay", "local", "up", "--no-sample", "--ready-file", str(ready)]
        process = subprocess.Popen(  # noqa: S603 - our own words
            [*line, "--context", f"relay={json.dumps(relay)}"],
            cwd=ROOT,
            env=kept | {"TMPDIR": scratch},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Local(_read(ready, process), process, urllib3.PoolManager(retries=False, timeout=30.0))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_STOP_SECONDS)


def _read(ready: Path, process: subprocess.Popen[bytes]) -> Mapping[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the local pipeline did not start; try `make local`")
        time.sleep(0.1)
    return dict(json.loads(ready.read_text(encoding="utf-8")))
