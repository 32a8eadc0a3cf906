"""Webhooks as Databricks sends them: the documented ones, and such as a test makes up."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from functions.ingest.http import Request

SECRET = "anyRandomString"
FIXTURES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "databricks.json").read_bytes()
)
VECTORS = [fixture["vector"] for fixture in FIXTURES if "vector" in fixture]
TRANSITION: dict[str, Any] = FIXTURES[0]["payload"]

# What must never be seen outside the queue: prose, addresses of people, values of tags.
CANARIES = ("canary-text-1f", "canary-tag-2e", "canary.person@example.com", "canary-comment-3d")
REVEALING = {
    **TRANSITION,
    "text": f"{CANARIES[2]} wrote {CANARIES[0]}",
    "tags": [{"key": "note", "value": CANARIES[1]}],
    "comment": CANARIES[3],
    "user_id": CANARIES[2],
}


def changed(**changes: Any) -> dict[str, Any]:
    """Give the documented transition with other fields; None leaves one out."""
    fields = {**TRANSITION, **changes}
    return {key: value for key, value in fields.items() if value is not None}


def encode(payload: Any) -> bytes:
    """Write a payload as the sender does; bytes are sent as they are."""
    return payload if isinstance(payload, bytes) else json.dumps(payload).encode()


def sign(body: bytes, secret: str = SECRET) -> str:
    """Compute the signature by the documented algorithm."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def webhook(payload: Any, *, secret: str = SECRET, signature: str | None = None, **changes: Any) -> Request:
    """Give a request that is signed with the secret, unless a signature is given."""
    body = encode(payload)
    headers = {"x-databricks-signature": sign(body, secret) if signature is None else signature}
    parts: dict[str, Any] = {
        "method": "POST",
        "path": "/databricks",
        "headers": headers,
        "body": body,
        "source_ip": "192.0.2.7",
    }
    return Request(**{**parts, **changes})


def gateway_event(request: Request) -> dict[str, Any]:
    """Write a request as an HTTP API hands it to the function."""
    return {
        "version": "2.0",
        "rawPath": request.path,
        "headers": {name.title(): value for name, value in request.headers.items()},
        "requestContext": {"http": {"method": request.method, "sourceIp": request.source_ip}},
        "body": request.body.decode(),
        "isBase64Encoded": False,
    }
