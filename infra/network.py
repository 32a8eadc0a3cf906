"""The VPC that the functions run in, where one is asked for."""

from __future__ import annotations

from aws_cdk import CfnOutput
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.settings import Vpc

_AWS_SERVICES = {
    "Queues": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
}


def vpc_of(scope: Construct, settings: Vpc | None) -> ec2.IVpc | None:
    """Give the VPC: none, an existing one by its id, or a new one.

    An existing one must have private subnets from which GitHub and AWS's services can be reached.
    """
    if settings is None:
        return None
    if settings.id is not None:
        return ec2.Vpc.from_lookup(scope, "Vpc", vpc_id=settings.id)
    return _new_vpc(scope, static_egress_ip=settings.static_egress_ip)


def _new_vpc(scope: Construct, *, static_egress_ip: bool) -> ec2.Vpc:
    """Make a VPC with one way out to GitHub, and endpoints so that traffic to AWS stays inside."""
    vpc = ec2.Vpc(
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
    for name, service in _AWS_SERVICES.items():
        vpc.add_interface_endpoint(name, service=service)
    return vpc


def _static_address(scope: Construct) -> ec2.NatProvider:
    """Reserve the address that GitHub's IP allow list is told; it stays when the gateway is replaced."""
    address = ec2.CfnEIP(scope, "EgressAddress", domain="vpc")
    CfnOutput(scope, "EgressIp", value=address.ref, description="For GitHub's IP allow list")
    return ec2.NatProvider.gateway(eip_allocation_ids=[address.attr_allocation_id])
