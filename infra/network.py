"""The VPC that the functions run in, where one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aws_cdk import ArnFormat, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import GitHub, Vpc

_AWS_SERVICES: Final = {
    "Queues": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
}
_HTTPS: Final = 443
_ATTACH: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""What Lambda itself does in a function's role to attach it (AWS Lambda Developer Guide, "Giving Lambda
functions access to resources in an Amazon VPC")."""


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC and what the functions may reach in it and from it."""

    vpc: ec2.IVpc
    group: ec2.ISecurityGroup

    def statements(self, stack: Stack) -> Iterable[iam.PolicyStatement]:
        """Let Lambda attach this stack's functions, and the functions' own code do nothing of the kind."""
        functions = stack.format_arn(
            service="lambda",
            resource="function",
            resource_name=f"{stack.stack_name}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        # Interfaces can be described, and made before they have a name, on all resources only.
        yield iam.PolicyStatement(actions=[*_ATTACH], resources=["*"])
        yield iam.PolicyStatement(
            effect=iam.Effect.DENY,
            actions=[*_ATTACH],
            resources=["*"],
            conditions={"ArnLike": {"lambda:SourceFunctionArn": functions}},
        )


def network_of(
    scope: Construct, settings: Vpc | None, *, github: GitHub, key: kms.IKey | None
) -> Network | None:
    """Give the network: none, an existing VPC by its id, or a new one.

    An existing one must have private subnets from which GitHub and AWS's services can be reached.
    """
    if settings is None:
        return None
    if settings.id is not None:
        vpc = ec2.Vpc.from_lookup(scope, "Vpc", vpc_id=settings.id)
        return Network(vpc, _group(scope, vpc, github))
    own = _new_vpc(scope, static_egress_ip=settings.static_egress_ip)
    network = Network(own, _group(scope, own, github))
    _endpoints(own, network.group)
    _log_refused(own, key)
    return network


def _group(scope: Construct, vpc: ec2.IVpc, github: GitHub) -> ec2.SecurityGroup:
    """Let nothing in, and out only what AWS, GitHub and the proxy are reached by."""
    group = ec2.SecurityGroup(
        scope, "Egress", vpc=vpc, allow_all_outbound=False, description="The functions of Model Relay"
    )
    addresses = [urlsplit(address) for address in (github.api_url, github.proxy or "")]
    ports = {_HTTPS, *(address.port for address in addresses if address.port)}
    for port in sorted(ports):
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), f"To AWS, GitHub or a proxy: {port}")
    return group


def _new_vpc(scope: Construct, *, static_egress_ip: bool) -> ec2.Vpc:
    """Make a VPC with one way out, to GitHub."""
    return ec2.Vpc(
        scope,
        "Vpc",
        max_azs=2,
        nat_gateways=1,
        # Nothing of ours uses the default security group, and CDK would need a function to restrict it.
        restrict_default_security_group=False,
        nat_gateway_provider=_static_address(scope) if static_egress_ip else None,
        gateway_endpoints={
            "Ledger": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        },
    )


def _endpoints(vpc: ec2.Vpc, functions: ec2.ISecurityGroup) -> None:
    """Keep traffic to AWS inside, by endpoints that answer our functions alone."""
    group = ec2.SecurityGroup(
        vpc, "Endpoints", vpc=vpc, allow_all_outbound=False, description="The endpoints of AWS services"
    )
    group.add_ingress_rule(functions, ec2.Port.tcp(_HTTPS), "From the functions")
    for name, service in _AWS_SERVICES.items():
        vpc.add_interface_endpoint(name, service=service, open=False, security_groups=[group])


def _log_refused(vpc: ec2.Vpc, key: kms.IKey | None) -> None:
    """Log what the network refuses: there should be nothing."""
    log_group = logs.LogGroup(
        vpc,
        "RefusedLog",
        retention=logs.RetentionDays.THREE_MONTHS,
        removal_policy=RemovalPolicy.DESTROY,
        encryption_key=key,
    )
    vpc.add_flow_log(
        "Refused",
        destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group),
        traffic_type=ec2.FlowLogTrafficType.REJECT,
    )


def _static_address(scope: Construct) -> ec2.NatProvider:
    """Reserve the address that GitHub's IP allow list is told; it stays when the gateway is replaced."""
    address = ec2.CfnEIP(scope, "EgressAddress", domain="vpc")
    CfnOutput(scope, "EgressIp", value=address.ref, description="For GitHub's IP allow list")
    return ec2.NatProvider.gateway(eip_allocation_ids=[address.attr_allocation_id])
