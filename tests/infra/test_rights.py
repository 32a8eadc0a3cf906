"""What each function may do: this, on that, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.conftest import HARDENED, synthesise

FUNCTIONS = ("Ingest", "Dispatch", "Console")

WRITES_ITS_LOG = {("logs:CreateLogStream", "Log"), ("logs:PutLogEvents", "Log")}

TAKES = {
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"),
}

RIGHTS = {
    "Ingest": {
        ("sqs:SendMessage", "Deliveries"),
        ("secretsmanager:GetSecretValue", "DatabricksValue"),
    },
    "Dispatch": {
        *((action, "Deliveries") for action in TAKES),
        ("sqs:SendMessage", "DeadLetters"),
        *((f"dynamodb:{action}", "Ledger") for action in ("GetItem", "PutItem", "UpdateItem")),
        ("dynamodb:Query", "Ledger/index/by-state"),
        ("secretsmanager:GetSecretValue", "GitHubValue"),
    },
    "Console": {
        ("sqs:SendMessage", "Deliveries"),
        *((action, "DeadLetters") for action in TAKES),
        *((f"dynamodb:{action}", "Ledger") for action in ("GetItem", "PutItem")),
        ("dynamodb:Query", "Ledger/index/by-state"),
    },
}
"""Each function's rights: the action, and the resource by the end of its path."""


def statements(template: dict[str, Any], function: str) -> list[dict[str, Any]]:
    """Give the statements of a function's role."""
    policies = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Policy" and name.startswith(f"{function}Role")
    ]
    (found,) = policies
    return list(found)


def listed(value: Any) -> list[Any]:
    """Give one or several as a list."""
    return value if isinstance(value, list) else [value]


def named(resource: Any) -> str:
    """Name what a statement is about: the logical id in it, and what follows that."""
    if isinstance(resource, str):
        return resource
    parts = resource["Fn::Join"][1] if "Fn::Join" in resource else [resource]
    return "".join(
        part if isinstance(part, str) else part["Ref"] if "Ref" in part else part["Fn::GetAtt"][0]
        for part in parts
    )


def pairs(template: dict[str, Any], function: str) -> Iterator[tuple[str, str]]:
    """Give each action and what it is allowed on."""
    for statement in statements(template, function):
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, named(resource)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_this_and_nothing_else(template: dict[str, Any], function: str) -> None:
    """Its role has exactly the rights of the table, each on one resource."""
    wanted = RIGHTS[function] | {(action, f"{function}{log}") for action, log in WRITES_ITS_LOG}
    found = list(pairs(template, function))
    assert len(found) == len(wanted)
    for action, resource in wanted:
        stem, _, rest = resource.partition("/")
        assert [pair for pair in found if pair[0] == action and stem in pair[1] and pair[1].endswith(rest)], (
            action,
            resource,
        )


def test_roles_have_no_managed_policy(template: dict[str, Any], hardened: dict[str, Any]) -> None:
    """No role takes over what AWS's managed policies allow, which is more and changes."""
    for each in (template, hardened):
        roles = [item for item in each["Resources"].values() if item["Type"] == "AWS::IAM::Role"]
        assert len(roles) >= len(FUNCTIONS)
        assert [role for role in roles if role["Properties"].get("ManagedPolicyArns")] == []


def test_no_statement_allows_a_wildcard(template: dict[str, Any], hardened: dict[str, Any]) -> None:
    """No action has a wildcard, and every resource is one, but where Lambda attaches a function to a VPC."""
    unbounded = []
    for each in (template, hardened):
        for item in each["Resources"].values():
            for statement in item.get("Properties", {}).get("PolicyDocument", {}).get("Statement", []):
                if statement["Effect"] == "Deny":
                    continue
                assert not [action for action in listed(statement["Action"]) if "*" in action], statement
                if statement["Resource"] == "*":
                    unbounded.append({action.split(":")[0] for action in listed(statement["Action"])})
    assert {"ec2"} in unbounded
    assert [services for services in unbounded if services != {"ec2"}] == []


def test_the_code_of_a_function_in_a_vpc_can_not_touch_the_network(hardened: dict[str, Any]) -> None:
    """What Lambda needs to attach a function is denied to the function itself."""
    for function in FUNCTIONS:
        allowed, denied = (
            next(
                statement
                for statement in statements(hardened, function)
                if "ec2:CreateNetworkInterface" in statement["Action"] and statement["Effect"] == effect
            )
            for effect in ("Allow", "Deny")
        )
        assert allowed["Action"] == denied["Action"]
        assert "lambda:SourceFunctionArn" in json.dumps(denied["Condition"])


def test_an_existing_secret_is_read_by_its_name(template: dict[str, Any]) -> None:
    """The right to read a secret that the stack did not make names it, all but its random end."""
    template = synthesise({"github": {"secret_name": "ci/github"}})
    found = dict(pairs(template, "Dispatch"))
    assert found["secretsmanager:GetSecretValue"].endswith(":secret:ci/github-??????")


def test_only_the_ledgers_one_index_is_read(hardened: dict[str, Any]) -> None:
    """Nobody but operators reads the ledger by model: no function asks for it."""
    assert "by-model" not in json.dumps([statements(hardened, function) for function in FUNCTIONS])
    assert HARDENED["kms"]
