"""The ledger: what happened to each delivery."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from functions.core.ledger import BY_MODEL, BY_STATE


def ledger_table(scope: Construct, *, keep: RemovalPolicy, key: kms.IKey | None) -> dynamodb.TableV2:
    """Make the ledger's table: one item per delivery, paid per request, restorable to any second.

    It is asked by delivery, by model and by state; what has neither model nor state is not indexed: the
    slots and the gate.
    """
    encryption = dynamodb.TableEncryptionV2
    return dynamodb.TableV2(
        scope,
        "Ledger",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        global_secondary_indexes=[
            _index(BY_MODEL, "model", "accepted_at"),
            _index(BY_STATE, "state", "updated_at"),
        ],
        time_to_live_attribute="expires_at",
        billing=dynamodb.Billing.on_demand(),
        encryption=encryption.customer_managed_key(key) if key else encryption.aws_managed_key(),
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        removal_policy=keep,
    )


def _index(name: str, key: str, order: str) -> dynamodb.GlobalSecondaryIndexPropsV2:
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=name,
        partition_key=dynamodb.Attribute(name=key, type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name=order, type=dynamodb.AttributeType.NUMBER),
    )
