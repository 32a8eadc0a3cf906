"""What a check-up of the deployed chain looks at, and what it finds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from functions.core.settings import RelaySettings
from modelrelay.operate import deployed, github, secrets
from modelrelay.operate.relay import Relay
from modelrelay.stack import Session


class Verdict(StrEnum):
    """How it is with something."""

    OK = "ok"
    PROBLEM = "problem"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        verdict: How it is.
        says: What was seen, for people. Nothing secret.
        mend: What to do about a problem.
        subject: Of what, where a check looks at several: a sender, a repository, a route.
        check: The check that found it.
    """

    verdict: Verdict
    says: str
    mend: str = ""
    subject: str = ""
    check: str = ""


def ok(says: str, subject: str = "") -> Finding:
    """Find something in order."""
    return Finding(Verdict.OK, says, subject=subject)


def problem(says: str, mend: str, subject: str = "") -> Finding:
    """Find a problem."""
    return Finding(Verdict.PROBLEM, says, mend, subject)


def not_checked(says: str, subject: str = "") -> Finding:
    """Find that something can't be told, or does not apply."""
    return Finding(Verdict.NOT_CHECKED, says, subject=subject)


@dataclass(frozen=True)
class Chain:
    """The chain from the sender to GitHub, each part of it asked for when a check first needs it.

    Attributes:
        session: The stack.
        stack: Its name.
        url: The ingest URL as this machine reaches it, if that is not the stack's own.
        context: CDK context that was given; then this checkout's configuration is meant.
        variables: The environment.
        clock: Seconds since the epoch.
    """

    session: Session
    stack: str
    url: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], float] = time.time

    @cached_property
    def configuration(self) -> tuple[RelaySettings, str]:
        """The settings, and whether they are the deployed ones or this checkout's."""
        return deployed.settings_or_checkout(self.session, self.context)

    @property
    def settings(self) -> RelaySettings:
        """The settings."""
        return self.configuration[0]

    @property
    def github_secret(self) -> str:
        """What the GitHub secret holds."""
        return secrets.value(self.session, self.session.output("GitHubSecretName"))

    @cached_property
    def access(self) -> github.Access:
        """GitHub with the stack's credential, as dispatch has it; this shell's is another."""
        credential = github.parse(self.github_secret)
        return github.Access(github.api(self.settings.github), credential, self.clock)

    @cached_property
    def relay(self) -> Relay:
        """The deployed pipeline."""
        return Relay(self.session, self.stack, self.clock)
