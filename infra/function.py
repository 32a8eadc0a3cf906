"""A Lambda function as all of ours are: arm64, bundled here, JSON logs that are kept for a while."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from functions.core.metrics import NAMESPACE_VARIABLE
from functions.core.settings import RelaySettings
from infra import bundling

LOG_RETENTION: Final = logs.RetentionDays.THREE_MONTHS
"""As long as the ledger keeps a delivery, so that its log lines can be read beside it."""


class RelayFunction(lambda_.Function):
    """One of our functions, with its log group.

    Args:
        scope: Where it belongs.
        construct_id: Its id there.
        bundle: Its code.
        settings: What it is told.
        environment: What only the deployed stack knows: URLs and ARNs.
        timeout: How long one invocation may take.
        vpc: Where it runs, if not outside any VPC.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bundle: bundling.Bundle,
        settings: RelaySettings,
        environment: Mapping[str, str],
        timeout: Duration,
        vpc: ec2.IVpc | None,
    ) -> None:
        log_group = logs.LogGroup(
            scope, f"{construct_id}Log", retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY
        )
        runs_here = scope.node.try_get_context(bundling.HERE_KEY) in {True, "true"}
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, bundle.name)
            bundling.make(bundle, settings, folder, bundling.HERE if runs_here else bundling.LAMBDA)
            super().__init__(
                scope,
                construct_id,
                code=lambda_.Code.from_asset(str(folder)),
                handler=f"functions.{bundle.name}.handler.handler",
                runtime=lambda_.Runtime(f"python{bundling.PYTHON}", lambda_.RuntimeFamily.PYTHON),
                architecture=lambda_.Architecture.ARM_64,
                memory_size=512,  # MB; the processor's share grows with it, and cold starts are its work
                timeout=timeout,
                environment={
                    **environment,
                    "POWERTOOLS_LOG_LEVEL": "INFO",
                    NAMESPACE_VARIABLE: Stack.of(scope).stack_name,
                },
                logging_format=lambda_.LoggingFormat.JSON,
                log_group=log_group,
                vpc=vpc,
            )
