"""The senders' verifiers: requests are signed, and then bent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from functions.ingest.http import Request, SecretUnusable
from functions.ingest.sender import Sender
from functions.ingest.senders import SENDERS

from ..unit.samples import NOW
from . import oracle
from .function import MOMENT, SECRETS
from .mutation import bytes_of
from .parser_targets import payloads, request, written
from .target import Target, given, hold, number, text, texts

WRONG: Final = {
    "databricks": "wrong",
    "mlflow": "wrong",
    "databricks-jobs": '{"username": "databricks", "password": "wrong"}',
    "events": "d3Jvbmc=",
}


def check_verifier(sender: Sender, data: bytes) -> None:
    """Sign a body, bend what was signed, and have the verifier say of it what the oracle says."""
    content = given(data)
    sent = signed(sender.name, content)
    secrets = [*SECRETS[sender.name], *_storable(texts(content, "secrets").values())]
    secrets = secrets[number(content, "skip") % 4 :]
    try:
        verdict = sender.verify(sent, secrets, NOW)
    except SecretUnusable:
        hold(
            not any(oracle.usable(sender.name, each) for each in secrets),
            "a usable secret is called unusable",
        )
        return
    expected = oracle.genuine(sender.name, sent.headers, sent.body, secrets, NOW)
    hold(verdict == expected, "a forgery passes" if verdict else "a genuine request is refused")


def _storable(secrets: Iterable[str]) -> list[str]:
    """Keep what Secrets Manager can hold, and ingest hands to a verifier: no empty one."""
    return [each.encode("utf-8", "replace").decode() for each in secrets if each]


def signed(sender: str, content: dict[str, Any]) -> Request:
    """Give a request as the input has it.

    It is signed by `by` with its secret of the number `secret`, of which 2 is a wrong one, and then bent:
    `headers` replace others, in which `{}` stands for the right value, and `edits` change bytes of the body.
    """
    by = text(content, "by", sender)
    body = bytes_of(text(content, "body"))
    headers = _proof(by if by in SECRETS else sender, content, body)
    for name, value in texts(content, "headers").items():
        headers[name.lower()] = value.replace("{}", headers.get(name.lower(), ""))
    for name in texts(content, "without"):
        headers.pop(name.lower(), None)
    return request(sender, _edited(body, content.get("edits")), headers or {"x": "x"})


def _proof(by: str, content: dict[str, Any], body: bytes) -> dict[str, str]:
    which = number(content, "secret") % 3
    secret = SECRETS[by][which] if which < 2 else WRONG[by]
    moment = str(int(MOMENT) + number(content, "age"))
    return oracle.headers_of(by, secret, body=body, number=text(content, "id", "msg-1"), moment=moment)


def _edited(body: bytes, edits: Any) -> bytes:
    """Change bytes of a body: a list of places and what to add to the byte there."""
    edited = bytearray(body)
    for edit in edits if isinstance(edits, list) else ():
        match edit:
            case [int() as place, int() as by] if edited:
                edited[place % len(edited)] = (edited[place % len(edited)] + by) % 256
    return bytes(edited)


def seeds(sender: str) -> list[bytes]:
    """Give signed requests as inputs, for a verifier and for the handler."""
    usual: dict[str, Any] = {
        "to": f"/{sender}",
        "by": sender,
        "id": "msg-1",
        "secret": 0,
        "age": 0,
        "method": 0,
    }
    [header, *_] = oracle.headers_of(sender, SECRETS[sender][0], body=b"", number="1", moment=MOMENT)
    bent: list[dict[str, Any]] = [
        {},
        {"secret": 1, "encoded": True, "address": 1, "limited": True},
        {"edits": [[5, 1]], "headers": {header: "{}"}, "without": {"x": header}},
        {"failing": "SendMessage", "secrets": {"a": SECRETS[sender][0]}, "skip": 2},
    ]
    return [
        written({**usual, "body": json.dumps(payload), **change})
        for payload in payloads(sender)
        for change in bent
    ]


def targets() -> list[Target]:
    """Give a target for each sender's verifier."""
    return [
        Target(f"verify-{name}", seeds(name), partial(check_verifier, sender))
        for name, sender in SENDERS.items()
    ]
