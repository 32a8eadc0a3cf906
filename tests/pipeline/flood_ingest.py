"""The ingest function in this process, before AWS's stand-in, which counts every call."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from functions.core.metrics import NAMESPACE_VARIABLE
from functions.core.settings import FILE_NAME, load
from functions.ingest import handler as module
from functions.ingest.http import Request
from functions.ingest.senders import SENDERS
from tests.unit.aws import Aws
from tests.unit.ingest.test_forgery import SECRETS
from tests.unit.ingest.webhooks import gateway_event
from tests.unit.samples import SETTINGS, lambda_context

MAX_BODY: Final = 1024 * 1024


class Lines(io.StringIO):
    """A log that is counted and read, and kept no longer than until it is read."""

    def take(self) -> list[str]:
        """Give the lines since the last time."""
        lines = self.getvalue().split("\n")[:-1]
        self.seek(0)
        self.truncate()
        return lines


@dataclass
class Function:
    """The function with all senders enabled, each with a secret of its own.

    Attributes:
        aws: What it calls.
        log: Its log.
        metrics: Its lines of metrics.
    """

    aws: Aws
    log: Lines = field(default_factory=Lines)
    metrics: Lines = field(default_factory=Lines)

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Hand an event of API Gateway's over."""
        with redirect_stdout(self.metrics):
            answer: dict[str, Any] = module.handler(event, lambda_context())
        return answer

    def status(self, request: Request, **changes: Any) -> int:
        """Hand a request over, and give the answer's status."""
        return int(self.event({**gateway_event(request), **changes})["statusCode"])

    @property
    def calls(self) -> Counter[str]:
        """How often which operation of AWS's was called."""
        return Counter(name for name, _ in self.aws.calls)


@contextmanager
def running(aws: Aws, folder: Path, patch: pytest.MonkeyPatch, **limits: Any) -> Iterator[Function]:
    """Run the function as a new environment of Lambda's does, with other limits where they are given."""
    ingest = replace(SETTINGS.ingest, senders=tuple(SENDERS), max_body_bytes=MAX_BODY)
    settings = replace(SETTINGS, ingest=replace(ingest, **limits))
    (folder / FILE_NAME).write_text(settings.to_json(), encoding="utf-8")
    patch.setattr(module, "load", lambda: load(folder))
    patch.setenv("QUEUE_URL", "http://127.0.0.1/queue")
    patch.setenv(NAMESPACE_VARIABLE, "Relay")
    for name, sender in SENDERS.items():
        patch.setenv(sender.secret_variable, name)
        aws.keep_secret(name, SECRETS[name])
    function = Function(aws)
    ours: Any = module.logger.registered_handler
    before = ours.setStream(function.log)
    for built in (module._ingest, module._meter):
        built.cache_clear()
    try:
        yield function
    finally:
        ours.setStream(before)
        for built in (module._ingest, module._meter):
            built.cache_clear()


def gateway(method: str, path: str, headers: Mapping[str, str], body: str, **changes: Any) -> dict[str, Any]:
    """Write any request as an HTTP API hands it to the function, whatever is in it."""
    http = {"method": method, "sourceIp": "192.0.2.7"}
    event = {"version": "2.0", "rawPath": path, "headers": dict(headers), "requestContext": {"http": http}}
    return {**event, "body": body, "isBase64Encoded": False, **changes}


def facts(line: str) -> dict[str, Any]:
    """Read a line of the log."""
    return dict(json.loads(line))
