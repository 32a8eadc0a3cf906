"""The ingest handler as a whole: signed and bent requests, and events that API Gateway never makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from functions.ingest.http import Request
from functions.ingest.senders import SENDERS

from ..unit.samples import NOW
from . import oracle
from .function import SECRETS, STORAGE, Function, Told, gateway_event, settings
from .parser_targets import written
from .target import OUR_WORDS, Target, given, hold, leaves, number, text
from .verifier_targets import seeds, signed

_ADDRESSES: Final = ("192.0.2.7", "2001:db8::1", "198.51.100.1")
_METHODS: Final = ("POST", "GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


@cache
def _function(limited: bool) -> Function:  # noqa: FBT001 - a key of the cache
    cidrs = {"allowed_cidrs": ("192.0.2.0/24", "2001:db8::/32")} if limited else {}
    return Function(settings(**cidrs, max_body_bytes=4096))


def check_handler(data: bytes) -> None:
    """Hand over an event of API Gateway's, twice, and hold what came of it against what had to."""
    content = given(data)
    function = _function(bool(content.get("limited")))
    failing = text(content, "failing")
    with function:
        if "event" in content:
            check_told(function.call(content["event"]), None, foreseen=False)
            return
        sent = _sent(content)
        event = gateway_event(
            method=sent.method,
            path=sent.path,
            headers=sent.headers,
            body=sent.body,
            source_ip=sent.source_ip,
            encoded=bool(content.get("encoded")),
        )
        told = function.call(event, failing if failing in STORAGE else "")
        check_told(told, sent, foreseen=failing not in STORAGE)
        secret_things(told, sent)
        again = function.call(event)
        if failing not in STORAGE:
            hold(again.answer == told.answer, "the same request has another answer")
            hold(again.sent == told.sent, "the same request is stored as something else")


def _sent(content: dict[str, Any]) -> Request:
    sender = text(content, "to", "databricks").removeprefix("/")
    proven = signed(sender if sender in SECRETS else "databricks", content)
    return Request(
        _METHODS[number(content, "method") % len(_METHODS)],
        f"/{sender}",
        proven.headers,
        proven.body,
        _ADDRESSES[number(content, "address") % len(_ADDRESSES)],
    )


def check_told(told: Told, sent: Request | None, *, foreseen: bool) -> None:
    """Have an answer be one of those that are promised, with nothing stored or lost behind its back."""
    allowed = {200, 202, 400, 401, 403, 404, 405, 413} | (set() if foreseen else {503})
    hold(told.status in allowed, f"the answer is a {told.status}")
    [key] = told.content
    hold(key == {202: "deliveries", 200: "ignored"}.get(told.status, "error"), "the answer has another form")
    hold(
        (told.status == 202) == bool(told.sent) or told.status == 503,
        "stored and not said, or said and not stored",
    )
    if told.status == 202:
        ids = [{"id": each.id, "route": each.route} for each in told.deliveries]
        hold(told.content["deliveries"] == ids, "other deliveries are stored than are answered")
        hold(
            [each["MessageDeduplicationId"] for each in told.sent] == [each["id"] for each in ids],
            "SQS sees other ids",
        )
    lines = [json.loads(line) for line in told.log.split("\n") if line]
    hold(
        [line["status"] for line in lines if line["message"] == "request"] == [told.status],
        "the log does not tell it",
    )
    hold(len(told.log) < 8_192, "a log line is too long")
    hold(told.metrics.count("_aws") == 1, "it is not counted")
    if sent and told.status in {200, 202, 400}:
        genuine(sent)


def genuine(sent: Request) -> None:
    """Have a request that was let in be genuine by the oracle, and at a sender's path."""
    name = sent.path.removeprefix("/")
    hold(sent.method == "POST" and name in SECRETS, "something is taken at a place where nothing is")
    hold(oracle.genuine(name, sent.headers, sent.body, SECRETS[name], NOW), "a forgery is let in")


def secret_things(told: Told, sent: Request) -> None:
    """Have nothing shown of a secret, a proof, prose or tags' values."""
    shown = "\n".join([told.log, json.dumps(told.answer), told.metrics])
    hidden = [each for pair in SECRETS.values() for each in pair]
    proofs = [value for name, value in sent.headers.items() if "signature" in name or name == "authorization"]
    hidden += [proof for proof in proofs if len(proof) > 30]
    said = sent.path + sent.body.decode("utf-8", "replace")  # Who sends a secret as a model's name tells it.
    hold(not any(each in shown and each not in said for each in hidden), "a secret or a proof is shown")
    named = [sent.path, *said_besides(given(sent.body))]
    for each in prose_of(given(sent.body)):
        told_of = each in shown or json.dumps(each)[1:-1] in shown
        hold(not told_of or each in OUR_WORDS or any(each in other for other in named), "prose is shown")


def prose_of(body: dict[str, Any]) -> Iterator[str]:
    """Give what people wrote, where it is long enough to be told from anything else."""
    data = body["data"] if isinstance(body.get("data"), dict) else {}
    prose = [*map(body.get, ("text", "comment", "user_id")), *map(data.get, ("value", "description"))]
    tags = [values for values in (body.get("tags"), data.get("tags")) if isinstance(values, dict | list)]
    return (each for each in leaves([*prose, *tags]) if len(each) >= 12)


def said_besides(body: dict[str, Any]) -> list[str]:
    """Give the texts that may be shown, which may hold the same words."""
    data = body["data"] if isinstance(body.get("data"), dict) else {}
    return list(
        leaves([body[key] for key in body.keys() - _PROSE] + [data[key] for key in data.keys() - _PROSE])
    )


_PROSE: Final = frozenset({"text", "comment", "user_id", "value", "description", "tags", "data"})


def _odd_events() -> list[bytes]:
    event = gateway_event(method="POST", path="/databricks", headers={"a": "b"}, body=b"{}")
    return [written({"event": event}), b'{"event": null}']


def targets() -> list[Target]:
    """Give the handler as a target."""
    signed_seeds = [seed for name in SENDERS for seed in seeds(name)]
    return [Target("handler", [*signed_seeds, *_odd_events()], check_handler)]
