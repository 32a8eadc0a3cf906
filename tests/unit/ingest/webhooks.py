"""Webhooks as their senders send them: the documented ones, and such as a test makes up."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from functions.ingest.http import Request

from ..samples import NOW

SECRET = "anyRandomString"
ALL: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "webhooks.json").read_bytes()
)
FIXTURES = [each for each in ALL if each["sender"] == "databricks-registry"]
JOBS = [each["payload"] for each in ALL if each["sender"] == "databricks-jobs"]
MLFLOW = [each for each in ALL if each["sender"] == "mlflow-oss"]
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


LOGIN = {"username": "databricks", "password": SECRET}
KEY = base64.b64encode(SECRET.encode()).decode()
ALIAS_SET: dict[str, Any] = {
    "entity": "model_version_alias",
    "action": "created",
    "timestamp": "2026-11-22T20:22:10.969402+00:00",
    "data": {"name": "churn", "alias": "champion", "version": "3"},
}
OWN: dict[str, Any] = {
    "type": "model_version.alias_set",
    "timestamp": "2026-11-22T20:22:10.969Z",
    "data": {"model_name": "main.ml.churn", "version": "3", "alias": "champion"},
}


def standard(key: bytes, number: str, timestamp: str, body: bytes) -> str:
    """Compute the signature that MLflow and Standard Webhooks share."""
    content = f"{number}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def mlflow(payload: Any, *, secret: str = SECRET, at: float = NOW, number: str = "d-1") -> Request:
    """Give a request as MLflow sends it."""
    body, timestamp = encode(payload), str(int(at))
    headers = {
        "x-mlflow-delivery-id": number,
        "x-mlflow-timestamp": timestamp,
        "x-mlflow-signature": standard(secret.encode(), number, timestamp, body),
    }
    return Request("POST", "/mlflow", headers, body, "192.0.2.7")


def job(payload: Any, *, username: str = "databricks", password: str = SECRET) -> Request:
    """Give a notification of a job."""
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    return Request(
        "POST", "/databricks-jobs", {"authorization": f"Basic {login}"}, encode(payload), "192.0.2.7"
    )


def own(payload: Any, *, secret: str = KEY, at: float = NOW, number: str = "msg-1") -> Request:
    """Give an event of our own kind."""
    body, timestamp = encode(payload), str(int(at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = {
        "webhook-id": number,
        "webhook-timestamp": timestamp,
        "webhook-signature": standard(key, number, timestamp, body),
    }
    return Request("POST", "/events", headers, body, "192.0.2.7")


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
