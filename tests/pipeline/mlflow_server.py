"""A real MLflow that sends webhooks, and a proxy that can get in their way.

MLflow lives in a virtual environment of its own, made by `make test`, and is never imported here.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from modelrelay.cdk import ROOT

PYTHON = ROOT / ".build" / "mlflow" / "bin" / "python"
DRIVER = Path(__file__).with_name("mlflow_driver.py")
START_SECONDS = 90
STOP_SECONDS = 10
HTTP = urllib3.PoolManager(retries=False)


@dataclass(frozen=True)
class Mlflow:
    """A running MLflow, spoken to by its own client."""

    client: subprocess.Popen[str]

    def __call__(self, call: str, **arguments: Any) -> Any:
        """Make a call of MLflow's client."""
        assert self.client.stdin
        assert self.client.stdout
        self.client.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self.client.stdin.flush()
        answer = self.client.stdout.readline()
        assert answer, f"{call} failed, see client.log"
        return json.loads(answer)

    @contextmanager
    def webhook(self, url: str, secret: str, events: Iterable[str]) -> Iterator[str]:
        """Have a webhook for a while, and give its id."""
        made = self("create_webhook", name="model-relay", url=url, secret=secret, events=list(events))
        identity = str(made["webhook_id"])
        try:
            yield identity
        finally:
            self("delete_webhook", webhook_id=identity)

    def register(self, model: str, versions: int = 1) -> None:
        """Register a model and versions of it."""
        self("create_registered_model", name=model)
        for _ in range(versions):
            self("create_model_version", name=model, source="s3://models/model")


@contextmanager
def running(folder: Path) -> Iterator[Mlflow]:
    """Run MLflow's server and its client, which keep what they keep in a folder."""
    assert PYTHON.exists(), "MLflow is not installed here. Run: make .build/mlflow.stamp"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = environment(f"http://127.0.0.1:{port}", folder)
    store = f"sqlite:///{folder / 'mlflow.db'}"
    # Waitress, since uvicorn is for the part of MLflow that needs pandas. Webhooks are sent the same way.
    server = ["server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", store]
    with (
        process(folder / "server.log", variables, "-m", "mlflow", *server, "--waitress-opts", "") as serving,
        process(folder / "client.log", variables, str(DRIVER)) as client,
    ):
        wait_until_healthy(serving, variables["MLFLOW_TRACKING_URI"], folder / "server.log")
        yield Mlflow(client)


def environment(url: str, folder: Path) -> dict[str, str]:
    """Give MLflow's settings: nothing of this shell's but where programs are."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    }


@contextmanager
def process(log: Path, variables: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run MLflow's Python, and end it with all its children whatever happens."""
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [str(PYTHON), *arguments],
            cwd=log.parent,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if str(DRIVER) in arguments else errors,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as started,
    ):
        try:
            yield started
        finally:
            end(started)


def end(started: subprocess.Popen[str]) -> None:
    """End a process and its group: politely, then not."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        started.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)


def wait_until_healthy(serving: subprocess.Popen[str], url: str, log: Path) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(url):
        assert serving.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.2)


def is_healthy(url: str) -> bool:
    """Ask whether the server answers."""
    try:
        return HTTP.request("GET", f"{url}/health", timeout=5.0).status == 200
    except urllib3.exceptions.HTTPError:
        return False


class Trouble(Enum):
    """What a proxy does to a request instead of passing it on and its answer back."""

    REFUSED = auto()
    """It answers 503 itself, and says when to come again."""

    ANSWER_LOST = auto()
    """It passes the request on, and answers 503 all the same."""


@dataclass(frozen=True)
class Passage:
    """A request that came to a proxy."""

    delivery: str
    timestamp: str
    body: bytes
    at: float


@dataclass
class Proxy:
    """Stands between MLflow and ingest; each trouble befalls one request, and then there are none."""

    target: str
    troubles: list[Trouble]
    passages: list[Passage] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run, and give the address."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()
                thread.join()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Take a request and give the answer's status and headers."""
        passage = Passage(
            headers["X-MLflow-Delivery-Id"], headers["X-MLflow-Timestamp"], body, time.monotonic()
        )
        self.passages.append(passage)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is Trouble.REFUSED:
            return 503, {"Retry-After": "1"}
        status = HTTP.request("POST", self.target, body=body, headers=headers, timeout=30.0).status
        return (status if trouble is None else 503), {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                passed = {name: value for name, value in self.headers.items() if name != "Host"}
                status, headers = proxy.take(passed, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
