"""What dispatch and the operator read: messages, templates, GitHub's secret and answers, dead letters."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, Final

from functions.core.delivery import Delivery, MalformedMessage
from functions.core.settings import Target as Destination
from functions.core.template import FIELDS, MissingField, TemplateError, check, fill, needs
from functions.core.template import texts as texts_of
from functions.dispatch.app import App, UnreadableKey, sign
from functions.dispatch.credentials import NoCredential, parse
from functions.dispatch.lookup import listed
from functions.dispatch.outcome import (
    DeadLetter,
    Dispatched,
    Failed,
    Limited,
    Rejected,
    judge,
    judge_trouble,
    used_up,
)
from functions.dispatch.request import Unshapeable, shape
from functions.dispatch.transport import Answer
from functions.operate.letters import Letter
from modelrelay.errors import CommandError
from modelrelay.operate.edited import read_lines

from ..unit.samples import EVENT, NOW, ROUTE, delivery
from .mutation import bytes_of
from .parser_targets import written
from .target import Target, given, hold, number, of_kind, silent, text, texts

_DAY: Final = 24 * 3600.0
_TOKEN: Final = "ghp_" + "A1b2" * 9
_PAYLOADS: Final[tuple[dict[str, Any], ...]] = (
    {
        "event_type": "model",
        "client_payload": {"all": ["${model_name:-}", "${tags.team:-}", {"n": 1}], "t": "$$"},
    },
    {},
)


def check_message(data: bytes) -> None:
    """Read a queue's message as dispatch does, and once more with the id that follows from its content."""
    body = data.decode("utf-8", "replace")
    _read(body)
    content = given(data)
    event, accepted_at = content.get("event"), content.get("accepted_at")
    if (
        isinstance(event, dict)
        and isinstance(event.get("fact"), str)
        and isinstance(content.get("route"), str)
    ):
        drafted = Delivery(replace(EVENT, fact=event["fact"]), content["route"], int(NOW * 1000))
        _read(json.dumps({**content, "id": drafted.id, "accepted_at": accepted_at}))


def _read(body: str) -> None:
    try:
        read = Delivery.from_message(body)
    except MalformedMessage as error:
        silent(str(error), given(body.encode("utf-8", "replace")))
        return
    again = Delivery.from_message(read.to_message())
    hold((again, again.id, again.group) == (read, read.id, read.group), "read back it is another delivery")
    hold(json.loads(body)["id"] == read.id, "an id is taken that does not follow from the content")
    of_kind(read.id, "[0-9a-f]{32}", "the id is none")
    for payload in _PAYLOADS:
        shaped(read, replace(ROUTE.target, **payload))


def shaped(read: Delivery, target: Destination) -> None:
    """Have a delivery become a request that can be written, or a dead letter."""
    try:
        request = shape(read, replace(ROUTE, target=target))
    except Unshapeable as error:
        hold(
            error.reason in {"missing-field", "inputs-too-large", "payload-too-large"}, "for no known reason"
        )
        return
    hold(json.loads(json.dumps(request.content)) == request.content, "it can't be written")


def check_template(data: bytes) -> None:
    """Fill a template that the configuration may have, and compare with what a simpler reader makes of it."""
    content = given(data)
    template = content.get("template", "")
    values: dict[str, str | None] = {**dict.fromkeys(FIELDS), **texts(content, "values")}
    if not all(map(_accepted, texts_of(template))):
        return
    needed = {field for each in texts_of(template) for field in needs(each)}
    try:
        filled = fill(template, values)
    except MissingField as missing:
        hold(str(missing) in needed and values.get(str(missing)) is None, "a field is missing that is not")
        return
    hold(all(values.get(field) is not None for field in needed), "a missing field is not noticed")
    hold(filled == _filled(template, values), "it is filled with something else")


def _accepted(template: str) -> bool:
    try:
        check(template)
    except TemplateError:
        return False
    return True


def _filled(content: Any, values: dict[str, str | None]) -> Any:
    if isinstance(content, dict):
        return {key: _filled(value, values) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, values) for value in content]
    return _rendered(content, values) if isinstance(content, str) else content


def _rendered(template: str, values: dict[str, str | None]) -> str:
    """Fill a template that `check` accepts, from left to right and never twice."""
    made, rest = "", template
    while "$" in rest:
        before, _, rest = rest.partition("$")
        made += before
        if rest[:1] == "$":
            made, rest = made + "$", rest[1:]
            continue
        inside, _, rest = rest[1:].partition("}")
        field, _, fallback = inside.partition(":-")
        value = values.get(field)
        made += fallback if value is None else value
    return made + rest


def check_credential(data: bytes) -> None:
    """Read what a person may have put into GitHub's secret."""
    value = data.decode("utf-8", "replace").strip()
    try:
        credential = parse(value)
        if isinstance(credential, str):
            hold(
                credential.strip() and credential.isascii() and credential.isprintable(),
                "no header takes this token",
            )
        else:
            _sign(credential)
    except NoCredential as error:
        hold(error.reason in {"credential-missing", "credential-malformed"}, "for no known reason")
        silent(str(error), given(data))


def _sign(app: App) -> None:
    hold(
        app.client_id and app.installation_id.isdecimal() and app.installation_id.isascii(),
        "no path takes this number",
    )
    try:
        hold(sign(app, NOW).count(".") == 2, "what is signed is no JSON Web Token")
    except UnreadableKey as error:
        silent(str(error), app.private_key.split())


def check_answer(data: bytes) -> None:
    """Judge an answer of GitHub's: it means what its status says, and quotes nothing secret.

    The input's status is a hundred less than the answer's, so that every number is one.
    """
    content = given(data)
    answer = Answer(
        status=number(content, "status", 200) % 500 + 100,
        headers={name.lower(): value for name, value in texts(content, "headers").items()},
        body=bytes_of(text(content, "body")),
    )
    now = float(number(content, "now", int(NOW)) % 2**33)
    prose = list(texts(content, "prose").values())
    judged = judge(answer, now, prose)
    _has_its_kind(answer.status, judged)
    _says_nothing(judged.told.detail, prose)
    _pauses(judged)
    pause = used_up(answer, now)
    hold(pause is None or 1 <= pause <= _DAY, "a pause has no sensible length")
    trouble = judge_trouble(answer, now)
    hold(trouble is None or type(trouble) is type(judged) or answer.status < 300, "two judgements differ")
    for run in listed(answer) or []:
        hold(math.isfinite(run.created_at) and isinstance(run.id, int), "a run can't be compared")


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "2": (Dispatched, Failed),
    "429": (Limited,),
    "401": (Rejected,),
    "403": (Limited, Rejected),
    "408": (Failed,),
    "5": (Failed,),
}


def _has_its_kind(status: int, judged: Any) -> None:
    kinds = _KINDS.get(str(status)) or _KINDS.get(str(status)[0]) or (DeadLetter,)
    hold(isinstance(judged, kinds), f"a {status} is judged as {type(judged).__name__}")
    if isinstance(judged, Dispatched):
        hold(judged.run_id is not None or status == 204, "a run is said to be started that nobody named")


def _says_nothing(detail: str, prose: list[str]) -> None:
    hold(len(detail) <= 800, "a detail is too long")
    hold(_TOKEN not in detail, "a token is told")
    told = detail.replace("[redacted]", "\x00")
    for each in prose:
        hold(len(each) < 8 or each not in told or each in _OUR_HINTS, "prose is told")


_OUR_HINTS: Final = "\n".join(
    judge(Answer(status, {"x-accepted-github-permissions": "", "x-github-sso": ""}, b"{}"), NOW).told.detail
    for status in range(300, 500)
)


def _pauses(judged: Any) -> None:
    if isinstance(judged, Limited):
        hold(judged.seconds is None or 1 <= judged.seconds <= _DAY, "a pause has no sensible length")


def check_letter(data: bytes) -> None:
    """Read a dead letter with whatever body and attributes, and say of it what an operator is told."""
    content = given(data)
    body = text(content, "body", data.decode("utf-8", "replace"))
    written_on = {
        name: {"DataType": "String", "StringValue": each} for name, each in texts(content, "written").items()
    }
    message: Any = {
        "MessageId": "m-1",
        "ReceiptHandle": "h-1",
        "Body": body,
        "Attributes": {
            "MessageGroupId": text(content, "group"),
            "SentTimestamp": str(number(content, "sent") % 10**14),
        },
        "MessageAttributes": {**written_on, "blob": {"DataType": "Binary", "BinaryValue": b""}},
    }
    letter = Letter.from_message(message)
    hold((letter.delivery is None) == bool(letter.flaw), "it is neither a delivery nor flawed, or both")
    silent(letter.flaw, given(bytes_of(body)))
    hold(letter.reason and letter.id and letter.died_at, "it has no reason")
    told = [letter.route, letter.model, letter.detail, letter.buried_at]
    hold(all(isinstance(each, str | float) for each in told), "it can't be told")
    hold(not letter.delivery or letter.id == letter.delivery.id, "it goes by another id")


def check_export(data: bytes) -> None:
    """Read an edited export of dead letters: lines that can be sent, or an error that says which can't."""
    lines = data.decode("utf-8", "replace")
    try:
        for line in read_lines(lines):
            line.delivery.to_message().encode()
            again = Delivery.from_message(line.delivery.to_message())
            hold(again == line.delivery, "read back it is another delivery")
    except CommandError as error:
        hold("line 1" in str(error) or "line" in str(error), "the error names no line")


def targets() -> list[Target]:
    """Give the targets of dispatch and of the operator."""
    return [
        Target("message", _messages(), check_message),
        Target("template", [written(each) for each in _TEMPLATES], check_template),
        Target("credential", [written(each) for each in _CREDENTIALS], check_credential),
        Target("answer", [written(each) for each in _ANSWERS], check_answer),
        Target("letter", [written(_letter(each.decode())) for each in _messages()], check_letter),
        Target("export", [written(_line(json.loads(each))) for each in _messages()], check_export),
    ]


def _messages() -> list[bytes]:
    job = {"kind": "job.failed", "model_name": None, "version": None, "job_id": "5", "job_name": "nightly"}
    all_changes: list[dict[str, Any]] = [
        {},
        {"tags": {"team": "risk", "note": "hello"}},
        {"alias": "champion"},
        job,
    ]
    return [delivery(**changes).to_message().encode() for changes in all_changes]


def _letter(body: str) -> dict[str, Any]:
    return {
        "body": body,
        "written": {"reason": "expired", "detail": "words"},
        "group": "g",
        "sent": 1_790_000_000_000,
    }


def _line(body: Any) -> dict[str, Any]:
    return {
        "message_id": "m-1",
        "body": body,
        "attributes": {"reason": "expired"},
        "dead_lettered_at": "2026-09-21T14:13:20.000+00:00",
    }


_TEMPLATES: Final[list[Any]] = [
    {
        "template": "${model_name} $${x} ${tags.team:-none}",
        "values": {"model_name": "churn", "tags.team": "$${version}"},
    },
    {
        "template": {"a": ["${version:-0}", 1, None], "b": {"c": "${to_stage}"}},
        "values": {"version": "8", "to_stage": ""},
    },
    {"template": "plain", "values": {}},
]
_CREDENTIALS: Final[list[Any]] = [
    {"token": _TOKEN},
    {
        "client_id": "Iv1.0123456789abcdef",
        "installation_id": 12345,
        "private_key": "-----BEGIN RSA PRIVATE KEY-----\\nAAAA\\n-----END RSA PRIVATE KEY-----",
    },
    {"token": ""},
]
_RUN: Final = {
    "id": 1,
    "display_title": "t",
    "html_url": "https://github.com/a/b/actions/runs/1",
    "head_branch": "main",
    "actor": {"login": "bot"},
    "created_at": "2026-09-21T14:13:20Z",
}
_ANSWERS: Final[list[Any]] = [
    {
        "status": 100,
        "headers": {},
        "body": json.dumps({"workflow_run_id": 1, "html_url": "https://github.com/x"}),
        "now": int(NOW),
    },
    {"status": 104, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1790000600"}, "body": ""},
    {
        "status": 303,
        "headers": {
            "Retry-After": "60",
            "X-GitHub-SSO": "required; url=https://x",
            "X-Accepted-GitHub-Permissions": "actions=write",
        },
        "body": json.dumps({"message": f"rate limit {_TOKEN} suspended"}),
    },
    {"status": 329, "headers": {"Retry-After": "Mon, 23 Nov 2026 06:00:00 GMT"}, "body": "{}"},
    {
        "status": 322,
        "headers": {},
        "body": json.dumps({"message": "Unexpected value 'private words of somebody'"}),
        "prose": {"a": "private words of somebody"},
    },
    {"status": 100, "headers": {}, "body": json.dumps({"workflow_runs": [_RUN]})},
    {"status": 402, "headers": {}, "body": "<html>"},
]
