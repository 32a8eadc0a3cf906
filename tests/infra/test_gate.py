"""Where a stack's gate is: its own, or that of another stack with the same credential."""

from __future__ import annotations

from typing import Any

import pytest

from infra import STACK
from infra.mistakes import SettingsError
from tests.infra.conftest import synthesise
from tests.infra.test_rights import statements

OTHER = "ModelRelay-prod"


@pytest.fixture(scope="module")
def sharing() -> dict[str, Any]:
    """The template of a stack that uses another's gate."""
    return synthesise({"github": {"same_credential_as": OTHER, "secret_name": "ci/github"}})


def variables(template: dict[str, Any]) -> dict[str, Any]:
    """Give dispatch's environment."""
    found = [
        resource["Properties"]["Environment"]["Variables"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
        and "GATE_TABLE" in resource["Properties"]["Environment"]["Variables"]
    ]
    (only,) = found
    return dict(only)


def imported(output: str) -> dict[str, str]:
    """Give how a template names what another stack exports."""
    return {"Fn::ImportValue": f"{OTHER}-{output}"}


def test_gate_is_beside_the_ledger(template: dict[str, Any]) -> None:
    """Unless told otherwise, a stack's gate is its own, under the name of its secret."""
    told = variables(template)
    assert (told["GATE_TABLE"], told["GATE_NAME"]) == (told["LEDGER_TABLE"], told["GITHUB_SECRET_ID"])


def test_gate_is_exported(template: dict[str, Any], sharing: dict[str, Any]) -> None:
    """Another stack finds it by this one's name, and finds the shared one by way of one that shares it."""
    for each in (template, sharing):
        for output, variable in (("GateTableName", "GATE_TABLE"), ("GateName", "GATE_NAME")):
            told = each["Outputs"][output]
            assert told == {"Value": variables(each)[variable], "Export": {"Name": f"{STACK}-{output}"}}


def test_gate_of_another_stack_is_used(sharing: dict[str, Any]) -> None:
    """The ledger stays the own one."""
    told = variables(sharing)
    assert told["GATE_TABLE"] == imported("GateTableName")
    assert told["GATE_NAME"] == imported("GateName")
    assert set(told["LEDGER_TABLE"]) == {"Ref"}


def test_dispatch_may_touch_the_gate_of_the_other_table_alone(
    template: dict[str, Any], sharing: dict[str, Any]
) -> None:
    """Of another stack's ledger, one item is readable and writable, and nothing else."""
    (more,) = [each for each in statements(sharing, "Dispatch") if "Condition" in each]
    assert not [each for each in statements(template, "Dispatch") if "Condition" in each]
    parts = more["Resource"]["Fn::Join"][1]
    assert more["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
    assert (parts[-2].endswith(":table/"), parts[-1]) == (True, imported("GateTableName"))
    key = {"Fn::Join": ["", ["gate#", imported("GateName")]]}
    assert more["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [key]}}


def test_stack_can_not_share_with_itself() -> None:
    """The gate of a stack that is not there yet can't be found."""
    with pytest.raises(SettingsError, match="is this stack itself"):
        synthesise({"github": {"same_credential_as": STACK}})


def test_stacks_with_one_credential_read_one_secret() -> None:
    """Two copies would be rotated at two times, and the gate can't know which of them GitHub rejects."""
    with pytest.raises(SettingsError, match=r"needs relay\.github\.secret_name too"):
        synthesise({"github": {"same_credential_as": OTHER}})


@pytest.mark.parametrize("name", ["", "1st", "a_b", "arn:aws:cloudformation:x"])
def test_name_of_the_other_stack_is_one(name: str) -> None:
    """Whatever CloudFormation takes for no stack's name is refused."""
    with pytest.raises(SettingsError, match="same_credential_as should be the name of a stack"):
        synthesise({"github": {"same_credential_as": name}})
