"""`make deploy` and `make destroy`, against an embedded AWS that was never prepared."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from modelrelay import cdk
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


def run(aws: Emulator, *line: str) -> tuple[int, str]:
    """Run a command with nothing of AWS in the environment but its address and dummy credentials."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_", "MAKE"))}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = subprocess.run(
        line,
        cwd=ROOT,
        env=cdk.environment({**kept, **credentials, "AWS_ENDPOINT_URL": aws.url}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def make(target: str, aws: Emulator, arguments: str = "") -> str:
    """Run a make target, which succeeds."""
    code, told = run(aws, "make", "--no-print-directory", target, f"ARGS={arguments}")
    assert code == 0, told
    return told


def stack(aws: Emulator, name: str = STACK) -> dict[str, Any]:
    """Describe the stack."""
    description = aws.client("cloudformation").describe_stacks(StackName=name)
    return dict(description["Stacks"][0])


def outputs_of(aws: Emulator, name: str = STACK) -> dict[str, str]:
    """Give the stack's outputs."""
    return {item["OutputKey"]: item["OutputValue"] for item in stack(aws, name)["Outputs"]}


UPGRADE = 'relay={"max_age_hours": 3, "termination_protection": true}'


def test_a_stack_is_deployed_upgraded_and_destroyed(aws: Emulator) -> None:
    """A stack comes with its outputs, is upgraded in place, protected, and leaves its data behind."""
    told = make("deploy", aws)
    outputs = outputs_of(aws)
    assert set(outputs) == OUTPUTS
    assert [name for name in OUTPUTS if f"{STACK}.{name} = {outputs[name]}" not in told] == []

    # Nothing has changed, and the diff says so.
    code, told = run(aws, *cdk.command("diff", "--fail"))
    assert (code, "There were no differences" in told) == (0, True), told

    # An upgrade keeps what lies on the queue, what is in the ledger, and the secrets.
    before = _put_something_everywhere(aws, outputs)
    make("deploy", aws, f"-c '{UPGRADE}'")
    assert outputs_of(aws) == outputs
    assert _what_is_there(aws, outputs) == before

    # It is protected now, and stays.
    code, told = run(aws, "make", "--no-print-directory", "destroy")
    assert "is protected from deletion. Set relay.termination_protection to false" in told
    assert (code != 0, stack(aws)["EnableTerminationProtection"]) == (True, True)
    aws.client("cloudformation").update_termination_protection(
        StackName=STACK, EnableTerminationProtection=False
    )

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


def _put_something_everywhere(aws: Emulator, outputs: dict[str, str]) -> Any:
    """Leave a letter, a ledger's item and a credential, and give what is there."""
    aws.client("sqs").send_message(
        QueueUrl=outputs["DeadLetterQueueUrl"],
        MessageBody="{}",
        MessageGroupId="a",
        MessageDeduplicationId="a",
    )
    aws.client("dynamodb").put_item(TableName=outputs["LedgerTableName"], Item={"id": {"S": "kept"}})
    aws.client("secretsmanager").put_secret_value(
        SecretId=outputs["GitHubSecretName"], SecretString='{"token": "kept"}'
    )
    return _what_is_there(aws, outputs)


def _what_is_there(aws: Emulator, outputs: dict[str, str]) -> Any:
    names = ["ApproximateNumberOfMessages"]
    letters = aws.client("sqs").get_queue_attributes(
        QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=names
    )["Attributes"]
    items = aws.client("dynamodb").scan(TableName=outputs["LedgerTableName"])["Items"]
    secrets = [
        aws.client("secretsmanager").get_secret_value(SecretId=outputs[name])["SecretString"]
        for name in ("GitHubSecretName", "DatabricksSecretName")
    ]
    assert (letters, items, secrets[0]) == (
        {"ApproximateNumberOfMessages": "1"},
        [{"id": {"S": "kept"}}],
        '{"token": "kept"}',
    )
    return secrets


def test_deploy_without_aws_is_one_clear_message() -> None:
    """Where AWS can't be reached, the command says so and shows no traceback."""
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "test"}
    environment |= {"AWS_SECRET_ACCESS_KEY": "test"}
    line = [str(Path(ROOT, ".venv", "bin", "modelrelay")), "deploy"]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: AWS can't be reached")
    assert "Traceback" not in done.stderr
