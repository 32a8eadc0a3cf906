"""Forgeries: every sender's good request, bent in one place or sent to somebody else's path, is a 401."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions.core import aws as clients
from functions.core.secrets import Secret
from functions.ingest.http import Request
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.senders import SENDERS

from ..aws import Aws
from ..samples import NOW, SETTINGS, Clock
from .webhooks import ALIAS_SET, JOBS, KEY, LOGIN, OWN, SECRET, changed, job, mlflow, own, webhook

GOOD = {
    "databricks": webhook(changed()),
    "mlflow": mlflow(ALIAS_SET),
    "databricks-jobs": job(JOBS[4]),
    "events": own(OWN),
}
SECRETS = {"databricks": SECRET, "mlflow": SECRET, "databricks-jobs": json.dumps(LOGIN), "events": KEY}
UNSIGNED_BODY = {"databricks-jobs"}
"""HTTP Basic authentication proves who sends, and nothing of what is sent."""


def other(text: str, place: int) -> str:
    """Give a text with one character replaced by another of its kind."""
    wrong = "1" if text[place] != "1" else "2"
    return text[:place] + wrong + text[place + 1 :]


def bent(name: str) -> Iterator[tuple[str, Request]]:
    """Give a sender's good request with one thing wrong."""
    good = GOOD[name]
    for header, value in good.headers.items():
        for place in (len(value) // 3, len(value) // 2, len(value) * 2 // 3):
            yield f"{header} at {place}", with_header(good, header, other(value, place))
        yield f"no {header}", replace(good, headers={k: v for k, v in good.headers.items() if k != header})
        for joint in (",", ", ", " , "):
            yield f"{header} doubled by {joint!r}", with_header(good, header, value + joint + value)
        yield f"{header} empty", with_header(good, header, "")
    if name not in UNSIGNED_BODY:
        for place in (0, len(good.body) // 2, len(good.body) - 1):
            body = bytearray(good.body)
            body[place] ^= 1
            yield f"body at {place}", replace(good, body=bytes(body))
        yield "no body", replace(good, body=b"")
        yield "longer body", replace(good, body=good.body + b" ")


def with_header(request: Request, header: str, value: str) -> Request:
    """Give a request with another value of a header."""
    return replace(request, headers={**request.headers, header: value})


@pytest.fixture
def ingest(aws: Aws, clock: Clock) -> Ingest:
    """Ingest with every sender enabled, each with a secret of its own name, though of one value."""
    for name, value in SECRETS.items():
        aws.keep_secret(name, value)
    settings = replace(SETTINGS, ingest=replace(SETTINGS.ingest, senders=tuple(SENDERS)))
    manager = clients.client("secretsmanager")
    secrets = {name: Secret(manager, name, clock) for name in SENDERS}
    queue = DeliveryQueue(clients.client("sqs"), "http://127.0.0.1/queue")
    return Ingest(settings, SENDERS, secrets, queue, clock)


@pytest.mark.parametrize("name", GOOD)
def test_good_request_passes(ingest: Ingest, name: str) -> None:
    """Each request of the table is genuine, or its forgeries would prove nothing."""
    assert ingest.answer(GOOD[name]).status in {200, 202}


FORGERIES = [(f"{name}: {label}", request) for name in GOOD for label, request in bent(name)]


@pytest.mark.parametrize("request_", [each[1] for each in FORGERIES], ids=[each[0] for each in FORGERIES])
def test_bent_request_is_refused(aws: Aws, ingest: Ingest, request_: Request) -> None:
    """One character of a proof, one bit of a signed body, a header left out or sent twice: 401 each time."""
    response = ingest.answer(request_)
    assert (response.status, response.reason) == (401, "unauthorized")
    assert response.content == {"error": "The request does not prove that it comes from this sender."}
    assert aws.parameters("SendMessage") == []


@pytest.mark.parametrize("victim", GOOD)
@pytest.mark.parametrize("name", GOOD)
def test_request_proves_nothing_to_another_path(aws: Aws, ingest: Ingest, name: str, victim: str) -> None:
    """A body can't be smuggled in under another sender's proof, even where both have one secret's value."""
    if name == victim:
        return
    assert ingest.answer(replace(GOOD[name], path=f"/{victim}")).status == 401
    assert aws.parameters("SendMessage") == []


@pytest.mark.parametrize("seconds", [-301, -3600, 301, 3600, 10**9])
def test_signed_but_untimely_request_is_refused(ingest: Ingest, seconds: int) -> None:
    """What was signed long ago, or for later, is refused though the signature is right."""
    assert ingest.answer(mlflow(ALIAS_SET, at=NOW + seconds)).status == 401
    assert ingest.answer(own(OWN, at=NOW + seconds)).status == 401


@pytest.mark.parametrize("name", GOOD)
def test_caught_request_is_of_no_use_later(ingest: Ingest, clock: Clock, name: str) -> None:
    """Within its time a request that is sent again is the same delivery; later a timed one is refused."""
    first = ingest.answer(GOOD[name])
    again = ingest.answer(GOOD[name])
    assert again.content == first.content
    clock.now += 301
    assert ingest.answer(GOOD[name]).status == (401 if name in {"mlflow", "events"} else first.status)


@pytest.mark.parametrize(("name", "secret"), [("databricks-jobs", "plain"), ("events", "not base64!")])
def test_unusable_secret_is_told_in_the_log_alone(aws: Aws, ingest: Ingest, name: str, secret: str) -> None:
    """A secret of the wrong form refuses everybody, and only the log says that it is ours to mend."""
    aws.keep_secret(name, secret)
    response = ingest.answer(GOOD[name])
    assert (response.status, response.reason) == (401, "secret-unusable")
    assert response.content == {"error": "The request does not prove that it comes from this sender."}
