"""Secrets Manager: secrets with versions, which people replace."""

from __future__ import annotations

from typing import Any

from tests.simulation.refusals import SecretsExceptions, refusal
from tests.simulation.wire import Wire


class SecretsClient:
    """What the functions call, in botocore's way, and the values that people put in."""

    exceptions = SecretsExceptions

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._values: dict[tuple[str, str], str] = {}

    def keep(self, name: str, value: str) -> None:
        """Put a value in; the one before it becomes the previous one."""
        if (name, "AWSCURRENT") in self._values:
            self._values[name, "AWSPREVIOUS"] = self._values[name, "AWSCURRENT"]
        self._values[name, "AWSCURRENT"] = value

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Any:  # noqa: N803 - the service's names
        """Read one version of a secret."""

        def effect() -> tuple[Any, str]:
            value = self._values.get((SecretId, VersionStage))
            if value is None:
                message = "Secrets Manager can't find the specified secret value for staging label"
                raise refusal("ResourceNotFoundException", message, "GetSecretValue")
            return {"Name": SecretId, "SecretString": value}, ""

        return self._wire.call("get_secret_value", f"{SecretId} {VersionStage}", effect)
