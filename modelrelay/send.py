"""Signs and posts a sample webhook, as Databricks does."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from modelrelay.cdk import ROOT
from modelrelay.errors import CommandError
from modelrelay.stack import Session

READY_FILE: Final = ROOT / ".build" / "local.json"
"""Where a local run says how to reach it, for as long as it runs."""

_WEBHOOK_ID: Final = "c5596721253c4b429368cf6f4341b88a"


@dataclass(frozen=True, slots=True)
class Reply:
    """Ingest's answer."""

    status: int
    content: Any


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to post, and the secret to sign with."""

    url: str
    secret: str


def destination(
    *, url: str | None, secret_file: Path | None, on_local: bool, session: Session
) -> Destination:
    """Find out where to send: what was named, the running local pipeline, or the deployed stack.

    Raises:
        CommandError: Something is missing; the text says what to name.
    """
    if on_local:
        ready = local_run()
        base = (url or str(ready["ingest_url"])).rstrip("/")
        return Destination(f"{base}/databricks", ready["webhook_secrets"]["databricks"])
    secret = _named_secret(secret_file)
    return Destination(
        f"{(url or session.output('IngestUrl')).rstrip('/')}/databricks",
        secret or session.secret(session.output("DatabricksSecretName")),
    )


def local_run() -> Any:
    """Read how to reach the local run; of several, $MODELRELAY_READY_FILE names one's ready file.

    Raises:
        CommandError: There is none.
    """
    try:
        named = os.environ.get("MODELRELAY_READY_FILE")
        return json.loads((Path(named) if named else READY_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CommandError("Nothing runs on this machine. Start it with: make local") from None


def _named_secret(secret_file: Path | None) -> str | None:
    if secret_file is None:
        return os.environ.get("MODELRELAY_WEBHOOK_SECRET")
    try:
        return secret_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(f"{secret_file} can't be read: {error.strerror}.") from None


def sample(model: str = "Airline_Delay_SparkML", version: str = "8", to_stage: str = "Production") -> bytes:
    """Write a stage transition as Databricks documents it, dated now, so that it is a new fact each time."""
    return json.dumps(
        {
            "event": "MODEL_VERSION_TRANSITIONED_STAGE",
            "webhook_id": _WEBHOOK_ID,
            "event_timestamp": int(time.time() * 1000),
            "model_name": model,
            "version": version,
            "to_stage": to_stage,
            "from_stage": "None",
            "text": f"Registered model '{model}' version {version} transitioned from None to {to_stage}.",
        }
    ).encode()


def signature_headers(secret: str, body: bytes) -> dict[str, str]:
    """Give the headers that Databricks sends with a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Databricks-Signature": digest}


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Post a webhook once.

    Raises:
        CommandError: Nothing answers there.
    """
    try:
        response = urllib3.request("POST", url, body=body, headers=headers, timeout=30.0, retries=False)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise CommandError(f"{url} does not answer ({type(error).__name__}). Is the address right?") from None
    try:
        content = response.json()
    except ValueError:
        content = response.data.decode(errors="replace")
    return Reply(response.status, content)
