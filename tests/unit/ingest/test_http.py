"""Requests and answers in API Gateway's writing."""

import base64
import json
from http import HTTPStatus
from typing import Any

import pytest

from functions.core.metrics import Metric
from functions.ingest import http
from functions.ingest.http import Malformed, Request, Response

EVENT = {
    "rawPath": "/databricks",
    "headers": {"X-Databricks-Signature": "a", "content-type": "application/json"},
    "requestContext": {"http": {"method": "POST", "sourceIp": "192.0.2.7"}},
    "body": "{}",
    "isBase64Encoded": False,
}


def read(**changes: Any) -> Request:
    """Read an event with other content; None leaves a key out."""
    event = {**EVENT, **changes}
    return Request.from_api_gateway({key: value for key, value in event.items() if value is not None})


def test_request_is_read() -> None:
    """Method, path, address and body are taken over; names of headers lose their case."""
    assert read() == Request(
        method="POST",
        path="/databricks",
        headers={"x-databricks-signature": "a", "content-type": "application/json"},
        body=b"{}",
        source_ip="192.0.2.7",
    )


@pytest.mark.parametrize(
    ("body", "encoded", "expected"),
    [
        (None, False, b""),
        ("", True, b""),
        ("ä", False, "ä".encode()),
        ("\ud800", False, b"\xed\xa0\x80"),
        (base64.b64encode(b"\xff\x00").decode(), True, b"\xff\x00"),
    ],
)
def test_body_is_the_bytes_that_were_sent(body: str | None, encoded: bool, expected: bytes) -> None:  # noqa: FBT001
    """A signature is over bytes, so they are restored exactly."""
    assert read(body=body, isBase64Encoded=encoded).body == expected


@pytest.mark.parametrize("body", ["a", "!!!!", "YQ==YQ", "ä"])
def test_broken_base64_is_malformed(body: str) -> None:
    """A body that only claims to be base64 is refused."""
    with pytest.raises(Malformed):
        read(body=body, isBase64Encoded=True)


@pytest.mark.parametrize(
    ("body", "encoded", "large"),
    [
        ("x" * 12, False, False),
        ("x" * 13, False, True),
        (base64.b64encode(b"x" * 12).decode(), True, False),
        ("!" * 24, True, True),
    ],
)
def test_a_body_over_the_limit_is_refused_undecoded(body: str, encoded: bool, large: bool) -> None:  # noqa: FBT001
    """What can't be within the limit is refused before anything of it is decoded, broken base64 included."""
    event = {**EVENT, "body": body, "isBase64Encoded": encoded}
    refused = ""
    try:
        Request.from_api_gateway(event, 12)
    except http.Refused as error:
        refused = error.reason
    assert refused == ("too-large" if large else "")


def test_request_without_headers_is_read() -> None:
    """Nothing but method, path and address is needed."""
    assert read(headers=None, isBase64Encoded=None).headers == {}


def test_answer_is_json_of_its_content() -> None:
    """What log and metrics say is no part of the answer."""
    response = Response(HTTPStatus.ACCEPTED, {"deliveries": []}, {Metric.QUEUED: 1}, facts={"model": "churn"})
    assert response.to_api_gateway() == {
        "statusCode": 202,
        "headers": {"content-type": "application/json"},
        "body": '{"deliveries": []}',
    }


@pytest.mark.parametrize(
    ("refused", "status", "reason", "headers"),
    [
        (http.NotFound, 404, "not-found", {}),
        (http.NotPost, 405, "not-post", {"allow": "POST"}),
        (http.TooLarge, 413, "too-large", {}),
        (http.Unauthorized, 401, "unauthorized", {}),
        (http.SecretUnusable, 401, "secret-unusable", {}),
        (http.Forbidden, 403, "forbidden", {}),
        (http.Malformed, 400, "malformed", {}),
        (http.NotStored, 503, "not-stored", {"retry-after": "30"}),
        (http.Unexpected, 503, "unexpected", {"retry-after": "30"}),
    ],
)
def test_refusal_has_its_answer(
    refused: type[http.Refused], status: int, reason: str, headers: dict[str, str]
) -> None:
    """Every refusal has a status, words for the sender, and a reason of its own for log and metrics."""
    response = Response.refusing(refused("Why it was refused."))
    answer = response.to_api_gateway()
    assert answer["statusCode"] == status
    assert json.loads(answer["body"]) == {"error": "Why it was refused."}
    assert answer["headers"] == {"content-type": "application/json", **headers}
    assert (response.reason, response.counts) == (reason, refused.counts)


def test_every_refusal_is_tested() -> None:
    """The table above is complete."""
    [mark] = test_refusal_has_its_answer.pytestmark  # type: ignore[attr-defined]  # pytest adds it
    direct = set(http.Refused.__subclasses__())
    assert {case[0] for case in mark.args[1]} == direct.union(*(each.__subclasses__() for each in direct))
