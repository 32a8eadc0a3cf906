"""Secrets Manager's values, kept for a few minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TTL_SECONDS: Final = 240
"""A new value is in force within five minutes (docs/security.md), so we look again after four."""

FAILURE_SECONDS: Final = 5
"""How long to leave Secrets Manager alone after it failed and nothing is known yet."""


class SecretUnavailable(Exception):
    """Secrets Manager could not be asked, and no value is known. Waiting may help."""


class Secret:
    """The values of one secret.

    While Secrets Manager fails, the values known last stay in force.

    Args:
        client: Secrets Manager.
        secret_id: The secret's name or ARN.
        clock: Seconds since any fixed moment.
        stages: Which of the secret's versions count. A webhook secret's previous value does, so that a
            rotation has no gap: the sender may go on using it until the new one is registered there.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        clock: Callable[[], float],
        stages: tuple[str, ...] = ("AWSCURRENT", "AWSPREVIOUS"),
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clock = clock
        self._stages = stages
        self._values: tuple[str, ...] | None = None
        self._failure = ""
        self._asked_at = float("-inf")
        self._pause: float = TTL_SECONDS

    def values(self, max_age: float = TTL_SECONDS) -> tuple[str, ...]:
        """Give the values, newest first, without empty ones. Empty when nothing was filled in yet.

        Args:
            max_age: How many seconds ago they may have been read; never more than the usual four minutes.

        Raises:
            SecretUnavailable: Secrets Manager fails and nothing is known.
        """
        if self._clock() - self._asked_at >= min(max_age, self._pause):
            self._refresh()
        if self._values is None:
            raise SecretUnavailable(self._failure)
        return self._values

    def forget(self) -> None:
        """Ask again at the next use: somebody said that the value is wrong."""
        self._asked_at = float("-inf")

    def _refresh(self) -> None:
        try:
            found = [self._read(stage) for stage in self._stages]
        except (ClientError, BotoCoreError) as error:
            self._failure = type(error).__name__
            # A flood of requests must not become a flood of calls while Secrets Manager is unwell.
            self._pause = TTL_SECONDS if self._values else FAILURE_SECONDS
        else:
            self._values = tuple(value for value in found if value)
            self._pause = TTL_SECONDS
        self._asked_at = self._clock()

    def _read(self, stage: str) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        except self._client.exceptions.ResourceNotFoundException:
            return ""  # A secret that was never filled, or never rotated, has no such stage.
        return answer.get("SecretString", "")
