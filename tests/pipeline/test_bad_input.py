"""Whatever is sent, ingest answers by the table and never with a 5xx."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pipeline.conftest import Pipeline, transition


def event(**fields: Any) -> bytes:
    """Write a good event but for some fields; a field of None is left out."""
    content = json.loads(transition("bad-input", 8)) | fields
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


SIGNED: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("no json", b"hello", 400),
    ("a list", b"[]", 400),
    ("a number", b"1", 400),
    ("null", b"null", 400),
    ("nested lists", b"[" * 10_000 + b"]" * 10_000, 400),
    ("nested objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
    ("a huge number", b'{"event_timestamp": ' + b"9" * 5_000 + b"}", 400),
    ("not a number", b'{"event": NaN}', 400),
    ("over the limit", b" " * (1024 * 1024 + 1), 413),
    ("10 MB", b" " * 10_000_000, 413),
    ("raw NUL", b'{"event": "\x00"}', 400),
    ("NUL in a name", event(model_name="a\0b"), 400),
    ("lone surrogate in a name", event(model_name="a\ud800b"), 400),
    ("lone surrogate in a tag", event(tags=[{"key": "k", "value": "\udfff"}]), 400),
    ("a character that no queue takes", event(tags=[{"key": "k", "value": "\uffff"}]), 400),
    ("a comment nested deep", event(comment="x").replace(b'"x"', b"[" * 980 + b"]" * 980), 400),
    ("no event", event(event=""), 200),
    ("event missing", event(event=None), 400),
    ("webhook_id missing", event(webhook_id=None), 400),
    ("event_timestamp missing", event(event_timestamp=None), 400),
    ("model_name missing", event(model_name=None), 400),
    ("text missing", event(text=None, version="101"), 202),
    ("extra fields", event(more={"a": [1]}, version="102"), 202),
    ("model_name of a number", event(model_name=5), 400),
    ("model_name of a list", event(model_name=[]), 400),
    ("model_name too long", event(model_name="m" * 2_000), 400),
    ("version as int", event(version=103), 202),
    ("version of words", event(version="latest"), 400),
    ("version of a fraction", event(version=8.5), 400),
    ("event_timestamp of text", event(event_timestamp="1589859029343"), 400),
    ("event_timestamp of true", event(event_timestamp=True), 400),
    ("event_timestamp before 1970", event(event_timestamp=-1), 400),
    ("event_timestamp after all", event(event_timestamp=10**30), 400),
    ("tags of text", event(tags="x"), 400),
    ("tags of numbers", event(tags=[1]), 400),
    ("empty model name", event(model_name=""), 200),
    ("an event of tomorrow", event(event="MODEL_VERSION_BLESSED"), 200),
    ("a name in many scripts", event(model_name="模型 😀 é", version="104"), 202),
]


@pytest.mark.parametrize(("body", "status"), [row[1:] for row in SIGNED], ids=[row[0] for row in SIGNED])
def test_a_signed_body_gets_the_answer_of_the_table(pipeline: Pipeline, body: bytes, status: int) -> None:
    """What the true sender sends wrong is its fault, is told so, and never a server error."""
    reply = pipeline.post(body)
    assert reply.status == status
    key = {202: "deliveries", 200: "ignored"}.get(status, "error")
    assert list(reply.json()) == [key]


def test_bytes_that_are_not_text_are_malformed(pipeline: Pipeline) -> None:
    """A body that API Gateway hands over as base64 is checked as the bytes that were sent."""
    body = b'{"event": "\xff\xfe"}'
    headers = {**pipeline.signed(body), "Content-Type": "application/octet-stream"}
    assert pipeline.post(body, headers).status == 400


def test_a_binary_content_type_changes_nothing(pipeline: Pipeline) -> None:
    """A good event arrives whatever its content type, base64 on the way or not."""
    body = event(version="105")
    headers = {**pipeline.signed(body), "Content-Type": "application/octet-stream"}
    assert pipeline.post(body, headers).status == 202


def test_a_headers_case_does_not_matter(pipeline: Pipeline) -> None:
    """Header names are looked up without regard to case."""
    body = event(version="106")
    signature = pipeline.signed(body)["X-Databricks-Signature"]
    assert pipeline.post(body, {"x-DATABRICKS-sIgNaTuRe": signature}).status == 202


@pytest.mark.parametrize("signature", ["", "é" * 32, "0" * 64, "0f7af7f4", " "], ids=ascii)
def test_a_wrong_signature_is_a_401(pipeline: Pipeline, signature: str) -> None:
    """Whatever stands in the signature's place is compared, refused, and not explained."""
    headers = {"Content-Type": "application/json", "X-Databricks-Signature": signature}
    reply = pipeline.post(event(), headers)
    assert (reply.status, reply.json()) == (
        401,
        {"error": "The request does not prove that it comes from this sender."},
    )


def test_a_missing_signature_is_a_401(pipeline: Pipeline) -> None:
    """An unsigned request is refused, even where its body is empty."""
    assert pipeline.post(event(), {}).status == 401
    assert pipeline.request("POST", "/databricks", None, {}).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/databricks", 405),
        ("PUT", "/databricks", 405),
        ("DELETE", "/databricks", 405),
        ("POST", "/", 404),
        ("POST", "/nobody", 404),
        ("GET", "/favicon.ico", 404),
        ("POST", "/databricks/more", 404),
    ],
)
def test_a_wrong_path_or_method_is_told(pipeline: Pipeline, method: str, path: str, status: int) -> None:
    """A wrong path is a 404 and a wrong method a 405, each with the right one in its answer."""
    reply = pipeline.request(method, path, None, {})
    assert reply.status == status
    assert "/databricks" in reply.json()["error"] or reply.headers["allow"] == "POST"
