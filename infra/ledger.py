"""The ledger: what happened to each delivery."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct


def ledger_table(scope: Construct, *, keep: RemovalPolicy) -> dynamodb.TableV2:
    """Make the ledger's table: one item per delivery, paid per request, restorable to any second."""
    return dynamodb.TableV2(
        scope,
        "Ledger",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expires_at",
        billing=dynamodb.Billing.on_demand(),
        encryption=dynamodb.TableEncryptionV2.aws_managed_key(),
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        removal_policy=keep,
    )
