"""The review of every synth: it looks at everything, finds nothing, and would find something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs

from infra import review
from infra.stack import RelayStack
from tests.infra.conftest import HARDENED, built

Findings = set[tuple[str, str]]
"""The rules that were broken, each with the path of the resource in the stack."""

MANAGED: Mapping[str, Mapping[str, Any]] = {"default": {}, "hardened": HARDENED}


def findings(stack: cdk.Stack) -> Findings:
    """Review an app and read the report."""
    app = stack.node.root
    assert isinstance(app, cdk.App)
    review.review(app)
    try:
        folder = app.synth().directory
    except RuntimeError as error:
        folder = str(error).partition("found in: ")[2].partition("/validation-report")[0]
    report = json.loads(Path(folder, "validation-report.json").read_text(encoding="utf-8"))
    return {
        (f"{plugin['pluginName']}::{violation['ruleName']}", construct["constructPath"].partition("/")[2])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def acknowledged(stack: RelayStack) -> Findings:
    """Give what is acknowledged, by rule and path of the resource in the stack."""
    return {
        (rule, resource.node.path.partition("/")[2])
        for rule, (paths, _) in review.ACKNOWLEDGED.items()
        for resource in review.resources(stack, paths)
    }


@pytest.mark.parametrize("relay", MANAGED.values(), ids=MANAGED)
def test_a_synth_has_no_findings(relay: Mapping[str, Any]) -> None:
    """Neither the stack as it comes nor the one with everything on breaks a rule."""
    stack = built(relay)
    review.acknowledge(stack)
    assert findings(stack) == set()


@pytest.fixture(scope="module", params=[*MANAGED.values()], ids=[*MANAGED])
def bare(request: pytest.FixtureRequest) -> tuple[Findings, Findings]:
    """What the review finds where nothing is acknowledged, and what would have been."""
    stack = built(request.param)
    return findings(stack), acknowledged(stack)


def test_what_is_acknowledged_is_what_is_found(bare: tuple[Findings, Findings]) -> None:
    """No acknowledgement covers what nobody found, or a resource beside the one that it is meant for."""
    found, expected = bare
    only_in_a_vpc = {pair for pair in expected if "IAM5" in pair[0]}
    assert found in (expected, expected - only_in_a_vpc)


def test_the_review_looks_at_every_kind_of_resource(bare: tuple[Findings, Findings]) -> None:
    """Functions, secrets, queues, the API's routes and the event source are all looked at."""
    found, _ = bare
    kinds = {path.split("/")[0] for _, path in found}
    assert {"Ingest", "Dispatch", "Console", "Secrets", "Queues", "IngestApi"} <= kinds
    assert len({path for _, path in found}) >= 8


def test_a_planted_finding_is_found() -> None:
    """A queue that takes plain HTTP, anywhere in the stack, fails the synth and is named."""
    stack = built({})
    sqs.Queue(stack, "Planted", fifo=True)
    review.acknowledge(stack)
    assert ("AwsSolutions::AwsSolutions-SQS4", "Planted/Resource") in findings(stack)


@pytest.mark.parametrize("rule", review.ACKNOWLEDGED)
def test_an_acknowledgement_gives_its_reason(rule: str) -> None:
    """Each says why in a sentence, and names resources and not the whole stack."""
    paths, reason = review.ACKNOWLEDGED[rule]
    assert len(reason.split()) > 5
    assert reason.endswith(".")
    assert paths
    assert "*" not in paths
