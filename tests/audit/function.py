"""The real ingest function, from API Gateway's event to its answer, with AWS stood in for at the clients."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Final, Self

from botocore.exceptions import EndpointConnectionError

from functions.core.delivery import Delivery
from functions.core.event import KINDS
from functions.core.metrics import INGEST, Meter
from functions.core.secrets import Secret
from functions.core.settings import RelaySettings
from functions.ingest import handler as module
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.senders import SENDERS

from ..unit.samples import NOW, ROUTE, SETTINGS, Clock, lambda_context

SECRETS: Final[Mapping[str, tuple[str, str]]] = {
    "databricks": ("anyRandomString", "previousRandomString"),
    "mlflow": ("s3cr3t-\u00fcnicode", "previousRandomString"),
    "databricks-jobs": (
        '{"username": "databricks", "password": "anyRandomString"}',
        '{"username": "databricks", "password": "previous-p\u00e4ssword"}',
    ),
    "events": ("YW55UmFuZG9tU3RyaW5n", "whsec_cHJldmlvdXNSYW5kb21TdHJpbmc="),
}
"""Each sender's, the newest first."""

STORAGE: Final = ("SendMessage", "GetSecretValue")
"""The calls that can fail."""

_STORABLE: Final = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]{1,1048576}")
_ID: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


class Cloud:
    """SQS and Secrets Manager as their clients show them, with the limits that SQS documents.

    Attributes:
        failing: The operations that fail.
        sent: The messages that SQS has, as they were sent.
    """

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.sent: list[dict[str, str]] = []

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803 - AWS's names
        """Give a version of a sender's secret."""
        self._may_fail("GetSecretValue")
        return {"SecretString": SECRETS[SecretId][VersionStage == "AWSPREVIOUS"]}

    def send_message(self, **message: str) -> dict[str, str]:
        """Keep a message that SQS would take."""
        self._may_fail("SendMessage")
        if not _STORABLE.fullmatch(message["MessageBody"]) or len(message["MessageBody"].encode()) > 2**20:
            raise AssertionError("SQS takes no such body")
        for name in ("MessageGroupId", "MessageDeduplicationId"):
            if not _ID.fullmatch(message[name]):
                raise AssertionError(f"SQS takes no such {name}")
        self.sent.append(message)
        return {"MessageId": str(len(self.sent))}

    def _may_fail(self, operation: str) -> None:
        if operation in self.failing:
            raise EndpointConnectionError(endpoint_url="https://aws")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a request.

    Attributes:
        answer: To API Gateway.
        log: The lines of the log, as they were written.
        metrics: The lines of metrics.
        sent: The messages that were stored.
    """

    answer: dict[str, Any]
    log: str
    metrics: str
    sent: list[dict[str, str]]

    @property
    def status(self) -> int:
        """The answer's status."""
        status: int = self.answer["statusCode"]
        return status

    @property
    def content(self) -> Any:
        """The answer's JSON."""
        return json.loads(self.answer["body"])

    @property
    def deliveries(self) -> list[Delivery]:
        """What was stored, read as dispatch reads it."""
        return [Delivery.from_message(message["MessageBody"]) for message in self.sent]


def settings(**limits: Any) -> RelaySettings:
    """Give settings with every sender enabled and two routes, of which one takes every kind of event."""
    wide = replace(ROUTE, name="everything", events=(*KINDS, *(f"job.{each}" for each in ("x", "paused"))))
    usual = {"senders": tuple(SENDERS), "max_body_bytes": 65_536}
    return replace(SETTINGS, routes=(ROUTE, wide), ingest=replace(SETTINGS.ingest, **{**usual, **limits}))


class Function:
    """The handler, in the place of the parts that it builds at its start those that stand in for AWS.

    Attributes:
        cloud: AWS.
        clock: The time.
    """

    def __init__(self, settings: RelaySettings) -> None:
        self.cloud = Cloud()
        self.clock = Clock()
        self._log, self._metrics = io.StringIO(), list[str]()
        self._ingest = self._built(settings)
        self._meter = Meter(INGEST, "Relay", self._metrics.append, self.clock)
        self._before: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._before = {name: getattr(module, name) for name in ("_ingest", "_meter")}
        self._before["stream"] = module.logger.registered_handler.stream  # type: ignore[attr-defined]
        vars(module).update(_ingest=lambda: self._ingest, _meter=lambda: self._meter)
        module.logger.registered_handler.setStream(self._log)  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        module.logger.registered_handler.setStream(self._before.pop("stream"))  # type: ignore[attr-defined]
        vars(module).update(self._before)

    def call(self, event: Any, failing: str = "") -> Told:
        """Hand one event over."""
        self.cloud.sent, self.cloud.failing = [], {failing}
        if failing == "GetSecretValue":
            self._ingest = self._built(self._ingest._settings)  # One that knows no secret yet.
        self._log.truncate(self._log.seek(0))
        self._metrics.clear()
        answer = module.handler(event, lambda_context())
        return Told(answer, self._log.getvalue(), "\n".join(self._metrics), self.cloud.sent)

    def _built(self, settings: RelaySettings) -> Ingest:
        secrets: Any = {name: Secret(self._any, name, self.clock) for name in settings.ingest.senders}
        senders = {name: SENDERS[name] for name in settings.ingest.senders}
        return Ingest(settings, senders, secrets, DeliveryQueue(self._any, "https://queue"), self.clock)

    @property
    def _any(self) -> Any:
        return self.cloud


def gateway_event(
    *,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    source_ip: str = "192.0.2.7",
    encoded: bool | None = None,
) -> dict[str, Any]:
    """Write a request as an HTTP API hands it over, payload format 2.0.

    Args:
        method: In capitals.
        path: Without the query.
        headers: Names in any case; what was sent twice is joined by commas.
        body: As it was sent.
        source_ip: The caller's address.
        encoded: Whether to write the body by base64; by default where it is no text.

    Source: "Create AWS Lambda proxy integrations for HTTP APIs", API Gateway's Developer Guide.
    """
    text = _text(body) if not encoded else None
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": source_ip},
            "stage": "$default",
        },
        **({"body": base64.b64encode(body).decode() if text is None else text} if body else {}),
        "isBase64Encoded": bool(body) and text is None,
    }


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


MOMENT: Final = str(int(NOW))
