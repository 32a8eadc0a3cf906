"""Requests of every sender, genuine and not, with a mark in every place that nobody is to see again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tests.pipeline.canaries_marks import Marks

SENDERS: Final = ("databricks", "mlflow", "databricks-jobs", "events")
_LIMIT: Final = 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """A request, and the status with which it must be answered."""

    status: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Payload = dict[str, Any]


def payload(sender: str, marks: Marks, model: str, version: int, at: int) -> Payload:
    """Give an event that a route wants, with marks in all that is not to be shown."""
    return _PAYLOADS[sender](marks, model, version, at)


def _databricks(marks: Marks, model: str, version: int, at: int) -> Payload:
    return {
        "event": "MODEL_VERSION_TRANSITIONED_STAGE",
        "webhook_id": marks.words("databricks webhook_id"),
        "event_timestamp": at,
        "model_name": model,
        "version": str(version),
        "from_stage": "Staging",
        "to_stage": "Production",
        "text": marks.words("databricks text"),
        "comment": marks.words("databricks comment"),
        "description": marks.words("databricks description"),
        "user_email": marks.words("databricks user"),
        "tags": [{"key": marks.code("tag key"), "value": marks.words("tag value")}],
        **_unknown("databricks", marks),
    }


def _mlflow(marks: Marks, model: str, version: int, at: int) -> Payload:
    return {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": datetime.fromtimestamp(at / 1000, UTC).isoformat(),
        "data": {
            "name": model,
            "alias": "champion",
            "version": str(version),
            "description": marks.words("mlflow description"),
            "source": marks.words("mlflow source"),
            "user_id": marks.words("mlflow user"),
            "tags": {marks.code("tag key"): marks.words("tag value")},
            **_unknown("mlflow data", marks),
        },
        **_unknown("mlflow", marks),
    }


def _jobs(marks: Marks, model: str, version: int, _at: int) -> Payload:
    return {
        "event_type": "jobs.on_failure",
        "workspace_id": 7,
        "run": {"run_id": uuid.uuid4().int % 2**60 + version, **_unknown("jobs run", marks)},
        "job": {"job_id": 11, "name": model, **_unknown("jobs job", marks)},
        "error": marks.words("jobs error"),
        "creator": marks.words("jobs creator"),
        **_unknown("jobs", marks),
    }


def _events(marks: Marks, model: str, version: int, at: int) -> Payload:
    return {
        "type": "model_version.alias_set",
        "timestamp": datetime.fromtimestamp(at / 1000, UTC).isoformat(),
        "data": {
            "model_name": model,
            "alias": "champion",
            "version": version,
            "tags": {marks.code("tag key"): marks.words("tag value")},
            "text": marks.words("events text"),
            **_unknown("events data", marks),
        },
        **_unknown("events", marks),
    }


_PAYLOADS: Final[Mapping[str, Callable[[Marks, str, int, int], Payload]]] = {
    "databricks": _databricks,
    "mlflow": _mlflow,
    "databricks-jobs": _jobs,
    "events": _events,
}

_UNWANTED: Final[Mapping[str, Payload]] = {
    "databricks": {"event": "COMMENT_CREATED"},
    "mlflow": {"entity": "model_version_tag", "action": "set"},
    "databricks-jobs": {"event_type": "jobs.on_start"},
    "events": {"type": "model_version.tag_set"},
}
_BROKEN: Final[Mapping[str, Payload]] = {
    "databricks": {"model_name": 5},
    "mlflow": {"timestamp": "yesterday"},
    "databricks-jobs": {"run": []},
    "events": {"data": []},
}
_NAMED_BY: Final = {
    "databricks": "event",
    "mlflow": "action",
    "databricks-jobs": "event_type",
    "events": "type",
}


def _unknown(where: str, marks: Marks) -> Payload:
    inner = {marks.code(f"{where} unknown key"): [marks.words(f"{where} unknown value")]}
    return {marks.code(f"{where} unknown key"): marks.words(f"{where} unknown value"), "more": inner}


def genuine(sender: str, secret: str, marks: Marks, content: Any, status: int = 202) -> Sent:
    """Give a request that the sender's secret proves; bytes are sent as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {**_noise(sender, marks), **proof(sender, secret, body, marks)}
    return Sent(status, "POST", f"/{sender}?token={marks.code('query')}", headers, body)


def refused(sender: str, secret: str, marks: Marks, model: str) -> Iterator[Sent]:
    """Give the sender's requests that store nothing: ignored, or refused for each reason."""

    def fresh(**changes: Any) -> Payload:
        return payload(sender, marks, model, 1, _now()) | changes

    def signed(content: Any, status: int) -> Sent:
        return genuine(sender, secret, marks, content, status)

    yield signed(fresh(**_UNWANTED[sender]), 200)
    unknown_is_malformed = sender == "events"
    yield signed(
        fresh(**{_NAMED_BY[sender]: marks.words("event's name")}), 400 if unknown_is_malformed else 200
    )
    yield signed(fresh(**_BROKEN[sender]), 400)
    whole = json.dumps(fresh()).encode()
    yield signed(whole[:-1], 400)
    yield signed(json.dumps(fresh()).encode().ljust(_LIMIT + 1), 413)
    yield _with(signed(fresh(), 401), forged(sender, marks))
    yield _with(signed(fresh(), 401), {})
    good = signed(fresh(), 404)
    for path in (f"/{marks.code('path')}", f"/{sender}/{marks.code('path')}"):
        yield Sent(404, "POST", path, good.headers, good.body)
    yield Sent(405, "PUT", good.path, good.headers, good.body)


def proof(sender: str, secret: str, body: bytes, marks: Marks) -> dict[str, str]:
    """Give the headers that prove a body. Ids that a sender may choose are marks."""
    stamp = str(int(time.time()))
    match sender:
        case "databricks":
            return {"X-Databricks-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
        case "databricks-jobs":
            login = json.loads(secret)
            return {"Authorization": _basic(login["username"], login["password"])}
        case "mlflow":
            number = marks.code("delivery id header")
            signature = standard(secret.encode(), number, stamp, body)
            return _mlflow_headers(number, stamp, signature)
    number = marks.code("delivery id header")
    return _standard_headers(number, stamp, standard(base64.b64decode(secret), number, stamp, body))


def forged(sender: str, marks: Marks) -> dict[str, str]:
    """Give headers of the right form that prove nothing, and are marks."""
    code, stamp = marks.code("forged proof"), str(int(time.time()))
    signature = "v1," + base64.b64encode((code * 2).encode()).decode()
    match sender:
        case "databricks":
            return {"X-Databricks-Signature": code * 4}
        case "databricks-jobs":
            return {"Authorization": _basic(marks.code("forged proof"), marks.code("forged proof"))}
        case "mlflow":
            return _mlflow_headers(marks.code("delivery id header"), stamp, signature)
    return _standard_headers(marks.code("delivery id header"), stamp, signature)


def standard(key: bytes, number: str, stamp: str, body: bytes) -> str:
    """Sign as MLflow and Standard Webhooks do."""
    content = f"{number}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def _with(sent: Sent, headers: Mapping[str, str]) -> Sent:
    proofs = ("X-Databricks", "X-MLflow", "webhook-", "Authorization")
    kept = {name: value for name, value in sent.headers.items() if not name.startswith(proofs)}
    return Sent(sent.status, sent.method, sent.path, {**kept, **headers}, sent.body)


def _noise(sender: str, marks: Marks) -> dict[str, str]:
    """Give headers that no sender needs, and anything may send along."""
    other = {} if sender == "databricks-jobs" else {"Authorization": _basic("me", marks.code("login"))}
    return other | {
        "Content-Type": "application/json",
        "User-Agent": marks.words("user agent"),
        "Referer": f"https://{marks.code('header value')}.example/?{marks.code('header value')}",
        "Cookie": f"session={marks.words('header value')}",
        "X-Forwarded-For": marks.code("header value"),
        "X-Request-Id": marks.code("header value"),
        f"X-{marks.code('header name')}": marks.words("header value"),
    }


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _mlflow_headers(number: str, stamp: str, signature: str) -> dict[str, str]:
    return {
        "X-MLflow-Delivery-Id": number,
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": signature,
    }


def _standard_headers(number: str, stamp: str, signature: str) -> dict[str, str]:
    return {"webhook-id": number, "webhook-timestamp": stamp, "webhook-signature": signature}


def _now() -> int:
    return int(time.time() * 1000)
