"""The whole chain under operators' commands: a deployed stack, a simulated GitHub, a made-up ingest."""

from __future__ import annotations

import io
import itertools
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from typer.testing import CliRunner

from functions.core.settings import FILE_NAME, RelaySettings
from functions.ingest.senders import SENDERS
from infra.settings import from_context
from modelrelay.cli import app
from modelrelay.errors import CommandError
from modelrelay.local.emulator import Emulator
from modelrelay.local.github import App, GitHub, GitHubServer, Workflow
from tests.examples.server import Relay, Reply, relay
from tests.simulator import keys

TOKEN: Final = "github_pat_simulatedAndSecret"
PASSWORD: Final = "p" * 48
LOGIN: Final = json.dumps({"username": "databricks", "password": PASSWORD})
IGNORED: Final = Reply(200, {"ignored": "This is a test delivery."})
ACCOUNT: Final = {
    "owner": "acme",
    "repository": "models",
    "workflow_id": "deploy.yml",
    "default_branch": "main",
}
WORKFLOWS: Final = (
    Workflow("acme", "models", 7, "deploy.yml", "Deploy", inputs=("model_name", "model_version")),
    Workflow("acme", "models", 8, "paused.yml", "Paused", state="disabled_manually"),
    Workflow("acme", "models", 9, "on-push.yml", "On push", has_dispatch_trigger=False),
    Workflow(
        "acme",
        "models",
        10,
        "promoted.yml",
        "Promoted",
        has_dispatch_trigger=False,
        event_types=("promoted",),
    ),
)
_NUMBERS = itertools.count(1)


@dataclass
class Chain:
    """A chain, and the command line on it.

    Attributes:
        name: The stack's.
        outputs: The stack's outputs.
        github: What GitHub is.
        ingest: What takes the webhooks.
        cloud: The AWS that holds the stack.
        hidden: What no command may ever print.
    """

    name: str
    outputs: Mapping[str, str]
    github: GitHubServer
    ingest: Relay
    cloud: Emulator
    hidden: list[str] = field(default_factory=lambda: [TOKEN, PASSWORD])

    def run(self, *arguments: str, given: str | None = None, **variables: str) -> Any:
        """Run a command, and make sure that it prints nothing secret."""
        found = CliRunner().invoke(
            app, [*arguments, "--stack", self.name], input=given, env=self._environment(variables)
        )
        said = f"{found.output}{found.exception!r}"
        assert not [each for each in self.hidden if each in said]
        assert found.exception is None or isinstance(found.exception, CommandError | SystemExit), said
        return found

    def told(self, *arguments: str, given: str | None = None, **variables: str) -> Any:
        """Give what a program is told by a command that succeeds."""
        found = self.run(*arguments, "--json", given=given, **variables)
        assert found.exit_code == 0, f"{found.output}{found.exception!r}"
        return json.loads(found.stdout)

    def refused(self, *arguments: str, given: str | None = None, **variables: str) -> str:
        """Give the message of a command that can't do what it was asked."""
        found = self.run(*arguments, given=given, **variables)
        assert isinstance(found.exception, CommandError), found.output
        return str(found.exception)

    def secret(self, output: str, stage: str = "AWSCURRENT") -> str:
        """Give a secret's value, by the output that names it."""
        client = self.cloud.client("secretsmanager")
        answer = client.get_secret_value(SecretId=self.outputs[output], VersionStage=stage)
        return str(answer["SecretString"])

    def fill(self, output: str, value: str) -> None:
        """Put a value into a secret."""
        client = self.cloud.client("secretsmanager")
        client.put_secret_value(SecretId=self.outputs[output], SecretString=value)

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str | None]:
        """Give this shell's variables: those of the embedded AWS, and none that would lead elsewhere."""
        foreign = [name for name in os.environ if name.startswith(("AWS_", "GITHUB_", "DATABRICKS_"))]
        ours = {
            name: value
            for name, value in self.cloud.environment.items()
            if name.startswith("AWS_") or name.lower() == "no_proxy"
        }
        return {**dict.fromkeys(foreign), **ours, "HOME": os.devnull, **variables}


def settings(github_url: str, routes: Iterable[Any] = (), senders: Iterable[str] = SENDERS) -> RelaySettings:
    """Give the settings of a deployment."""
    relay_context: dict[str, Any] = {
        "github": {"api_url": github_url},
        "ingest": {"senders": list(senders)},
    }
    if routes:
        relay_context["routes"] = list(routes)
    return from_context({"account_setings": ACCOUNT, "relay": relay_context}).functions


@contextmanager
def deployed(
    cloud: Emulator,
    *,
    routes: Iterable[Any] = (),
    replies: Iterable[Reply] = (IGNORED,),
    workflows: Iterable[Workflow] = WORKFLOWS,
    app_: App | None = None,
    senders: Iterable[str] = tuple(SENDERS),
    without: Iterable[str] = (),
) -> Iterator[Chain]:
    """Deploy a stack as ours is to its users: outputs, secrets, queues, ledger, an alarm, and a bundle."""
    github = GitHub(workflows, tokens=[TOKEN], app=app_)
    name = f"Chain{next(_NUMBERS)}"
    with GitHubServer(github) as server, relay(*replies) as ingest:
        bundle = _upload(cloud, name, settings(server.url, routes, senders))
        template = _template(name, ingest.url, tuple(senders), bundle)
        for resource in without:
            del template["Resources"][resource]
        client = cloud.client("cloudformation")
        client.create_stack(StackName=name, TemplateBody=json.dumps(template))
        client.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        outputs = client.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        named = {each["OutputKey"]: each["OutputValue"] for each in outputs}
        yield Chain(name, named, server, ingest, cloud)


def token_filled(chain: Chain) -> Chain:
    """Fill the GitHub secret with the token that GitHub knows."""
    chain.fill("GitHubSecretName", json.dumps({"token": TOKEN}))
    return chain


def app_secret() -> dict[str, str]:
    """Give the App's credential, as the GitHub secret holds it."""
    return {
        "client_id": keys.CLIENT_ID,
        "installation_id": str(keys.INSTALLATION_ID),
        "private_key": keys.private_pem(),
    }


def _upload(cloud: Emulator, name: str, deployed_settings: RelaySettings) -> dict[str, str]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        bundle.writestr(FILE_NAME, deployed_settings.to_json())
    client = cloud.client("s3")
    bucket = f"bundles-{name.lower()}"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="dispatch.zip", Body=content.getvalue())
    return {"S3Bucket": bucket, "S3Key": "dispatch.zip"}


def _template(name: str, ingest_url: str, senders: tuple[str, ...], bundle: Mapping[str, str]) -> Any:
    secrets = {SENDERS[sender].title: f"{name}-{sender}" for sender in senders} | {"GitHub": f"{name}-github"}
    return {
        "Resources": {
            **{f"{title}Secret": _secret(title, secret) for title, secret in secrets.items()},
            **_resources(name, bundle),
        },
        "Outputs": {
            "IngestUrl": {"Value": ingest_url},
            "DatabricksWebhookUrl": {"Value": f"{ingest_url}/databricks"},
            "QueueUrl": {"Value": {"Ref": "Deliveries"}},
            "DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetters"}},
            "LedgerTableName": {"Value": {"Ref": "Ledger"}},
            "GateTableName": {"Value": {"Ref": "Ledger"}},
            "GateName": {"Value": secrets["GitHub"]},
            "DashboardUrl": {"Value": "https://example.com"},
            **{f"{title}SecretName": {"Value": secret} for title, secret in secrets.items()},
        },
    }


def _secret(title: str, name: str) -> dict[str, Any]:
    """Give a secret that is filled as our stack does it: GitHub's not at all."""
    values = {"GitHub": {}, SENDERS["databricks-jobs"].title: {"SecretString": LOGIN}}
    value = values.get(title, {"SecretString": PASSWORD})
    return {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": name, **value}}


def _resources(name: str, bundle: Mapping[str, str]) -> dict[str, Any]:
    queue = {"Type": "AWS::SQS::Queue"}
    return {
        "Deliveries": {**queue, "Properties": {"FifoQueue": True, "QueueName": f"{name}-d.fifo"}},
        "DeadLetters": {**queue, "Properties": {"FifoQueue": True, "QueueName": f"{name}-l.fifo"}},
        "Ledger": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": f"{name}-Ledger",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": f"{name}-DeadLetters",
                "AlarmDescription": "Deliveries lie there. What to do: docs/operations.md#deadletters",
                "Namespace": name,
                "MetricName": "Letters",
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            },
        },
        "Dispatch": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": f"{name}-dispatch",
                "Handler": "functions.dispatch.handler.handler",
                "Runtime": "python3.13",
                "Role": "arn:aws:iam::000000000000:role/dispatch",
                "Code": dict(bundle),
            },
        },
    }
