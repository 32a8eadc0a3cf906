"""What a first request loads, and what it asks of AWS and GitHub: each costs time at every cold start."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bundles, samples
from benchmarks.standin import StandIn
from functions.core.settings import FILE_NAME
from infra import bundling

from .conftest import MakeBundle
from .running import run

CALL = """
import importlib, os
from types import SimpleNamespace
module = importlib.import_module(asked["module"])
context = SimpleNamespace(function_name="f", memory_limit_in_mb=512, invoked_function_arn="a",
    aws_request_id="r", get_remaining_time_in_millis=lambda: 120_000)
said = [module.handler(event, context) for event in asked["events"]]
loaded = [name for name in sys.modules if name.partition(".")[0] not in sys.stdlib_module_names]
answer = {"said": said, "loaded": loaded, "standard": [name for name in sys.modules if name not in loaded]}
"""

PACKAGES = {
    "aws_lambda_powertools",
    "botocore",
    "dateutil",
    "functions",
    "jmespath",
    "typing_extensions",
    "urllib3",
}
NEVER = (
    "asyncio.base_events",
    "html.parser",
    "importlib.metadata",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.data_classes.alb_event",
    "aws_lambda_powertools.utilities.parser",
    "botocore.docs.client",
    "botocore.docs.bcdoc",
    "urllib3.http2.connection",
)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """AWS and GitHub."""
    with StandIn(samples.SECRET) as started:
        yield started


def call(
    made: MakeBundle, stand_in: StandIn, bundle: bundling.Bundle, *events: Any, python: str = sys.executable
) -> dict[str, Any]:
    """Call a function some times in one process."""
    with tempfile.TemporaryDirectory() as scratch:
        machine = bundling.HERE if python == sys.executable else bundling.LAMBDA
        folder = shutil.copytree(made(bundle, machine), Path(scratch, "bundle"))
        return called(folder, stand_in, bundle, list(events), python)


def called(
    folder: Path, stand_in: StandIn, bundle: bundling.Bundle, events: list[Any], python: str
) -> dict[str, Any]:
    """Call the function in a folder that may be written to."""
    (folder / FILE_NAME).write_text(samples.settings(stand_in.url).to_json(), encoding="utf-8")
    variables = {
        "AWS_ENDPOINT_URL": stand_in.url,
        "POWERTOOLS_METRICS_NAMESPACE": "ModelRelay",
        "QUEUE_URL": f"{stand_in.url}/0/deliveries.fifo",
        "DEAD_LETTER_QUEUE_URL": f"{stand_in.url}/0/dead-letters.fifo",
        "LEDGER_TABLE": "ledger",
        "DATABRICKS_SECRET_ID": "databricks",
        "GITHUB_SECRET_ID": "github",
        "GATE_TABLE": "ledger",
        "GATE_NAME": "github",
    }
    asked = {"module": bundle.start, "events": events}
    answer: dict[str, Any] = run(CALL, folder, asked, variables, python)
    return answer


def packages(answer: dict[str, Any]) -> set[str]:
    """Give the top-level modules that are not Python's own."""
    return {name.partition(".")[0] for name in answer["loaded"] if not name.startswith("__")}


def test_ingest_asks_for_two_versions_of_a_secret_and_sends(made: MakeBundle, stand_in: StandIn) -> None:
    """A first request costs three calls to AWS, and each one after it costs one."""
    request = samples.request(samples.body(1000))
    one = call(made, stand_in, bundling.INGEST, request)
    assert [said["statusCode"] for said in one["said"]] == [202]
    assert stand_in.calls == {"GetSecretValue": 2, "SendMessage": 1}
    stand_in.calls.clear()
    call(made, stand_in, bundling.INGEST, request, request, request)
    assert stand_in.calls == {"GetSecretValue": 2, "SendMessage": 3}


def test_ingest_asks_nothing_of_aws_for_a_path_that_is_not_there(made: MakeBundle, stand_in: StandIn) -> None:
    """A stranger's request costs no call."""
    request = {**samples.request(b""), "rawPath": "/wp-login.php"}
    assert call(made, stand_in, bundling.INGEST, request)["said"][0]["statusCode"] == 404
    assert stand_in.calls == {}


@pytest.mark.parametrize("python", sorted({sys.executable, bundles.python()}))
def test_ingest_loads_what_it_uses(made: MakeBundle, stand_in: StandIn, python: str) -> None:
    """After a request these packages are loaded, and none of the heavy parts that they have.

    On Lambda's Python too, where it is at hand: its `logging` would load asyncio with the first line.
    """
    answer = call(made, stand_in, bundling.INGEST, samples.request(samples.body(1000)), python=python)
    assert packages(answer) == PACKAGES
    assert [name for name in NEVER if name in {*answer["loaded"], *answer["standard"]}] == []


def test_dispatch_calls_aws_and_github_as_often_as_it_must(made: MakeBundle, stand_in: StandIn) -> None:
    """A delivery costs these calls: the ledger's, the gate's, one for the secret, and one to GitHub."""
    stand_in.secret = '{"token": "made-up"}'
    answer = call(made, stand_in, bundling.DISPATCH, samples.batch())
    assert answer["said"] == [{"batchItemFailures": []}]
    assert stand_in.calls == {
        "GetSecretValue": 1,
        "GetItem": 2,
        "PutItem": 2,
        "TransactWriteItems": 1,
        "GitHub": 1,
    }


def test_dispatch_with_a_token_loads_nothing_that_signs(made: MakeBundle, stand_in: StandIn) -> None:
    """What only a GitHub App needs is loaded only for one."""
    stand_in.secret = '{"token": "made-up"}'
    answer = call(made, stand_in, bundling.DISPATCH, samples.batch())
    assert packages(answer) == PACKAGES
    assert [name for name in NEVER if name in {*answer["loaded"], *answer["standard"]}] == []


def test_dispatch_with_an_app_signs_and_mints_once(made: MakeBundle, stand_in: StandIn) -> None:
    """An App costs one call more, and the packages that sign."""
    stand_in.secret = samples.app_secret()
    answer = call(made, stand_in, bundling.DISPATCH, samples.batch())
    assert answer["said"] == [{"batchItemFailures": []}]
    assert stand_in.calls["GitHub"] == 2
    assert packages(answer) == PACKAGES | {"cryptography", "jwt", "_cffi_backend", "_openssl"}
