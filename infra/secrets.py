"""The secrets: one for each sender, one for GitHub."""

from __future__ import annotations

import string
from dataclasses import dataclass

from aws_cdk import ArnFormat, Aws, Fn, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from functions.ingest.senders import SENDERS
from infra.settings import Relay

_LENGTH = 48
# The same as `exclude_punctuation`, which the embedded AWS does not know.
_EXCLUDED = string.punctuation
_PASSWORD = secretsmanager.CfnSecret.GenerateSecretStringProperty(
    exclude_characters=_EXCLUDED, password_length=_LENGTH
)
"""Letters and digits, by fours: base64 as well, which is how Standard Webhooks reads a secret."""

_LOGIN = secretsmanager.CfnSecret.GenerateSecretStringProperty(
    exclude_characters=_EXCLUDED,
    password_length=_LENGTH,
    secret_string_template='{"username": "databricks"}',  # noqa: S106 - the password is added to it
    generate_string_key="password",
)


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret by its name, and the ARN that a policy names it by."""

    name: str
    arn: str


class Secrets(Construct):
    """The webhook secrets, generated unless they exist already, and the GitHub secret, for a person to fill.

    Attributes:
        senders: The webhook secret of each enabled sender.
        github: `{"token": "…"}` or a GitHub App's keys; empty until somebody fills it, and events wait.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        relay: Relay,
        keep: RemovalPolicy,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._keep = keep
        self._key = key
        self.senders = {
            sender: self._secret(
                SENDERS[sender].title,
                relay.ingest.secret_names.get(sender),
                description=f"The secret with which {sender} proves its webhooks",
                generate=_LOGIN if SENDERS[sender].credential == "login" else _PASSWORD,
            )
            for sender in relay.ingest.senders
        }
        self.github = self._secret(
            "GitHub",
            relay.github.secret_name,
            description='How GitHub is called: {"token": "…"}, or client_id, installation_id and private_key',
            generate=None,
        )

    def _secret(
        self,
        title: str,
        existing: str | None,
        *,
        description: str,
        generate: secretsmanager.CfnSecret.GenerateSecretStringProperty | None,
    ) -> NamedSecret:
        """Give an existing secret, or make one; either way it is known by its name."""
        if existing:
            return NamedSecret(existing, self._arn_of(existing))
        name = self._unique_name(title)
        # The resource itself, because CDK's own construct generates a value where none is asked for:
        # GitHub would reject it again and again, while an empty secret is waited for.
        resource = secretsmanager.CfnSecret(
            self,
            f"{title}Value",
            name=name,
            description=description,
            generate_secret_string=generate,
            kms_key_id=self._key.key_arn if self._key else None,
        )
        resource.apply_removal_policy(self._keep)
        return NamedSecret(name, resource.attr_id)

    def _arn_of(self, name: str) -> str:
        """Give the ARN of an existing secret; its last six characters are by chance, and may be any."""
        return Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{name}-??????",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _unique_name(self, title: str) -> str:
        """Name a secret after its stack, and after the stack's creation.

        A secret that was retained when a stack was deleted must not be in the way of the next one.
        """
        creation = Fn.select(0, Fn.split("-", Fn.select(2, Fn.split("/", Aws.STACK_ID))))
        return f"{Stack.of(self).stack_name}-{title}-{creation}"
