"""Filling and rotating the stack's secrets. No value is ever part of a message."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from functions.core.settings import RelaySettings, Target
from functions.dispatch.app import App
from functions.ingest.http import Request, SecretUnusable
from functions.ingest.sender import Sender
from functions.ingest.senders import SENDERS
from modelrelay.errors import CommandError
from modelrelay.operate.github import Access, repository_of
from modelrelay.stack import Session

IN_FORCE: Final = "within five minutes"
"""How soon the functions use a new value (functions/core/secrets.py)."""

LENGTH: Final = 48
SETTLE_SECONDS: Final = 3600
"""How long a sender has to follow a rotation before another one would lock it out."""

_LETTERS: Final = string.ascii_letters + string.digits
_LOGIN_NAME: Final = "databricks"
_CURRENT: Final = "AWSCURRENT"
_PREVIOUS: Final = "AWSPREVIOUS"


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password."""

    username: str
    password: str = field(repr=False)


def sender_named(name: str) -> Sender:
    """Give a sender.

    Raises:
        CommandError: There is none of this name.
    """
    if name not in SENDERS:
        raise CommandError(f"There is no sender '{name}': {', '.join(SENDERS)}.")
    return SENDERS[name]


def name_of(session: Session, sender: Sender) -> str:
    """Give the name of a sender's secret.

    Raises:
        CommandError: The sender is not enabled in this stack.
    """
    try:
        return session.outputs[f"{sender.title}SecretName"]
    except KeyError:
        raise CommandError(
            f"The sender {sender.name} is not enabled in this stack: add it to relay.ingest.senders."
        ) from None


def value(session: Session, name: str) -> str:
    """Give a secret's current value; empty where it was never filled.

    Raises:
        CommandError: AWS refused, or can't be reached.
    """
    with session.explained():
        client = session.client("secretsmanager")
        try:
            return str(client.get_secret_value(SecretId=name).get("SecretString", ""))
        except ClientError as error:
            # A secret without a value says the same as one that is not there, which can't be described.
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            client.describe_secret(SecretId=name)
            return ""


def is_usable(sender: Sender, value: str) -> bool:
    """Tell whether ingest could check a webhook with a value: it is filled and of the sender's form."""
    try:
        sender.verify(Request("POST", f"/{sender.name}", {}, b"", ""), (value,), 0)
    except SecretUnusable:
        return False
    return bool(value.strip())


def login(value: str) -> Login | None:
    """Read a login; None where it is none."""
    try:
        content = json.loads(value)
        return Login(str(content["username"]), str(content["password"]))
    except (ValueError, TypeError, KeyError):
        return None


def rotate(session: Session, sender: Sender, *, now: float, force: bool) -> str:
    """Give a sender's secret a new value; the old one stays valid beside it. Give the secret's name.

    Args:
        session: The stack.
        sender: Whose secret.
        now: Seconds since the epoch.
        force: Whether to rotate although the last time was only just now.

    Raises:
        CommandError: It was rotated within the hour, or AWS refused.
    """
    name = name_of(session, sender)
    current = value(session, name)
    age = seconds_since_rotation(session, name, now)
    if age is not None and age < SETTLE_SECONDS and not force:
        raise CommandError(
            f"The secret of {sender.name} was rotated {int(age // 60)} minutes ago. Another time would end "
            f"the value that the sender may still use, and its events would be refused. Give it the new one "
            f"first (modelrelay webhook update); with --force it is rotated all the same."
        )
    store(session, name, renewed(sender, current))
    return name


def renewed(sender: Sender, current: str) -> str:
    """Make a new value of the same form: of a login, only the password changes."""
    password = "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))
    if sender.credential != "login":
        return password
    known = login(current)
    return json.dumps({"username": known.username if known else _LOGIN_NAME, "password": password})


def store(session: Session, name: str, value: str) -> None:
    """Make a value the current one.

    Raises:
        CommandError: AWS refused, or can't be reached.
    """
    with session.explained():
        session.client("secretsmanager").put_secret_value(SecretId=name, SecretString=value)


def seconds_since_rotation(session: Session, name: str, now: float) -> float | None:
    """Give how long ago a secret's value took the place of a previous one; None where it never did.

    Raises:
        CommandError: AWS refused, or can't be reached.
    """
    with session.explained():
        client = session.client("secretsmanager")
        listed = client.list_secret_version_ids(SecretId=name).get("Versions", [])
    made = {stage: _created(version) for version in listed for stage in version.get("VersionStages", [])}
    return max(0.0, now - made[_CURRENT]) if {_CURRENT, _PREVIOUS} <= made.keys() else None


def github_secret(credential: str | App) -> str:
    """Write a credential as the GitHub secret holds it."""
    if isinstance(credential, str):
        return json.dumps({"token": credential})
    return json.dumps(
        {
            "client_id": credential.client_id,
            "installation_id": credential.installation_id,
            "private_key": credential.private_key,
        }
    )


def permissions(access: Access, settings: RelaySettings) -> list[str]:
    """Ask GitHub what a credential may do for each route's target, and say it in a line for each.

    Raises:
        CommandError: GitHub does not take the credential, or it may not do what is needed.
    """
    if isinstance(access.credential, App):
        return [app_words(access, target) for target in targets(settings)]
    needed = targets(settings)
    lines = [token_words(access.limits(repository_of(needed[0])).headers)]
    for target in needed:
        repository = repository_of(target)
        may = access.get(repository).get("permissions", {})
        if may and not may.get("push"):
            raise CommandError(f"The token's owner may not write to {repository.slug}, which starting needs.")
        lines.append(f"{repository.slug}: the token reaches it")
    return lines


def targets(settings: RelaySettings) -> list[Target]:
    """Give those of the routes' targets that differ in what they need of a credential."""
    scopes = {
        (each.target.owner, each.target.repository, bool(each.target.event_type)): each.target
        for each in settings.routes
    }
    return list(scopes.values())


def app_words(access: Access, target: Target) -> str:
    """Mint a token for a target, and say what the App may do there.

    Raises:
        CommandError: It may not do what the target needs, or GitHub did not answer.
    """
    granted = ", ".join(f"{name}: {level}" for name, level in sorted(access.permissions(target).items()))
    return f"{repository_of(target).slug}: the App may have {granted}"


def token_words(headers: Mapping[str, str]) -> str:
    """Say what GitHub tells of a token: the scopes of a classic one, and its end. It tells no more."""
    scopes = headers.get("x-oauth-scopes", "")
    ends = headers.get("github-authentication-token-expiration", "")
    said = f"a classic token with the scopes {scopes}" if scopes else "the token is valid"
    return f"{said}, until {ends}" if ends else said


def _created(version: Mapping[str, Any]) -> float:
    created: datetime = version["CreatedDate"]
    return created.timestamp()
