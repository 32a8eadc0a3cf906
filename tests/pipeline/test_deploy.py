"""`make deploy` and `make destroy`, against an embedded AWS that was never prepared."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from modelrelay.cdk import ROOT, STACK
from modelrelay.local.emulator import Emulator
from tests.infra.test_stack import OUTPUTS


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulator]:
    """A new, empty AWS."""
    emulator = Emulator(tmp_path)
    try:
        emulator.wait_until_ready()
        yield emulator
    finally:
        emulator.stop()


def make(target: str, aws: Emulator) -> str:
    """Run a make target with nothing of AWS in the environment but its address and dummy credentials."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_", "MAKE"))}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    environment = {**kept, **credentials, "AWS_ENDPOINT_URL": aws.url}
    done = subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def stack(aws: Emulator) -> dict[str, Any]:
    """Describe the stack."""
    description = aws.client("cloudformation").describe_stacks(StackName=STACK)
    return dict(description["Stacks"][0])


def test_deploy_prints_the_outputs_and_destroy_leaves_what_is_documented(aws: Emulator) -> None:
    """The stack comes with its outputs, and goes but for queues, ledger and secrets."""
    told = make("deploy", aws)
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack(aws)["Outputs"]}
    assert set(outputs) == OUTPUTS
    assert [name for name in OUTPUTS if f"{STACK}.{name} = {outputs[name]}" not in told] == []

    told = make("destroy", aws)
    with pytest.raises(ClientError, match="does not exist"):
        stack(aws)
    assert "keep    AWS::SQS::Queue" in told
    assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 2
    assert aws.client("dynamodb").list_tables()["TableNames"] == [outputs["LedgerTableName"]]
    assert len(aws.client("secretsmanager").list_secrets()["SecretList"]) == 2
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("apigatewayv2").get_apis()["Items"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    groups = [group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]]
    assert [name for name in groups if STACK in name] == []


def test_deploy_without_aws_is_one_clear_message() -> None:
    """Where AWS can't be reached, the command says so and shows no traceback."""
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "test"}
    environment |= {"AWS_SECRET_ACCESS_KEY": "test"}
    line = [str(Path(ROOT, ".venv", "bin", "modelrelay")), "deploy"]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: AWS can't be reached")
    assert "Traceback" not in done.stderr
