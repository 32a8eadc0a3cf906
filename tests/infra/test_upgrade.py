"""Upgrades: what holds data keeps its logical id, so that CloudFormation never replaces it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.infra.conftest import HARDENED, synthesise

RELEASED: dict[str, str] = json.loads(Path(__file__).with_name("stateful.json").read_text(encoding="utf-8"))
"""Every resource with data that a release has had, by logical id. Add to it; never change or remove one."""

STATEFUL = {
    "AWS::DynamoDB::GlobalTable",
    "AWS::EC2::EIP",
    "AWS::KMS::Key",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}

# What CloudFormation can't change without making the resource anew, by its reference of each type.
FIXED: dict[str, dict[str, Any]] = {
    "AWS::DynamoDB::GlobalTable": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]},
    "AWS::SQS::Queue": {"FifoQueue": True},
}


def stateful(template: dict[str, Any]) -> dict[str, str]:
    """Give the resources that hold data, by logical id."""
    return {name: item["Type"] for name, item in template["Resources"].items() if item["Type"] in STATEFUL}


def test_resources_with_data_keep_their_logical_ids(hardened: dict[str, Any]) -> None:
    """An upgrade finds queues, ledger, secrets, key and address where the last release left them."""
    assert stateful(hardened) == RELEASED


def test_an_environment_has_the_same_logical_ids() -> None:
    """Who names an environment can move its stack from one checkout to another."""
    template = synthesise(HARDENED, environment="prod", environments={"prod": {}})
    assert stateful(template) == RELEASED


def test_nothing_that_forces_a_replacement_changes(hardened: dict[str, Any]) -> None:
    """What CloudFormation could change only by making a queue or the table anew is as it always was."""
    for item in hardened["Resources"].values():
        fixed = FIXED.get(item["Type"], {})
        properties = item.get("Properties", {})
        assert {name: properties.get(name) for name in fixed} == fixed
        if item["Type"] in {"AWS::DynamoDB::GlobalTable", "AWS::SQS::Queue"}:
            assert not {"TableName", "QueueName"} & set(properties)
