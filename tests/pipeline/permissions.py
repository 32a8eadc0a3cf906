"""What the deployed roles may do, as IAM has it, and how a single permission is taken away for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3

from modelrelay.cdk import STACK
from modelrelay.local.batches import POLICY
from tests.pipeline.conftest import Pipeline

_HASH = 8
"""How many characters CDK adds to a resource's logical id."""


@dataclass(frozen=True, order=True)
class Permission:
    """That a function may do one thing with one resource.

    Attributes:
        function: The function, by its name in the CDK app.
        action: The action, as policies name it.
        on: The resource, by a name that is the same in each deployment.
    """

    function: str
    action: str
    on: str

    def __str__(self) -> str:
        return f"{self.function} {self.action} {self.on}"


class Roles:
    """The roles of the deployed functions.

    Args:
        pipeline: A pipeline that evaluates policies.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._iam = pipeline.client("iam")

    @cached_property
    def functions(self) -> Mapping[str, Mapping[str, Any]]:
        """The functions' configurations, by their names in the CDK app."""
        by_name = {each["FunctionName"]: each for each in self._functions()}
        return {
            logical[:-_HASH]: by_name[physical]
            for logical, physical in self._resources("AWS::Lambda::Function").items()
        }

    def granted(self) -> dict[Permission, str]:
        """Give all permissions of all functions, each with its resource's ARN."""
        return {
            Permission(function, action, self._label(arn)): arn
            for function in self.functions
            for name, document in self._policies(function).items()
            if name != POLICY
            for action, arn, _ in _singles(document)
        }

    def managed(self) -> list[str]:
        """Give the managed policies that any role has: what is in them can't be taken away singly."""
        return [
            policy["PolicyName"]
            for function in self.functions
            for policy in self._iam.list_attached_role_policies(RoleName=self._role(function))[
                "AttachedPolicies"
            ]
        ]

    @contextmanager
    def without(self, permission: Permission) -> Iterator[None]:
        """Take a permission away, with the batch of the same action, and put it back at the end."""
        before = self._policies(permission.function)
        try:
            for name, document in before.items():
                self._put(permission.function, name, self._reduced(document, permission))
            yield
        finally:
            for name, document in before.items():
                self._put(permission.function, name, document)

    def client(self, function: str, service: Any) -> Any:
        """Make a client with the rights of a function's role, and with no others."""
        taken = self._pipeline.client("sts").assume_role(
            RoleArn=self.functions[function]["Role"], RoleSessionName="permissions"
        )["Credentials"]
        return boto3.client(
            service,
            endpoint_url=self._pipeline.ready["aws_endpoint_url"],
            region_name=self._pipeline.ready["region"],
            verify=self._pipeline.ready["ca_bundle"],
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
        )

    def _reduced(self, document: Mapping[str, Any], permission: Permission) -> dict[str, Any]:
        gone = {permission.action, f"{permission.action}Batch"}
        kept = [
            {**rest, "Effect": "Allow", "Action": action, "Resource": arn}
            for action, arn, rest in _singles(document)
            if action not in gone or self._label(arn) != permission.on
        ]
        return {"Version": "2012-10-17", "Statement": kept}

    def _policies(self, function: str) -> dict[str, Mapping[str, Any]]:
        role = self._role(function)
        return {
            name: self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        }

    def _put(self, function: str, name: str, document: Mapping[str, Any]) -> None:
        policy = {"RoleName": self._role(function), "PolicyName": name}
        if document["Statement"]:
            self._iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
        else:  # IAM takes none that is empty.
            self._iam.delete_role_policy(**policy)

    def _role(self, function: str) -> str:
        return str(self.functions[function]["Role"]).rpartition("/")[2]

    def _functions(self) -> Iterator[Mapping[str, Any]]:
        for page in self._pipeline.client("lambda").get_paginator("list_functions").paginate():
            yield from page["Functions"]

    def _resources(self, kind: str) -> dict[str, str]:
        pages = self._pipeline.client("cloudformation").get_paginator("list_stack_resources")
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages.paginate(StackName=STACK)
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == kind
        }

    @cached_property
    def _names(self) -> dict[str, str]:
        """What the resources are called here, by what the deployment has named them."""
        outputs = self._pipeline.ready["outputs"]
        logs = {name: logical[:-_HASH] for logical, name in self._resources("AWS::Logs::LogGroup").items()}
        secrets = {
            name: output.removesuffix("Name") for output, name in outputs.items() if "SecretName" in output
        }
        return {
            outputs["QueueUrl"].rpartition("/")[2]: "deliveries",
            outputs["DeadLetterQueueUrl"].rpartition("/")[2]: "dead letters",
            outputs["LedgerTableName"]: "ledger",
            **secrets,
            **logs,
        }

    def _label(self, arn: str) -> str:
        """Call a resource by a lasting name; what is no part of ours keeps its ARN."""
        for name, label in self._names.items():
            _, found, rest = arn.partition(name)
            if found:
                # A secret's ARN ends by chance, and a log group's in all of its streams.
                return label if rest == ":*" or rest.startswith("-") else label + rest
        return arn


def _singles(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give each action with each resource that a policy allows, and what its statement says besides."""
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow", "Of a refusal nothing can be taken away: show it in a test."
        rest = {name: value for name, value in statement.items() if name not in {"Action", "Resource"}}
        for action in _listed(statement["Action"]):
            for arn in _listed(statement["Resource"]):
                yield action, arn, rest


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
