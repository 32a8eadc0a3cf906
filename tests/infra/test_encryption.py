"""Encryption at rest: by AWS's keys, by a new key, or by one that is there already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.conftest import synthesise
from tests.infra.test_rights import FUNCTIONS, listed, statements

ARN = "arn:aws:kms:eu-west-1:111111111111:key/0a1b2c3d-0000-4000-8000-0123456789ab"

ENCRYPTED = {
    "AWS::DynamoDB::GlobalTable": "KMSMasterKeyId",
    "AWS::Lambda::Function": "KmsKeyArn",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
}
"""What keeps something, and the property that names its key."""


def keys(template: dict[str, Any], kind: str) -> Iterator[Any]:
    """Give what each resource of a kind is encrypted with, by the text of the property."""
    for item in template["Resources"].values():
        if item["Type"] == kind:
            _, found, rest = json.dumps(item["Properties"]).partition(f'"{ENCRYPTED[kind]}": ')
            yield found and rest.split("}")[0].split(",")[0]


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_a_new_key_encrypts_everything(hardened: dict[str, Any], kind: str) -> None:
    """With a key of its own, the stack keeps nothing by another."""
    found = list(keys(hardened, kind))
    assert found
    assert [key for key in found if "Key" not in str(key)] == []


def test_an_existing_key_encrypts_everything() -> None:
    """A key that is there already is used in the same places, and none is made."""
    template = synthesise({"kms": {"key_arn": ARN}})
    for kind in ENCRYPTED:
        assert {ARN in str(key) for key in keys(template, kind)} == {True}
    assert "AWS::KMS::Key" not in {item["Type"] for item in template["Resources"].values()}


def test_a_new_key_is_rotated_and_stays_with_the_data(hardened: dict[str, Any]) -> None:
    """KMS rotates the key, and it outlives the stack as the data does that it has encrypted."""
    (key,) = [item for item in hardened["Resources"].values() if item["Type"] == "AWS::KMS::Key"]
    assert key["Properties"]["EnableKeyRotation"] is True
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")
    gone = synthesise({"kms": {"new": True}, "retain_data": False})["Resources"].values()
    assert [item["DeletionPolicy"] for item in gone if item["Type"] == "AWS::KMS::Key"] == ["Delete"]


def test_a_key_is_used_by_way_of_a_service_alone(hardened: dict[str, Any]) -> None:
    """No role can decrypt by calling KMS itself, and each only what its services keep."""
    for function, services in zip(FUNCTIONS, ("lambda secretsmanager sqs", "", ""), strict=True):
        found = [each for each in statements(hardened, function) if "kms:" in str(each["Action"])]
        ways = sorted(each["Condition"]["StringEquals"]["kms:ViaService"].split(".")[0] for each in found)
        assert ways == (services.split() or sorted({"dynamodb", "lambda", "sqs", *ways}))
        assert not [each for each in found if "*" in each["Resource"]]


def test_cloudwatch_may_use_the_key_for_this_stacks_logs_and_alarms(hardened: dict[str, Any]) -> None:
    """CloudWatch has no role of ours: the key's own policy lets it in, for what is ours."""
    (key,) = [item for item in hardened["Resources"].values() if item["Type"] == "AWS::KMS::Key"]
    services = {
        json.dumps(each["Principal"]["Service"]): each
        for each in key["Properties"]["KeyPolicy"]["Statement"]
        if "Service" in each["Principal"]
    }
    logs = services['"logs.eu-west-1.amazonaws.com"']["Condition"]["ArnLike"]
    assert ":log-group:ModelRelay-*" in json.dumps(logs)
    alarms = services['"cloudwatch.amazonaws.com"']
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": "111111111111"}}
    assert all(listed(each["Action"]) for each in services.values())


def test_without_a_key_everything_is_encrypted_by_aws(template: dict[str, Any]) -> None:
    """By default queues and ledger say so; secrets, logs and environments are encrypted by AWS unasked."""
    text = json.dumps(template)
    assert "AWS::KMS::Key" not in text
    assert text.count('"SqsManagedSseEnabled": true') == 2
    assert '"SSEEnabled": true' in text
