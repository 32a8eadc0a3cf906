"""SQS's batches, whose permissions the embedded AWS names otherwise than AWS does.

AWS allows `ChangeMessageVisibilityBatch` to whoever may do `ChangeMessageVisibility`, and likewise sending
and deleting; it has no actions of the batches' names (Service Authorization Reference, "Amazon SQS"). The
emulator asks for just these. So a strict run allows them wherever the single action is allowed, in a policy
apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

POLICY: Final = "batches-as-the-emulator-names-them"
_SINGLE: Final = frozenset({"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:SendMessage"})


def allow_batches(iam: Any, cloudformation: Any, stack: str) -> None:
    """Allow the batches to the roles of a stack.

    Args:
        iam: IAM's client.
        cloudformation: CloudFormation's client.
        stack: The stack's name.
    """
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    for role in [
        each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::IAM::Role"
    ]:
        if statements := [*_batches(iam, role)]:
            document = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=document)


def _batches(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    """Give a role's own statements, with the batches in the place of their single actions."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        for statement in iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]:
            named = statement.get("Action", [])
            actions = {named} if isinstance(named, str) else set(named)
            if single := sorted(actions & _SINGLE):
                yield {**statement, "Action": [f"{action}Batch" for action in single]}
