"""The deployed stack, as the command line sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from modelrelay import cdk
from modelrelay.errors import CommandError

_DEFAULT_REGION: Final = "us-east-1"
"""What the CDK CLI takes where nobody names a region; boto3 would fail instead."""

_BOOTSTRAP_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that the stack made, and whether it stays when the stack goes."""

    kind: str
    name: str
    kept: bool


class Session:
    """A stack in an account and region, by this shell's settings unless named.

    Args:
        profile: An AWS profile.
        region: An AWS region.
        stack: The stack's name.
    """

    def __init__(self, profile: str | None = None, region: str | None = None, stack: str = cdk.STACK) -> None:
        self._profile = profile
        self._named_region = region
        self._stack = stack

    def cdk(self, *arguments: str) -> None:
        """Run the CDK CLI on this terminal.

        Raises:
            CommandError: It failed; it has said why.
        """
        environment = dict(os.environ)
        if self._named_region:
            environment |= {"AWS_REGION": self._named_region, "AWS_DEFAULT_REGION": self._named_region}
        if self._profile:
            arguments = (*arguments, "--profile", self._profile)
        line = cdk.command(*arguments)
        done = subprocess.run(line, cwd=cdk.ROOT, env=cdk.environment(environment), check=False)  # noqa: S603 - ours
        if done.returncode:
            raise CommandError(f"cdk {arguments[0]} failed (exit code {done.returncode}); see above.")

    def bootstrapped(self) -> bool:
        """Tell whether the account and region are prepared for CDK."""
        with self.explained():
            try:
                self.client("ssm").get_parameter(Name=_BOOTSTRAP_PARAMETER)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ParameterNotFound":
                    return False
                raise
        return True

    def output(self, name: str) -> str:
        """Give one of the stack's outputs."""
        try:
            return self.outputs[name]
        except KeyError:
            raise CommandError(
                f"The stack {self._stack} has no output {name}. Is it deployed from this version?"
            ) from None

    @cached_property
    def outputs(self) -> dict[str, str]:
        """All of the stack's outputs."""
        with self.explained():
            description = self.client("cloudformation").describe_stacks(StackName=self._stack)
        return {
            each["OutputKey"]: each["OutputValue"] for each in description["Stacks"][0].get("Outputs", [])
        }

    def secret(self, name: str) -> str:
        """Give a secret's current value."""
        with self.explained():
            return str(self.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])

    def refuse_if_protected(self) -> None:
        """Do nothing, unless the stack is protected from deletion.

        Raises:
            CommandError: It is.
        """
        with self.explained():
            description = self.client("cloudformation").describe_stacks(StackName=self._stack)
        if description["Stacks"][0].get("EnableTerminationProtection"):
            raise CommandError(
                f"The stack {self._stack} is protected from deletion. Set relay.termination_protection to "
                "false, deploy, and try again."
            )

    def resources(self) -> list[Resource]:
        """List what the stack made."""
        with self.explained():
            cloudformation = self.client("cloudformation")
            template = cloudformation.get_template(StackName=self._stack)["TemplateBody"]["Resources"]
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=self._stack)
            return [
                Resource(
                    kind=found["ResourceType"],
                    name=found["PhysicalResourceId"],
                    kept=template[found["LogicalResourceId"]].get("DeletionPolicy") == "Retain",
                )
                for page in pages
                for found in page["StackResourceSummaries"]
            ]

    def client(self, service: Any) -> Any:
        """Make a client for a service; call it within `explained`."""
        config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
        return self._boto.client(service, region_name=self._region, config=config)

    @cached_property
    def _boto(self) -> boto3.Session:
        return boto3.Session(profile_name=self._profile)

    @property
    def _region(self) -> str:
        named = self._named_region or os.environ.get("AWS_REGION") or self._boto.region_name
        return named or _DEFAULT_REGION

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what AWS or its client says into a message for people.

        Raises:
            CommandError: AWS refused, or can't be reached.
        """
        try:
            yield
        except ClientError as error:
            told = error.response["Error"]
            if "does not exist" in told.get("Message", "") and self._stack in told["Message"]:
                raise CommandError(
                    f"There is no stack {self._stack} in this account and region. Deploy it first."
                ) from None
            raise CommandError(f"AWS refused ({told['Code']}): {told.get('Message', '')}") from None
        except BotoCoreError as error:
            raise CommandError(f"AWS can't be reached with this shell's settings: {error}") from None
