"""Which requests are genuine, written a second time and as plainly as the senders' documentation says it.

Ingest's own verifiers compare in constant time and fail closed; nothing here has to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping

from functions.ingest.databricks_jobs import SENDER as JOBS
from functions.ingest.events import SENDER as EVENTS

MINUTES = 300
_MLFLOW = ("delivery-id", "timestamp", "signature")
_STANDARD = ("id", "timestamp", "signature")
TOKEN = re.compile(r"v\w+,[A-Za-z0-9+/=]+")


def usable(sender: str, secret: str) -> bool:
    """Tell whether a secret is of the form that the sender's has."""
    try:
        if sender == JOBS.name:
            return all(login(secret)) and bool(basic(*login(secret)))
        return sender != EVENTS.name or bool(key(secret))
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def genuine(sender: str, headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: float) -> bool:
    """Tell whether a request was made with one of the secrets."""
    good = [secret for secret in secrets if usable(sender, secret)]
    return any(proofs(sender, headers, body, secret, now) for secret in good)


def proofs(sender: str, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Tell whether a request was made with a secret."""
    match sender:
        case "databricks":
            made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            return headers.get("x-databricks-signature") == made
        case "mlflow":
            number, moment, given = (headers.get(f"x-mlflow-{each}", "") for each in _MLFLOW)
            signed = given == standard(secret.encode(), number, moment, body)
            return signed and bool(number) and fresh(moment, now)
        case "databricks-jobs":
            scheme, _, proof = headers.get("authorization", "").partition(" ")
            return scheme.lower() == "basic" and proof.strip() == basic(*login(secret))
        case _:
            number, moment, given = (headers.get(f"webhook-{each}", "") for each in _STANDARD)
            tokens = given.split(" ")
            signed = standard(key(secret), number, moment, body) in tokens
            return signed and all(map(TOKEN.fullmatch, tokens)) and bool(number) and fresh(moment, now)


def headers_of(sender: str, secret: str, *, body: bytes, number: str, moment: str) -> dict[str, str]:
    """Give the headers with which the sender would prove itself."""
    match sender:
        case "databricks":
            return {"x-databricks-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
        case "mlflow":
            names = ("x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature")
            return dict(
                zip(names, (number, moment, standard(secret.encode(), number, moment, body)), strict=True)
            )
        case "databricks-jobs":
            return {"authorization": f"Basic {basic(*login(secret))}"}
        case _:
            names = ("webhook-id", "webhook-timestamp", "webhook-signature")
            return dict(
                zip(names, (number, moment, standard(key(secret), number, moment, body)), strict=True)
            )


def standard(secret: bytes, number: str, moment: str, body: bytes) -> str:
    """Sign as MLflow and Standard Webhooks do."""
    content = f"{number}.{moment}.".encode("utf-8", "surrogatepass") + body
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def basic(username: str, password: str) -> str:
    """Write a login as HTTP Basic authentication does."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def fresh(moment: str, now: float) -> bool:
    """Tell whether a time in epoch seconds is within five minutes of ours."""
    return re.fullmatch("[0-9]{1,12}", moment) is not None and abs(int(moment) - now) <= MINUTES


def login(secret: str) -> tuple[str, str]:
    """Read a login; what is none raises."""
    content = json.loads(secret)
    username, password = content["username"], content["password"]
    if not (isinstance(username, str) and isinstance(password, str)):
        raise TypeError
    return username, password


def key(secret: str) -> bytes:
    """Read the key of Standard Webhooks; what is none raises."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_").encode("ascii"), validate=True)
    except binascii.Error as error:
        raise ValueError from error
