"""Two deployed stacks with one credential, with every policy evaluated: one gate paces both."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra import STACK, bundling
from infra.environments import stack_name
from modelrelay import cdk
from modelrelay.local.batches import allow_batches
from tests.pipeline.conftest import Pipeline, eventually, start, stop, wait_until_ready
from tests.unit.samples import delivery

SECOND = "second"
EACH = 8


@dataclass(frozen=True)
class Both:
    """The first stack's pipeline, and the second stack as if it were one of its own."""

    first: Pipeline
    second: Pipeline


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Two stacks in one account, the second of which is told of the first."""
    folder = tmp_path_factory.mktemp("two")
    ready_file = folder / "ready.json"
    process = start(ready_file, "--strict")
    try:
        first = Pipeline(wait_until_ready(process, ready_file), process.pid)
        yield Both(first, _second(first, folder / "cdk.out"))
    finally:
        stop(process)


def _second(first: Pipeline, output: Path) -> Pipeline:
    outputs = first.ready["outputs"]
    github = {
        "api_url": first.ready["github_api_url"],
        "same_credential_as": STACK,
        "secret_name": outputs["GitHubSecretName"],
    }
    relay = {"github": github}
    context = {
        "environment": SECOND,
        "environments": json.dumps({SECOND: {"relay": relay}}),
        bundling.HERE_KEY: "true",
    }
    given = [part for key, value in context.items() for part in ("-c", f"{key}={value}")]
    line = cdk.command("deploy", "--require-approval", "never", "--output", str(output), *given)
    done = subprocess.run(
        line, cwd=cdk.ROOT, env=_environment(first), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    name = stack_name(SECOND)
    cloudformation = first.client("cloudformation")
    allow_batches(first.client("iam"), cloudformation, name)
    told = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in told}
    return replace(first, ready={**first.ready, "outputs": outputs})


def _environment(pipeline: Pipeline) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    ready = pipeline.ready
    return cdk.environment(
        kept
        | {
            "AWS_ENDPOINT_URL": ready["aws_endpoint_url"],
            "AWS_REGION": ready["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CA_BUNDLE": ready["ca_bundle"],
            "NODE_EXTRA_CA_CERTS": ready["ca_bundle"],
        }
    )


def gate(pipeline: Pipeline) -> Any:
    """Give the gate's state."""
    outputs = pipeline.ready["outputs"]
    key = {"id": {"S": f"gate#{outputs['GateName']}"}}
    answer = pipeline.client("dynamodb").get_item(TableName=outputs["GateTableName"], Key=key)
    return json.loads(answer["Item"]["gate"]["S"]) if "Item" in answer else {"reason": ""}


def test_two_stacks_keep_one_pace(both: Both) -> None:
    """Their calls are a second apart, whoever makes them; each keeps a ledger of its own."""
    names = {"first": both.first, "second": both.second}
    for number in range(EACH):
        for name, pipeline in names.items():
            each = delivery(model_name=f"{name}-{number}")
            pipeline.put(each.to_message(), each.id)
    eventually(lambda: len(both.first.github("GET", "runs")) == 2 * EACH, 120)
    times = [run["created_at"] for run in reversed(both.first.github("GET", "runs"))]
    assert all(later > earlier for earlier, later in pairwise(times))
    tables = [pipeline.ready["outputs"]["LedgerTableName"] for pipeline in names.values()]
    assert sorted(gate(both.second)["ledgers"]) == sorted(tables)
    assert sum(count for count, _ in gate(both.first)["calls"].values()) == 2 * EACH
    assert both.first.github("GET", "state")["violations"] == 0


def test_rate_limit_of_one_stops_the_other(both: Both) -> None:
    """What GitHub asks of the credential is asked of both."""
    both.first.github("POST", "faults", {"preset": "secondary", "headers": {"retry-after": "15"}})
    first, second = delivery(model_name="refused"), delivery(model_name="held")
    both.first.put(first.to_message(), first.id)
    eventually(lambda: gate(both.second)["reason"] == "rate-limited", 60)
    both.second.put(second.to_message(), second.id)
    eventually(lambda: both.first.runs("refused") and both.first.runs("held"), 120)
    assert "rate-limited" in [line.get("reason") for line in both.second.attempts(second.id)]
    assert both.first.github("GET", "state")["violations"] == 0


def test_pause_of_one_is_a_pause_of_both(both: Both) -> None:
    """A person sees in either stack whose calls the gate paces, and that it is paused."""
    paused = both.second.cli("pause", "--reason", "trial", MODELRELAY_STACK=stack_name(SECOND))
    assert paused.returncode == 0, paused.stderr
    told = json.loads(both.first.cli("status", "--json").stdout)["gate"]
    assert (told["state"], len(told["ledgers"])) == ("paused", 2)
    assert both.first.cli("resume").returncode == 0
    assert gate(both.second)["paused_reason"] == ""


def test_stack_whose_gate_is_used_stays(both: Both) -> None:
    """CloudFormation deletes no stack of which another one imports something."""
    cloudformation = both.first.client("cloudformation")
    with pytest.raises(ClientError, match=r"ModelRelay-Gate(TableName|Name) is imported"):
        cloudformation.delete_stack(StackName=STACK)
