"""Registering our webhook with the sender, so that nobody copies an address or a secret.

Source: "Model Registry webhooks", docs.databricks.com/aws/en/mlflow/model-registry-webhooks, and the SDK.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from functions.core.settings import RelaySettings
from functions.ingest.sender import Sender
from functions.ingest.senders import SENDERS
from modelrelay.errors import CommandError
from modelrelay.operate import secrets
from modelrelay.stack import Session

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.ml import RegistryWebhook, RegistryWebhookEvent

ACTIVE: Final = "ACTIVE"
DESCRIPTION: Final = "Model Relay"
KNOWN_AFTER_SECONDS: Final = 300
"""How long after a rotation ingest may not know the new secret yet."""

_CALL_SECONDS: Final = 15
_RETRY_SECONDS: Final = 20
_STAGE_IN_NAME: Final = "_TO_"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as its sender has it. `model` is empty where it is for all models."""

    id: str
    url: str
    events: tuple[str, ...]
    status: str
    model: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A webhook as it shall be: where it posts, what it signs with, and what it tells of.

    Empty `events` leave those of an existing webhook as they are.
    """

    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Tested:
    """What ingest answered to a test delivery; status 0 where it could not be reached."""

    status: int
    body: str


class Registry(Protocol):
    """Where webhooks are registered.

    Attributes:
        sender: Who sends them.
    """

    sender: Sender

    def webhooks(self) -> list[Webhook]:
        """List all webhooks that post to an address."""

    def create(self, wanted: Wanted) -> Webhook:
        """Make a webhook."""

    def update(self, webhook_id: str, wanted: Wanted) -> Webhook:
        """Change a webhook, and make it active."""

    def delete(self, webhook_id: str) -> None:
        """Remove a webhook."""

    def test(self, webhook_id: str, event: str | None) -> Tested:
        """Have a test delivery sent."""


class Databricks:
    """The Workspace Model Registry's webhooks.

    Args:
        client: A workspace.
    """

    sender = SENDERS["databricks"]

    def __init__(self, client: WorkspaceClient) -> None:
        self._api = client.model_registry

    def webhooks(self) -> list[Webhook]:
        """List all webhooks that post to an address and that this user may see."""
        with _explained():
            return [_webhook(each) for each in self._api.list_webhooks() if each.http_url_spec]

    def create(self, wanted: Wanted) -> Webhook:
        """Make a webhook."""
        from databricks.sdk.service.ml import HttpUrlSpec  # noqa: PLC0415 - slow, and only this needs it

        with _explained(wanted.secret):
            made = self._api.create_webhook(
                events=_events(wanted.events),
                description=DESCRIPTION,
                http_url_spec=HttpUrlSpec(url=wanted.url, secret=wanted.secret),
                model_name=wanted.model or None,
            )
        return _webhook(made.webhook)

    def update(self, webhook_id: str, wanted: Wanted) -> Webhook:
        """Change a webhook, and make it active."""
        from databricks.sdk.service.ml import HttpUrlSpec, RegistryWebhookStatus  # noqa: PLC0415

        with _explained(wanted.secret):
            made = self._api.update_webhook(
                webhook_id,
                events=_events(wanted.events) or None,
                http_url_spec=HttpUrlSpec(url=wanted.url, secret=wanted.secret),
                status=RegistryWebhookStatus.ACTIVE,
            )
        return _webhook(made.webhook)

    def delete(self, webhook_id: str) -> None:
        """Remove a webhook."""
        with _explained():
            self._api.delete_webhook(webhook_id)

    def test(self, webhook_id: str, event: str | None) -> Tested:
        """Have a test delivery sent."""
        with _explained():
            told = self._api.test_registry_webhook(webhook_id, event=_events([event])[0] if event else None)
        return Tested(told.status_code or 0, told.body or "")


def workspace(profile: str | None = None) -> WorkspaceClient:
    """Log in to a workspace as Databricks' own tools do: by the environment, or by a profile.

    Raises:
        CommandError: There is no login.
    """
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - takes a second, and only this needs it
    from databricks.sdk.config import Config  # noqa: PLC0415

    # It would tell of every detour on the terminal; what matters is raised.
    logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
    try:
        return WorkspaceClient(
            config=Config(
                profile=profile,
                http_timeout_seconds=_CALL_SECONDS,
                retry_timeout_seconds=_RETRY_SECONDS,
                product="model-relay",
            )
        )
    except ValueError as error:
        first = str(error).partition(". Config:")[0]
        raise CommandError(
            f"There is no login to Databricks ({first}). Set DATABRICKS_HOST and DATABRICKS_TOKEN, "
            f"or name a --databricks-profile."
        ) from None


def address(session: Session, sender: Sender, base: str | None) -> str:
    """Give the address that a sender posts to.

    Args:
        session: The stack.
        sender: Who posts.
        base: The ingest URL as the sender reaches it, if that is not the stack's own.

    Raises:
        CommandError: There is no such stack, or it does not take the sender's webhooks.
    """
    secrets.name_of(session, sender)
    if base:
        return f"{base.rstrip('/')}/{sender.name}"
    if sender.name == "databricks":
        return session.output("DatabricksWebhookUrl")
    return f"{session.output('IngestUrl')}/{sender.name}"


def secret(session: Session, sender: Sender, *, now: float, force: bool = False) -> str:
    """Give the secret that a sender shall sign with.

    Raises:
        CommandError: It is empty, or so new that ingest may refuse what is signed with it.
    """
    name = secrets.name_of(session, sender)
    age = secrets.seconds_since_rotation(session, name, now)
    if age is not None and age < KNOWN_AFTER_SECONDS and not force:
        raise CommandError(
            f"The secret was rotated just now, and ingest may not know it yet: it would refuse events. Try "
            f"again in {KNOWN_AFTER_SECONDS - int(age)} seconds; with --force it is done all the same."
        )
    value = secrets.value(session, name)
    if not secrets.is_usable(sender, value):
        raise CommandError(f"The secret {name} is empty: modelrelay secrets rotate-webhook {sender.name}")
    return value


def default_events(sender: Sender, settings: RelaySettings) -> tuple[str, ...]:
    """Give the sender's events that some route wants, without those that only repeat another one.

    Raises:
        CommandError: No route wants any.
    """
    named = {event for route in settings.routes for event in route.events}
    wanted = tuple(
        name
        for name, kind in sender.events.items()
        if name in named or (kind in named and _STAGE_IN_NAME not in name)
    )
    if not wanted:
        raise CommandError(
            f"No route wants any event that {sender.name} sends. Mend relay.routes, or name --events."
        )
    return wanted


def ours(registry: Registry, url: str, model: str | None = None) -> list[Webhook]:
    """Give the webhooks that post to an address; those of one model, or all."""
    found = [each for each in registry.webhooks() if each.url.rstrip("/") == url.rstrip("/")]
    return [each for each in found if model is None or each.model == model]


def register(registry: Registry, wanted: Wanted) -> tuple[Webhook, bool]:
    """Make a webhook, or change the one for the same address and model; tell whether it is new."""
    found = ours(registry, wanted.url, wanted.model)
    if found:
        return registry.update(found[0].id, wanted), False
    return registry.create(wanted), True


def chosen(registry: Registry, url: str, webhook_id: str | None) -> Webhook:
    """Give the webhook that was named, or the only one that posts to an address.

    Raises:
        CommandError: There is none, or more than one.
    """
    if webhook_id:
        for each in registry.webhooks():
            if each.id == webhook_id:
                return each
        raise CommandError(f"There is no webhook {webhook_id}. See: modelrelay webhook list")
    found = ours(registry, url)
    if not found:
        raise CommandError(f"No webhook posts to {url}. Make one: modelrelay webhook register")
    if len(found) > 1:
        listed = ", ".join(f"{each.id} ({each.model or 'all models'})" for each in found)
        raise CommandError(f"Several webhooks post to {url}: name one of {listed}.")
    return found[0]


def _events(names: Sequence[str]) -> list[RegistryWebhookEvent]:
    from databricks.sdk.service.ml import RegistryWebhookEvent  # noqa: PLC0415 - as above

    try:
        return [RegistryWebhookEvent(name) for name in names]
    except ValueError as error:
        known = ", ".join(each.value for each in RegistryWebhookEvent)
        raise CommandError(f"{error}. Databricks knows {known}.") from None


def _webhook(told: RegistryWebhook | None) -> Webhook:
    if told is None or told.http_url_spec is None:
        raise CommandError("Databricks did not tell which webhook it made. See: modelrelay webhook list")
    return Webhook(
        id=told.id or "",
        url=told.http_url_spec.url or "",
        events=tuple(each.value for each in told.events or ()),
        status=told.status.value if told.status else "",
        model=told.model_name or "",
        description=told.description or "",
    )


@contextlib.contextmanager
def _explained(hidden: str = "") -> Iterator[None]:
    """Turn what Databricks or its client says into a message for people, without the secret."""
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 - as above
    from requests import RequestException  # noqa: PLC0415

    try:
        yield
    except DatabricksError as error:
        raise CommandError(f"Databricks refused: {without(str(error), hidden)}") from None
    except (RequestException, TimeoutError, ValueError) as error:
        raise CommandError(f"Databricks does not answer ({type(error).__name__}).") from None


def without(text: Any, hidden: str) -> str:
    """Take a secret out of a text."""
    return str(text).replace(hidden, "[redacted]") if hidden else str(text)
