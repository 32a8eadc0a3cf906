"""A Lambda function as all of ours are: arm64, bundled here, with rights and a log of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from functions.core.metrics import NAMESPACE_VARIABLE
from functions.core.settings import RelaySettings
from infra import bundling, encryption
from infra.network import Network

LOG_RETENTION: Final = logs.RetentionDays.THREE_MONTHS
"""As long as the ledger keeps a delivery, so that its log lines can be read beside it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all functions have in common.

    Attributes:
        settings: What they are told.
        network: Where they run, if not outside any VPC.
        key: What their environment and logs are encrypted with, if not with AWS's own keys.
    """

    settings: RelaySettings
    network: Network | None = None
    key: kms.IKey | None = None


class RelayFunction(lambda_.Function):
    """One of our functions, with its role and its log group.

    The role has none of AWS's managed policies, which allow more than a function of ours does: it may write
    its own log, and whatever else `may` says.

    Args:
        scope: Where it belongs.
        construct_id: Its id there.
        bundle: Its code.
        surroundings: What all functions have in common.
        environment: What only the deployed stack knows: URLs and ARNs.
        timeout: How long one invocation may take.
        memory: MB; the processor's share grows with it, and cold starts are its work.
        reserved: How many copies may always run, and may run at the most, if that is settled.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bundle: bundling.Bundle,
        surroundings: Surroundings,
        environment: Mapping[str, str],
        timeout: Duration,
        memory: int = 512,
        reserved: int | None = None,
    ) -> None:
        log_group = logs.LogGroup(
            scope,
            f"{construct_id}Log",
            retention=LOG_RETENTION,
            removal_policy=RemovalPolicy.DESTROY,
            encryption_key=surroundings.key,
        )
        network = surroundings.network
        runs_here = scope.node.try_get_context(bundling.HERE_KEY) in {True, "true"}
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, bundle.name)
            bundling.make(
                bundle, surroundings.settings, folder, bundling.HERE if runs_here else bundling.LAMBDA
            )
            super().__init__(
                scope,
                construct_id,
                code=lambda_.Code.from_asset(str(folder)),
                handler=f"functions.{bundle.name}.handler.handler",
                runtime=lambda_.Runtime(f"python{bundling.PYTHON}", lambda_.RuntimeFamily.PYTHON),
                architecture=lambda_.Architecture.ARM_64,
                memory_size=memory,
                timeout=timeout,
                environment={
                    **environment,
                    "POWERTOOLS_LOG_LEVEL": "INFO",
                    NAMESPACE_VARIABLE: Stack.of(scope).stack_name,
                },
                environment_encryption=surroundings.key,
                logging_format=lambda_.LoggingFormat.JSON,
                log_group=log_group,
                role=_role(scope, construct_id),
                vpc=network.vpc if network else None,
                security_groups=[network.group] if network else None,
                reserved_concurrent_executions=reserved,
            )
        self._key = surroundings.key
        self.may("logs:CreateLogStream", "logs:PutLogEvents", on=log_group.log_group_arn)
        self.may_reach("lambda")
        if network:
            for statement in network.statements(Stack.of(scope)):
                self.add_to_role_policy(statement)

    def may(self, *actions: str, on: str) -> None:
        """Allow the function actions on one resource, and nothing else."""
        self.add_to_role_policy(iam.PolicyStatement(actions=[*actions], resources=[on]))

    def may_reach(self, *services: str) -> None:
        """Allow what those services do with a key of ours on the function's behalf, where there is one."""
        if self._key:
            for service in services:
                self.add_to_role_policy(encryption.through(self._key, service))


def _role(scope: Construct, construct_id: str) -> iam.Role:
    return iam.Role(
        scope,
        f"{construct_id}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"What Model Relay's {construct_id.lower()} function may do",
    )
