"""The delivery queue and its dead letters."""

from __future__ import annotations

from typing import Final

from aws_cdk import CfnResource, Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

MAX_RECEIVES: Final = 1000
"""SQS's own redrive is only the net under a function that dies each time, so it is as wide as SQS allows:
a wait counts as a receive too, and waiting is not failing."""


class Queues(Construct):
    """`deliveries.fifo` and `dead-letters.fifo`, each encrypted, TLS only, keeping messages for 14 days."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        visibility: Duration,
        keep: RemovalPolicy,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = _queue(self, "DeadLetters", keep=keep, key=key)
        self.deliveries = _queue(
            self,
            "Deliveries",
            keep=keep,
            key=key,
            visibility=visibility,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=MAX_RECEIVES, queue=self.dead_letters),
        )


def _queue(
    scope: Construct,
    construct_id: str,
    *,
    keep: RemovalPolicy,
    key: kms.IKey | None,
    visibility: Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        construct_id,
        fifo=True,
        # High throughput: limits and deduplication per message group, so models don't wait for each other.
        deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
        fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
        encryption_master_key=key,
        # A flood of messages asks KMS once an hour, not once in five minutes: less to pay, less to fail.
        data_key_reuse=Duration.hours(1) if key else None,
        enforce_ssl=True,
        retention_period=Duration.days(14),
        visibility_timeout=visibility,
        dead_letter_queue=dead_letter_queue,
        removal_policy=keep,
    )
    # A queue that stays when the stack goes keeps its TLS-only policy.
    policy = queue.node.find_child("Policy").node.default_child
    assert isinstance(policy, CfnResource)  # noqa: S101 - tells the type checker
    policy.apply_removal_policy(keep)
    return queue
