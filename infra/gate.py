"""Where the gate is kept: beside the ledger, or beside another stack's that has the same credential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import Fn, Stack
from aws_cdk import aws_iam as iam

TABLE: Final = "GateTableName"
NAME: Final = "GateName"
"""Outputs, which are exported: a stack can't be deleted while another one uses its gate."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate's item: its table, and the credential's name in it."""

    table: str
    name: str

    @property
    def outputs(self) -> dict[str, str]:
        """What other stacks and the commands find it by."""
        return {TABLE: self.table, NAME: self.name}

    def statement(self, stack: Stack) -> iam.PolicyStatement:
        """Allow to read and write the gate's item, and nothing else of that table."""
        return iam.PolicyStatement(
            actions=["dynamodb:GetItem", "dynamodb:PutItem"],
            resources=[stack.format_arn(service="dynamodb", resource="table", resource_name=self.table)],
            conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [f"gate#{self.name}"]}},
        )


def gate_of(stack: str) -> Gate:
    """Give the gate that another stack uses."""
    return Gate(Fn.import_value(export(stack, TABLE)), Fn.import_value(export(stack, NAME)))


def export(stack: str, output: str) -> str:
    """Give the name by which an account's other stacks know one of the outputs above."""
    return f"{stack}-{output}"
