"""Notifications of Databricks Jobs, sent to a generic webhook destination.

Source: "Add notifications on a job", docs.databricks.com/aws/en/jobs/notifications. The sender proves itself
by HTTP Basic authentication alone: nothing signs the body, and nothing in it tells the time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from functions.core import event as kinds
from functions.core.event import JOB_PREFIX, Event, identify
from functions.ingest.http import Malformed, Request, SecretUnusable
from functions.ingest.parsing import identifier, json_object, mapping, optional_text, text, utc
from functions.ingest.sender import UNKNOWN_EVENT, Ignored, Sender

EVENTS: Final[Mapping[str, str]] = {
    "jobs.on_start": kinds.JOB_STARTED,
    "jobs.on_success": kinds.JOB_SUCCEEDED,
    "jobs.on_failure": kinds.JOB_FAILED,
    "jobs.on_duration_warning_threshold_exceeded": f"{JOB_PREFIX}duration_warning_threshold_exceeded",
    "jobs.on_streaming_backlog_exceeded": f"{JOB_PREFIX}streaming_backlog_exceeded",
}
"""The events that are documented. Whatever else Databricks calls `jobs.on_…` is taken too."""

_LOGIN_HEADER: Final = "authorization"
_EVENT_TYPE: Final = re.compile(r"jobs\.on_([a-z][a-z0-9_]{0,99})")


def verify(request: Request, secrets: Sequence[str], _now: float) -> bool:
    """Check user name and password against each secret.

    Digests are compared, and all of them whatever the result: neither a length nor the time tells anything.
    """
    scheme, _, credentials = request.headers.get(_LOGIN_HEADER, "").partition(" ")
    given = _digest(credentials.strip())
    matches = [hmac.compare_digest(given, _digest(expected)) for expected in _logins(secrets)]
    return any(matches) and scheme.lower() == "basic"


def parse(request: Request, now: float) -> Event | Ignored:
    """Read a notification. It carries no time of its own, so it happened when it came.

    Raises:
        Malformed: A field that every payload has is missing, or one that is there is of the wrong type.
    """
    fields = json_object(request.body)
    name = text(fields, "event_type")
    known = _EVENT_TYPE.fullmatch(name)
    if not known:
        return UNKNOWN_EVENT
    run, job = mapping(fields, "run"), mapping(fields, "job")
    task = mapping(fields, "task") if fields.get("task") is not None else {}
    kind = EVENTS.get(name, f"{JOB_PREFIX}{known[1]}")
    workspace_id, run_id = _required(fields, "workspace_id"), _required(run, "run_id")
    task_key = optional_text(task, "task_key")
    return Event(
        source=SENDER.name,
        kind=kind,
        name=name,
        fact=_fact(kind, workspace_id, run_id, task_key),
        occurred_at=utc(now),
        workspace_id=workspace_id,
        job_id=_required(job, "job_id"),
        job_name=optional_text(job, "name"),
        run_id=run_id,
        parent_run_id=identifier(run, "parent_run_id"),
        task_key=task_key,
    )


def _fact(kind: str, workspace_id: str, run_id: str, task_key: str | None) -> str:
    """Identify an act: what happened to which run or task. A run starts once and ends once."""
    return identify("databricks-jobs", kind, workspace_id, run_id, task_key)


def _required(fields: Mapping[str, Any], key: str) -> str:
    value = identifier(fields, key)
    if not value:
        raise Malformed(f"'{key}' is missing.")
    return value


def _logins(secrets: Sequence[str]) -> list[str]:
    """Give what a client with each login sends.

    Raises:
        SecretUnusable: None of the secrets is a login.
    """
    logins = [login for login in map(_login, secrets) if login]
    if not logins:
        raise SecretUnusable
    return logins


def _login(secret: str) -> str:
    try:
        content = json.loads(secret)
        username, password = content["username"], content["password"]
        if not (isinstance(username, str) and isinstance(password, str) and username and password):
            return ""
        return base64.b64encode(f"{username}:{password}".encode()).decode()
    except (ValueError, TypeError, KeyError, RecursionError):  # UTF-8 can't write half a surrogate pair.
        return ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


SENDER: Final = Sender("databricks-jobs", EVENTS, verify, parse, credential="login", proof=(_LOGIN_HEADER,))
