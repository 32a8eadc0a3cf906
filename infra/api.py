"""The HTTP API in front of ingest."""

from __future__ import annotations

import json
from typing import Final

import jsii
from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.function import LOG_RETENTION
from infra.settings import Throttle


class IngestApi(Construct):
    """An HTTP API that hands every request to ingest, throttled, with an access log.

    Every path and method goes to the function, so that a wrong one gets the answer that says what is right.

    Attributes:
        url: The base address, without a trailing slash.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, function: lambda_.IFunction, throttle: Throttle
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            description="Model Relay: webhooks in",
            create_default_stage=False,
            default_integration=integrations.HttpLambdaIntegration("Ingest", function),
        )
        log_group = logs.LogGroup(
            self, "AccessLog", retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY
        )
        apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=throttle.rate, burst_limit=throttle.burst),
            access_log_settings=_AccessLog(log_group),
        )
        self.url = self.api.api_endpoint


# One JSON object a line. No header and no query: they may hold what is secret.
_FIELDS: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "sourceIp": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "latency": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}


@jsii.implements(apigateway.IAccessLogSettings)
class _AccessLog:
    def __init__(self, log_group: logs.ILogGroup) -> None:
        self._log_group = log_group

    @property
    def destination(self) -> apigateway.IAccessLogDestination:
        return apigateway.LogGroupLogDestination(self._log_group)

    @property
    def format(self) -> rest.AccessLogFormat:
        return rest.AccessLogFormat.custom(json.dumps(_FIELDS))
