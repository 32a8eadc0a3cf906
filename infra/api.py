"""The HTTP API in front of ingest."""

from __future__ import annotations

import json
from typing import Final

import jsii
from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.function import LOG_RETENTION
from infra.settings import Domain, Throttle


class IngestApi(Construct):
    """An HTTP API that hands every request to ingest, throttled, with an access log.

    Every path and method goes to the function, so that a wrong one gets the answer that says what is right.

    Attributes:
        url: The base address, without a trailing slash.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.IFunction,
        throttle: Throttle,
        domain: Domain | None,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            api_name=Stack.of(self).stack_name,
            description="Model Relay: webhooks in",
            create_default_stage=False,
            # Who has a domain of their own may have put something before it that must not be gone around.
            disable_execute_api_endpoint=domain is not None,
            default_integration=integrations.HttpLambdaIntegration("Ingest", function),
        )
        log_group = logs.LogGroup(
            self,
            "AccessLog",
            retention=LOG_RETENTION,
            removal_policy=RemovalPolicy.DESTROY,
            encryption_key=key,
        )
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=throttle.rate, burst_limit=throttle.burst),
            access_log_settings=_AccessLog(log_group),
        )
        self.url = f"https://{domain.name}" if domain else self.api.api_endpoint
        if domain:
            _serve(self, domain, self.api, stage)


def _serve(scope: Construct, domain: Domain, api: apigateway.HttpApi, stage: apigateway.HttpStage) -> None:
    """Answer at a name of the user's, and say where its DNS record must point."""
    name = apigateway.DomainName(
        scope,
        "Domain",
        domain_name=domain.name,
        certificate=acm.Certificate.from_certificate_arn(scope, "Certificate", domain.certificate_arn),
        security_policy=apigateway.SecurityPolicy.TLS_1_2,
    )
    apigateway.ApiMapping(scope, "Mapping", api=api, domain_name=name, stage=stage)
    CfnOutput(
        Stack.of(scope),
        "DomainTarget",
        value=name.regional_domain_name,
        description=f"What the DNS record of {domain.name} must point to (CNAME or alias)",
    )


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
