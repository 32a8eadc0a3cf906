"""The key that everything at rest is encrypted with, where AWS's own keys are not wanted."""

from __future__ import annotations

from typing import Final

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.settings import Kms

_NEEDED: Final = {
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
    "secretsmanager": ("kms:Decrypt",),
    "lambda": ("kms:Decrypt",),
    "dynamodb": (
        *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"),
        *("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
        *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    ),
}
"""What the caller of a service needs: the minimum that each service's own guide names for its callers.

Sources: Amazon SQS Developer Guide, "Key management"; AWS Secrets Manager User Guide, "Secret encryption and
decryption"; AWS Lambda Developer Guide, "Securing environment variables"; Amazon DynamoDB Developer Guide,
"DynamoDB encryption at rest: usage notes".
"""


def key_of(scope: Construct, settings: Kms | None, *, keep: RemovalPolicy) -> kms.IKey | None:
    """Give the key: none, an existing one by its ARN, or a new one that is rotated every year.

    An existing key's policy must let this account's policies decide, and let CloudWatch use it for logs and
    alarms; docs/security.md has the statements.
    """
    if settings is None:
        return None
    if settings.key_arn is not None:
        return kms.Key.from_key_arn(scope, "Key", settings.key_arn)
    key = kms.Key(
        scope,
        "Key",
        description=f"{Stack.of(scope).stack_name}: queues, ledger, secrets, logs and alarms",
        enable_key_rotation=True,
        removal_policy=keep,  # What it has encrypted can't be read without it.
    )
    for statement in (_for_logs(Stack.of(scope)), _for_alarms(Stack.of(scope))):
        key.add_to_resource_policy(statement)
    return key


def through(key: kms.IKey, service: str) -> iam.PolicyStatement:
    """Allow a role the use of a key by way of a service, and never directly.

    Args:
        key: The key.
        service: The service's name in its address, like `sqs`.
    """
    return iam.PolicyStatement(
        actions=[*_NEEDED[service]],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(key).region}.amazonaws.com"}},
    )


def _for_logs(stack: Stack) -> iam.PolicyStatement:
    """Let CloudWatch Logs encrypt this stack's log groups; it acts in no role of ours."""
    groups = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{stack.stack_name}-*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
        actions=[
            *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
            *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
        ],
        resources=["*"],  # In a key's own policy that is the key.
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )


def _for_alarms(stack: Stack) -> iam.PolicyStatement:
    """Let CloudWatch send to the alarms' encrypted topic."""
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        actions=["kms:Decrypt", "kms:GenerateDataKey"],
        resources=["*"],  # In a key's own policy that is the key.
        conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
    )
