"""The review of every synth: AWS's own rules for secure and for serverless stacks (cdk-nag).

A finding fails the synth. What is right for us although a rule says otherwise is acknowledged here, for one
resource at a time and with the reason; a test shows that no acknowledgement is idle.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Final, cast

import cdk_nag
from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct, IConstruct

from functions.ingest.senders import SENDERS

_FUNCTIONS: Final = ("Ingest", "Dispatch", "Console")
_RUNTIME: Final = (
    "Python 3.13 is the newest runtime on which the tests run the very bundles; AWS supports it until 2029."
)
_NO_DEAD_LETTERS: Final = (
    "Nobody calls it asynchronously: its caller gets the answer, and deliveries have a dead-letter queue."
)

ACKNOWLEDGED: Final = {
    "AwsSolutions::AwsSolutions-APIG4": (
        ("IngestApi/Api/DefaultRoute",),
        "Webhooks can't sign for IAM or fetch a JWT: ingest proves each sender by its own credential, first.",
    ),
    "AwsSolutions::AwsSolutions-IAM5[Resource::*]": (
        tuple(f"{function}Role/DefaultPolicy" for function in _FUNCTIONS),
        "Lambda attaches functions to a VPC by actions that take no resource; their code is denied them.",
    ),
    "AwsSolutions::AwsSolutions-L1": (_FUNCTIONS, _RUNTIME),
    "AwsSolutions::AwsSolutions-SMG4": (
        ("Secrets/GitHubValue", *(f"Secrets/{sender.title}Value" for sender in SENDERS.values())),
        "The other side of the secret is GitHub's or Databricks', which no function of ours may change.",
    ),
    "Serverless::Serverless-LambdaDLQ": (_FUNCTIONS, _NO_DEAD_LETTERS),
    "Serverless::Serverless-LambdaEventSourceMappingDestination": (
        ("Dispatch/SqsEventSource:*",),
        "An SQS source takes no destination: what fails stays on the queue, which has dead letters.",
    ),
    "Serverless::Serverless-LambdaLatestVersion": (_FUNCTIONS, _RUNTIME),
    "Serverless::Serverless-LambdaTracing": (
        _FUNCTIONS,
        "One log line an attempt and the ledger tell more, for every event and not for a sample of them.",
    ),
    "Serverless::Serverless-SNSRedrivePolicy": (
        ("Alarms/Topic/*@*",),
        "Mail is the last thing that happens: SNS repeats it itself, and the alarm is on the dashboard, too.",
    ),
    "Serverless::Serverless-SQSRedrivePolicy": (
        ("Queues/DeadLetters",),
        "It is the dead-letter queue itself.",
    ),
}
"""Each rule, the resources for which it is acknowledged, by their paths in the stack, and why."""


def review(app: Construct) -> None:
    """Hold the app against the rules; a finding fails the synth, and names itself."""
    Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(), cdk_nag.ServerlessChecks())


def acknowledge(stack: Stack) -> None:
    """Say of each resource which rules are not for it."""
    for rule, (paths, reason) in ACKNOWLEDGED.items():
        for resource in resources(stack, paths):
            Validations.of(resource).acknowledge(Acknowledgment(id=rule, reason=reason))


def resources(stack: Stack, paths: tuple[str, ...]) -> Iterator[Construct]:
    """Find the resources at some paths, and none below or beside them."""
    for path in paths:
        found: list[IConstruct] = [stack]
        for part in path.split("/"):
            found = [child for each in found for child in each.node.children if fnmatch(child.node.id, part)]
        for construct in found:
            yield cast("Construct", construct.node.default_child or construct)
