"""Networks: the VPC, who may talk in it, and the way to a GitHub inside a company."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.conftest import synthesise

FUNCTION = "AWS::Lambda::Function"
VPC_ID = "vpc-0123456789abcdef0"
KEY = (
    f"vpc-provider:account=111111111111:filter.vpc-id={VPC_ID}:region=eu-west-1:returnAsymmetricSubnets=true"
)
FOUND = {
    "vpcId": VPC_ID,
    "vpcCidrBlock": "10.0.0.0/16",
    "availabilityZones": [],
    "subnetGroups": [
        {
            "name": "Private",
            "type": "Private",
            "subnets": [
                {
                    "subnetId": f"subnet-{zone * 17}",
                    "cidr": "10.0.0.0/24",
                    "availabilityZone": f"eu-west-1{zone}",
                }
                for zone in "ab"
            ],
        }
    ],
}


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Give the properties of the resources of a type."""
    return [item["Properties"] for item in template["Resources"].values() if item["Type"] == kind]


def in_existing(**relay: Any) -> dict[str, Any]:
    """Give the template for a VPC that is there already."""
    return synthesise({"vpc": {"id": VPC_ID}, **relay}, found={KEY: FOUND})


def ways_out(template: dict[str, Any]) -> list[int]:
    """Give the ports that the functions may reach, and no others."""
    (functions,) = {json.dumps(each["VpcConfig"]["SecurityGroupIds"]) for each in of_type(template, FUNCTION)}
    groups = [each for each in of_type(template, "AWS::EC2::SecurityGroup") if "functions" in str(each)]
    (group,) = [each for each in groups if "Egress" in functions]
    assert {rule["IpProtocol"] for rule in group["SecurityGroupEgress"]} == {"tcp"}
    assert "SecurityGroupIngress" not in group
    return [rule["FromPort"] for rule in group["SecurityGroupEgress"] if rule["FromPort"] == rule["ToPort"]]


def test_a_new_vpc_has_one_known_way_out(hardened: dict[str, Any]) -> None:
    """All functions run inside, and GitHub sees one address that stays."""
    kinds = [item["Type"] for item in hardened["Resources"].values()]
    assert (kinds.count("AWS::EC2::NatGateway"), kinds.count("AWS::EC2::EIP")) == (1, 1)
    assert "EgressIp" in hardened["Outputs"]
    functions = of_type(hardened, FUNCTION)
    assert all("VpcConfig" in function for function in functions)
    assert len(functions) == 3


def test_traffic_to_aws_stays_inside(hardened: dict[str, Any]) -> None:
    """Queues, secrets and ledger have endpoints in the VPC, which answer our functions alone."""
    endpoints = of_type(hardened, "AWS::EC2::VPCEndpoint")
    services = sorted(json.dumps(each["ServiceName"]).rstrip('"]}').split(".")[-1] for each in endpoints)
    assert services == ["dynamodb", "secretsmanager", "sqs"]
    assert all(each["PrivateDnsEnabled"] for each in endpoints if each["VpcEndpointType"] == "Interface")
    (rule,) = of_type(hardened, "AWS::EC2::SecurityGroupIngress")
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert rule["SourceSecurityGroupId"]["Fn::GetAtt"][0].startswith("Egress")


def test_what_the_network_refuses_is_logged(hardened: dict[str, Any]) -> None:
    """There should be nothing, so whatever is refused can be seen."""
    (flow,) = of_type(hardened, "AWS::EC2::FlowLog")
    assert flow["TrafficType"] == "REJECT"


def test_functions_reach_https_and_nothing_else(hardened: dict[str, Any]) -> None:
    """Nothing comes in, and only HTTPS goes out."""
    assert ways_out(hardened) == [443]


def test_an_existing_vpc_is_looked_up() -> None:
    """The functions can be put into a VPC that is already there, and nothing else is put into it."""
    template = in_existing()
    functions = of_type(template, FUNCTION)
    assert all(len(function["VpcConfig"]["SubnetIds"]) == 2 for function in functions)
    assert {each["VpcId"] for each in of_type(template, "AWS::EC2::SecurityGroup")} == {VPC_ID}
    assert of_type(template, "AWS::EC2::VPCEndpoint") == of_type(template, "AWS::EC2::NatGateway") == []


@pytest.mark.parametrize(
    ("github", "ports"),
    [
        ({"api_url": "https://github.corp.example/api/v3"}, [443]),
        ({"api_url": "https://api.octo.ghe.com"}, [443]),
        ({"api_url": "https://github.corp.example:8443/api/v3"}, [443, 8443]),
        ({"proxy": "http://proxy.corp.example:3128"}, [443, 3128]),
    ],
)
def test_functions_reach_githubs_port_and_the_proxys(github: dict[str, str], ports: list[int]) -> None:
    """A GitHub on a port of its own, or behind a proxy, is reached: that port is open, too."""
    assert ways_out(in_existing(github=github)) == ports


def test_a_domain_is_the_only_way_in(hardened: dict[str, Any], template: dict[str, Any]) -> None:
    """With a domain of the user's, the API's own address answers nobody, and the outputs name the domain."""
    (api,) = of_type(hardened, "AWS::ApiGatewayV2::Api")
    assert api["DisableExecuteApiEndpoint"] is True
    (name,) = of_type(hardened, "AWS::ApiGatewayV2::DomainName")
    assert name["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
    assert len(of_type(hardened, "AWS::ApiGatewayV2::ApiMapping")) == 1
    assert hardened["Outputs"]["DatabricksWebhookUrl"]["Value"] == "https://hooks.example.com/databricks"
    assert "DomainTarget" in hardened["Outputs"]
    assert "DisableExecuteApiEndpoint" not in str(of_type(template, "AWS::ApiGatewayV2::Api")[0]) or (
        of_type(template, "AWS::ApiGatewayV2::Api")[0]["DisableExecuteApiEndpoint"] is False
    )
