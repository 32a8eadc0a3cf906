"""The example that deploys from GitHub: its role is for one environment, and may become CDK's roles alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from infra.settings import from_context
from modelrelay import stack
from modelrelay.cdk import ROOT
from tests.infra.test_settings import context
from tests.supply import workflows

README = (ROOT / "examples" / "github" / "README.md").read_text(encoding="utf-8")
ISSUER = "token.actions.githubusercontent.com"
ACCOUNT, REGION = "111122223333", "eu-west-1"


def documents() -> dict[str, Any]:
    """Give the README's policies by file name, each the first block of JSON after its name."""
    parts = re.split(r"^`(\w+\.json)`,", README, flags=re.MULTILINE)[1:]
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    return {
        name: json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0]) for name, text in texts.items()
    }


def statements(name: str) -> list[dict[str, Any]]:
    """Give a policy's statements."""
    return list(documents()[name]["Statement"])


def bootstrap_roles() -> set[str]:
    """Give the names of the roles that the pinned CDK CLI's bootstrap makes."""
    template = ROOT / "node_modules" / "aws-cdk" / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"
    names = re.findall(
        r"Fn::Sub: (cdk-\$\{Qualifier\}-[\w-]+-role-\S+)", template.read_text(encoding="utf-8")
    )
    values = {"Qualifier": "hnb659fds", "AWS::AccountId": ACCOUNT, "AWS::Region": REGION}
    return {re.sub(r"\$\{(.*?)\}", lambda found: values[found.group(1)], name) for name in names}


def test_the_role_is_given_to_one_environment_of_one_repository() -> None:
    """The subject is compared as a whole, and is neither a branch, a pull request nor a pattern."""
    (statement,) = statements("trust.json")
    assert statement["Condition"].keys() == {"StringEquals"}
    subject = statement["Condition"]["StringEquals"][f"{ISSUER}:sub"]
    assert re.fullmatch(r"repo:[\w.-]+@\d+/[\w.-]+@\d+:environment:[\w-]+", subject)
    assert (
        subject.rpartition(":")[2]
        in workflows.read(workflows.EXAMPLE)[True]["workflow_dispatch"]["inputs"]["environment"]["options"]
    )


def test_the_role_is_given_for_a_token_that_was_made_for_aws() -> None:
    """The issuer is GitHub's, and the audience is the one that the action asks for by default."""
    (statement,) = statements("trust.json")
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:aud"] == "sts.amazonaws.com"


@pytest.mark.parametrize("name", ["trust.json", "permissions.json"])
def test_a_policy_has_no_wildcard(name: str) -> None:
    """Every action, resource and subject is named."""
    document = json.dumps(documents()[name])
    assert "*" not in document
    assert "?" not in document
    assert "StringLike" not in document


def test_the_role_may_become_the_roles_of_the_bootstrap() -> None:
    """Its resources are roles that the pinned CDK CLI makes; not the one that CloudFormation works with."""
    (assume,) = [each for each in statements("permissions.json") if each["Action"] == "sts:AssumeRole"]
    prefix = f"arn:aws:iam::{ACCOUNT}:role/"
    roles = {resource.removeprefix(prefix) for resource in assume["Resource"]}
    assert roles <= bootstrap_roles()
    assert {role.split("-")[2] for role in roles} == {"deploy", "file", "lookup"}


def test_the_role_may_read_whether_the_account_is_prepared() -> None:
    """`modelrelay deploy` reads one parameter with the caller's own rights; nothing else is granted."""
    (read,) = [each for each in statements("permissions.json") if each["Action"] != "sts:AssumeRole"]
    assert read["Action"] == "ssm:GetParameter"
    assert read["Resource"] == f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{stack._BOOTSTRAP_PARAMETER}"


def test_the_deployment_has_no_stored_key() -> None:
    """The workflow reads no secret: its credentials come from the role alone."""
    text = workflows.EXAMPLE.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "access-key" not in text
    (job,) = workflows.jobs(workflows.EXAMPLE).values()
    assert job["environment"] == "${{ inputs.environment }}"


def test_what_is_installed_never_sees_credentials() -> None:
    """Installing comes before the credentials, the comparison before the deployment."""
    names = [
        step.get("name") or step["uses"].partition("@")[0] for step in workflows.steps(workflows.EXAMPLE)
    ]
    order = ["Install", "aws-actions/configure-aws-credentials", "Compare", "Deploy"]
    assert [name for name in names if name in order] == order


def test_a_run_compares_unless_told_to_deploy() -> None:
    """Whoever starts the workflow without a tick sees the difference and changes nothing."""
    inputs = workflows.read(workflows.EXAMPLE)[True]["workflow_dispatch"]["inputs"]
    assert inputs["deploy"]["default"] is False
    (deploy,) = [step for step in workflows.steps(workflows.EXAMPLE) if step.get("name") == "Deploy"]
    assert deploy["if"] == "inputs.deploy"
    compare = yaml.dump(
        [step for step in workflows.steps(workflows.EXAMPLE) if step.get("name") == "Compare"]
    )
    assert "cdk diff" in compare


def test_the_readme_names_the_inputs_and_variables_that_the_workflow_reads() -> None:
    """Its commands and its list of variables fit the file beside it."""
    text = workflows.EXAMPLE.read_text(encoding="utf-8")
    assert set(re.findall(r"vars\.(\w+)", text)) == set(re.findall(r"`(AWS_\w+)`", README))
    inputs = workflows.read(workflows.EXAMPLE)[True]["workflow_dispatch"]["inputs"]
    assert set(re.findall(r"-f (\w+)=", README)) == set(inputs)
    assert [name for name in inputs["environment"]["options"] if f"`{name}`" not in README] == []


def test_the_environments_of_the_readme_are_those_of_the_workflow() -> None:
    """Each choice of the workflow is described, and leads to a stack of its own in the named account."""
    described = documents()["cdk.json"]["context"]["environments"]
    options = workflows.read(workflows.EXAMPLE)[True]["workflow_dispatch"]["inputs"]["environment"]["options"]
    assert list(described) == options
    for name in options:
        chosen = from_context(context() | {"environments": described, "environment": name}).environment
        assert (chosen.stack, chosen.account) == (f"ModelRelay-{name}", described[name]["account"])
