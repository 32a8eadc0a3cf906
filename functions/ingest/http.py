"""Requests and answers as ingest sees them, apart from API Gateway's way of writing them.

Refused           the request is not accepted: the answer says what is wrong
├── NotFound      404  no such sender, or it is not enabled
├── NotPost       405  any method but POST
├── TooLarge      413  the body, or the event made of it, is over the limit
├── Unauthorized  401  the signature is missing or wrong
│   └── SecretUnusable  there is no secret to check it with
├── Forbidden     403  the caller's address is not in `allowed_cidrs`
├── Malformed     400  the body is not what the sender promises
└── NotStored     503  we could not store it: the sender should try again
    └── Unexpected     for a cause that we did not foresee
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Final

from functions.core.metrics import Metric

RETRY_AFTER_SECONDS: Final = 30


class Refused(Exception):
    """The request is not accepted. The text goes to the sender, so it never holds a secret or prose.

    Attributes:
        status: Of the answer.
        reason: In the log and the metrics; fixed, because alarms and queries rely on it.
        headers: Of the answer.
        counts: What the request adds to the metrics.
    """

    status: ClassVar[HTTPStatus]
    reason: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}
    counts: ClassVar[Mapping[Metric, int]] = {Metric.RECEIVED: 1, Metric.REJECTED: 1}


class NotFound(Refused):
    """Raised when the path names no sender that is enabled."""

    status = HTTPStatus.NOT_FOUND
    reason = "not-found"
    counts: ClassVar[Mapping[Metric, int]] = {Metric.REJECTED: 1}  # Strangers try every path there is.


class NotPost(Refused):
    """Raised when a sender's path is not called with POST."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    reason = "not-post"
    headers: ClassVar[Mapping[str, str]] = {"allow": "POST"}


class TooLarge(Refused):
    """Raised before the body is decoded, or when the event does not fit into a queue message."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    reason = "too-large"

    @classmethod
    def over(cls, max_body_bytes: int) -> TooLarge:
        """Give the refusal of a body over the limit."""
        return cls(f"The body is larger than {max_body_bytes // 1024} KiB.")


class Unauthorized(Refused):
    """Raised when the caller does not prove to be the sender. Says nothing that helps to forge."""

    status = HTTPStatus.UNAUTHORIZED
    reason = "unauthorized"

    def __init__(self, text: str = "The request does not prove that it comes from this sender.") -> None:
        super().__init__(text)


class SecretUnusable(Unauthorized):
    """Raised when the sender's secret is empty or of the wrong form: only the log tells."""

    reason = "secret-unusable"


class Forbidden(Refused):
    """Raised when the caller's address is not allowed."""

    status = HTTPStatus.FORBIDDEN
    reason = "forbidden"


class Malformed(Refused):
    """Raised when a request of the true sender can't be understood."""

    status = HTTPStatus.BAD_REQUEST
    reason = "malformed"


class NotStored(Refused):
    """Raised when something that we need fails; it is not the sender's fault."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "not-stored"
    headers: ClassVar[Mapping[str, str]] = {"retry-after": str(RETRY_AFTER_SECONDS)}


class Unexpected(NotStored):
    """Raised for a failure that nobody foresaw."""

    reason = "unexpected"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. Header names are lower-case; the body is the bytes that were sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str

    @classmethod
    def from_api_gateway(cls, event: Mapping[str, Any], max_body_bytes: int = sys.maxsize) -> Request:
        """Read an event of an HTTP API, payload format 2.0.

        Raises:
            TooLarge: The body is over the limit. Nothing of it was decoded.
            Malformed: API Gateway calls the body base64 and it isn't.
        """
        http = event["requestContext"]["http"]
        return cls(
            method=http["method"],
            path=event["rawPath"],
            headers={name.lower(): value for name, value in event.get("headers", {}).items()},
            body=_body(event, max_body_bytes),
            source_ip=http["sourceIp"],
        )


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, and what is told of it.

    Attributes:
        status: Of the answer.
        content: The answer's JSON.
        counts: What the request adds to the metrics.
        headers: Of the answer.
        reason: Why the request was refused or ignored, in one word, for the log and the metrics.
        facts: What else the log line says.
    """

    status: HTTPStatus
    content: Mapping[str, Any]
    counts: Mapping[Metric, int]
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def refusing(cls, refused: Refused) -> Response:
        """Turn a refusal into its answer."""
        return cls(refused.status, {"error": str(refused)}, refused.counts, refused.headers, refused.reason)

    def to_api_gateway(self) -> dict[str, Any]:
        """Write the answer for an HTTP API, payload format 2.0."""
        return {
            "statusCode": int(self.status),
            "headers": {"content-type": "application/json", **self.headers},
            "body": json.dumps(self.content),
        }


def _body(event: Mapping[str, Any], max_body_bytes: int) -> bytes:
    text: str = event.get("body") or ""
    is_base64 = event.get("isBase64Encoded")
    least = len(text) // 4 * 3 - 2 if is_base64 else len(text)  # A character is a byte at the least.
    if least > max_body_bytes:
        raise TooLarge.over(max_body_bytes)
    if not is_base64:
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Malformed("The body could not be decoded.") from None
