"""Floods of bad requests: what they cost, that memory stays flat, and that true webhooks get through."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import logging
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.core import aws as clients
from functions.core.metrics import INGEST
from functions.core.secrets import FAILURE_SECONDS, TTL_SECONDS, Secret
from functions.ingest.http import Request
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.senders import SENDERS
from tests.pipeline.conftest import Pipeline, eventually
from tests.pipeline.flood_ingest import MAX_BODY, Function, facts, gateway, running
from tests.unit.aws import Aws
from tests.unit.conftest import aws, clock
from tests.unit.ingest.test_forgery import GOOD, SECRETS, other
from tests.unit.ingest.test_ingest import PROOF
from tests.unit.ingest.webhooks import ALIAS_SET, OWN, SECRET, changed, mlflow, own, sign
from tests.unit.samples import SETTINGS, Clock

__all__ = ["aws", "clock"]  # the fixtures that are used here

FLOOD = 1_000
READS = 2
"""A secret is read by its two versions."""


@pytest.fixture
def function(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """The function, cold."""
    with running(aws, tmp_path, monkeypatch) as started:
        yield started


def forged(name: str) -> Request:
    """Give a sender's request with everything in its place and one character of its proof wrong."""
    good = GOOD[name]
    return replace(good, headers={**good.headers, PROOF[name]: other(good.headers[PROOF[name]], 20)})


@pytest.mark.parametrize("name", SENDERS)
def test_flood_without_proof_costs_no_call(function: Function, name: str) -> None:
    """Whoever proves nothing costs no call, not even the first of them on a cold function."""
    missing = [
        replace(GOOD[name], headers={key: value for key, value in GOOD[name].headers.items() if key != left})
        for left in GOOD[name].headers
    ]
    for request in itertools.islice(itertools.cycle([*missing, replace(GOOD[name], headers={})]), FLOOD):
        assert function.status(request) == 401
    assert function.calls == {}


@pytest.mark.parametrize("name", SENDERS)
def test_flood_of_forgeries_costs_one_reading_of_the_secret(function: Function, name: str) -> None:
    """A forgery in the right form can't be told without the secret, which is read once for all of them."""
    request = forged(name)
    for _ in range(FLOOD):
        assert function.status(request) == 401
    assert function.calls == {"GetSecretValue": READS}
    assert {each["SecretId"] for each in function.aws.parameters("GetSecretValue")} == {name}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (gateway("POST", "/", {}, "{}"), 404),
        (gateway("POST", "/databricks/x", {"x-databricks-signature": "a"}, "{}"), 404),
        (gateway("GET", "/databricks", {"x-databricks-signature": "a"}, ""), 405),
        (gateway("POST", "/databricks", {"x-databricks-signature": "a"}, " " * (MAX_BODY + 1)), 413),
        (
            gateway(
                "POST",
                "/databricks",
                {"x-databricks-signature": "a"},
                "!" * 2 * MAX_BODY,
                isBase64Encoded=True,
            ),
            413,
        ),
        (gateway("POST", "/databricks", {"x-databricks-signature": "a"}, "!!!", isBase64Encoded=True), 400),
    ],
    ids=["no path", "no sender", "no post", "too large", "too large as base64", "no base64"],
)
def test_flood_of_nonsense_costs_no_call(function: Function, event: dict[str, Any], status: int) -> None:
    """What is wrong at sight is refused at sight."""
    assert {function.event(event)["statusCode"] for _ in range(FLOOD // 10)} == {status}
    assert function.calls == {}


def test_flood_from_elsewhere_costs_no_call(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address outside the allowed networks makes nobody ask for a secret, whatever it sends."""
    with running(aws, tmp_path, monkeypatch, allowed_cidrs=("198.51.100.0/24",)) as function:
        assert {function.status(request) for request in GOOD.values() for _ in range(FLOOD // 10)} == {403}
        assert function.calls == {}


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 400), ("InternalServiceError", 500)])
def test_flood_against_a_broken_secrets_manager_asks_it_once_in_a_while(
    aws: Aws, clock: Clock, code: str, status: int
) -> None:
    """A minute of 50 forgeries a second costs a look in five seconds; what is genuine passes soon after."""
    aws.keep_secret("databricks", SECRETS["databricks"])
    aws.fail("GetSecretValue", code, status=status)
    ingest = Ingest(
        SETTINGS,
        {"databricks": SENDERS["databricks"]},
        {"databricks": Secret(clients.client("secretsmanager"), "databricks", clock)},
        DeliveryQueue(clients.client("sqs"), "http://127.0.0.1/queue"),
        clock,
    )
    for _ in range(60 * 50):
        answer = ingest.answer(forged("databricks"))
        assert (answer.status, answer.headers) == (503, {"retry-after": "30"})
        clock.now += 1 / 50
    tries = 1 if status < 500 else 2  # the client's own second try, where the service failed
    assert len(aws.calls) == tries * 60 // FAILURE_SECONDS
    aws.mend()
    clock.now += FAILURE_SECONDS
    assert ingest.answer(GOOD["databricks"]).status == 202


def test_flood_while_secrets_manager_is_down_costs_a_warm_function_next_to_nothing(
    aws: Aws, clock: Clock
) -> None:
    """Where the secret is known, it stays in force, and is asked for once in its time to live."""
    secret = Secret(clients.client("secretsmanager"), "databricks", clock)
    aws.keep_secret("databricks", SECRET)
    queue = DeliveryQueue(clients.client("sqs"), "http://127.0.0.1/queue")
    ingest = Ingest(SETTINGS, {"databricks": SENDERS["databricks"]}, {"databricks": secret}, queue, clock)
    assert ingest.answer(forged("databricks")).status == 401
    aws.fail("GetSecretValue")
    for _ in range(10 * 60):
        assert ingest.answer(forged("databricks")).status == 401
        clock.now += 1
    assert len(aws.calls) == READS + 10 * 60 // TTL_SECONDS
    assert ingest.answer(GOOD["databricks"]).status == 202


BOMBS = {
    "nested lists": b"[" * 500_000,
    "nested objects": b'{"a":' * 200_000,
    "nested and closed": b"[" * 400_000 + b"]" * 400_000,
    "a number of a million digits": b'{"event_timestamp": ' + b"9" * 1_000_000 + b"}",
    "a number beyond all": json.dumps(changed()).encode().replace(b"1589859029343", b"1e99999"),
    "a million keys": b"{" + b",".join(b'"%x":0' % number for number in range(90_000)) + b"}",
    "zeros, compressed": gzip.compress(bytes(200_000_000), 1)[:MAX_BODY],
    "bytes of no text": b"\xff\xfe" * 500_000,
    "one long string": b'{"event": "' + b"x" * 1_000_000 + b'"}',
    "one long escape": b'{"event": "' + b"\\u0041" * 160_000 + b'"}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_in_a_body_is_a_refusal(function: Function, name: str) -> None:
    """Signed, it is told to be malformed; unsigned, it is not even read. Neither takes much memory."""
    body = BOMBS[name]
    event = gateway("POST", "/databricks", {"x-databricks-signature": sign(body)}, "", isBase64Encoded=True)
    event |= {"body": base64.b64encode(body).decode()}
    assert function.event(event)["statusCode"] == 400
    tracemalloc.start()
    assert function.event(event | {"headers": {"x-databricks-signature": sign(b"")}})["statusCode"] == 401
    _, unsigned = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert function.event(event)["statusCode"] == 400
    _, signed = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert unsigned < 4 * MAX_BODY
    assert signed < 64 * MAX_BODY


@pytest.mark.parametrize("encoded", [False, True])
def test_body_over_the_limit_is_never_decoded(function: Function, encoded: bool) -> None:  # noqa: FBT001 - a row
    """Ten megabytes cost no memory beyond those that API Gateway handed over."""
    event = gateway("POST", "/databricks", {"x-databricks-signature": "0" * 64}, "A" * 10_000_000)
    event |= {"isBase64Encoded": encoded}
    function.event(event)
    tracemalloc.start()
    assert function.event(event)["statusCode"] == 413
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("size", [MAX_BODY - 1, MAX_BODY])
@pytest.mark.parametrize("encoded", [False, True])
def test_limit_is_the_same_however_the_body_comes(function: Function, encoded: bool, size: int) -> None:  # noqa: FBT001 - a row
    """A body of the limit's size passes, and a byte more does not, as text and as base64."""
    for more, status in ((0, 202), (MAX_BODY + 1 - size, 413)):
        body = json.dumps(changed()).encode().ljust(size + more)
        event = gateway("POST", "/databricks", {"x-databricks-signature": sign(body)}, body.decode())
        if encoded:
            event |= {"isBase64Encoded": True, "body": base64.b64encode(body).decode()}
        assert function.event(event)["statusCode"] == status


HOSTILE = 'x\r\nset-cookie: a=b\r\n\r\n{"level": "INFO"}\n\x00\x1b[2J'


@pytest.mark.parametrize("place", ["method", "path", "header", "name", "body"])
def test_nothing_is_injected_into_answer_or_log(function: Function, place: str) -> None:
    """Line ends and escapes end up in no header and make no line of their own, wherever they come from."""
    spots = {"method": "POST", "path": "/databricks", "header": "0" * 64, "name": "x-a", "body": "{}"}
    spots[place] = HOSTILE
    headers = {"x-databricks-signature": spots["header"], spots["name"]: HOSTILE}
    answer = function.event(gateway(spots["method"], spots["path"], headers, spots["body"]))
    assert answer["statusCode"] in {401, 404, 405}
    assert answer["headers"].items() <= {"content-type": "application/json", "allow": "POST"}.items()
    assert json.loads(answer["body"]).keys() == {"error"}
    (line,) = function.log.take()
    assert line.isascii()
    assert len(facts(line).get("method", "")) <= 20
    assert len(function.metrics.take()) == 1


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Log nothing: pytest would keep every line."""
    logger = logging.getLogger(INGEST)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.mark.usefixtures("unlogged")
def test_flood_leaves_no_memory_behind(function: Function) -> None:
    """Of thousands of requests, each another one, neither path nor header nor body is kept."""
    numbers = itertools.count()

    def some(count: int) -> int:
        for number in itertools.islice(numbers, count):
            signature = f"{number:064x}"
            noise = {f"x-{number}": "n" * 200, "x-databricks-signature": signature}
            function.event(gateway("POST", f"/databricks/{number}", noise, "b" * 2_000))
            function.event(gateway("POST", "/databricks", noise, f"{number} " * 500))
            function.metrics.take()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before = some(300)
    after = some(1_000)
    tracemalloc.stop()
    assert after - before < 20_000
    assert function.calls == {"GetSecretValue": READS}


def test_true_webhooks_get_through_a_flood(pipeline: Pipeline) -> None:
    """While the deployed function is flooded, each genuine event is taken, started, and nothing else is."""
    model, marker = f"model-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    body = json.dumps({"event": marker}).encode()
    bad = [
        ("/databricks", body, {}),
        ("/databricks", body, {"X-Databricks-Signature": "0" * 64}),
        ("/databricks", body + b" " * MAX_BODY, {"X-Databricks-Signature": "0" * 64}),
        ("/mlflow", b"{" + body, {"X-MLflow-Signature": "v1,AAAA"}),
        (f"/{marker}", body, {}),
    ]

    def abuse(number: int) -> int:
        path, content, headers = bad[number % len(bad)]
        return pipeline.request("POST", path, content, {"Content-Type": "application/json", **headers}).status

    with ThreadPoolExecutor(3) as forgers:
        statuses = [forgers.submit(abuse, number) for number in range(200)]
        deliveries = [pipeline.send(model, version, event_timestamp=version) for version in range(1, 6)]
    assert {each.result() for each in statuses} == {401, 404, 413}
    assert len(set(deliveries)) == 5
    runs = eventually(lambda: len(found := pipeline.runs(model)) == 5 and found)
    assert [run["inputs"]["model_version"] for run in runs] == ["1", "2", "3", "4", "5"]
    assert [run for run in pipeline.github("GET", "runs") if marker in json.dumps(run)] == []


def test_good_request_is_taken(function: Function) -> None:
    """Each sender's genuine request passes here, or the floods above would prove nothing."""
    timely = GOOD | {"mlflow": mlflow(ALIAS_SET, at=time.time()), "events": own(OWN, at=time.time())}
    assert [function.status(request) // 100 for request in timely.values()] == [2] * len(SENDERS)
