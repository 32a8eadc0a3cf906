"""The way of a webhook: verify, read, route, store, and only then answer 202."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from http import HTTPStatus

from functions.core.delivery import Delivery
from functions.core.event import Event
from functions.core.metrics import Metric
from functions.core.routing import wanted_by
from functions.core.secrets import Secret, SecretUnavailable
from functions.core.settings import RelaySettings
from functions.ingest.http import (
    Forbidden,
    NotFound,
    NotPost,
    NotStored,
    Refused,
    Request,
    Response,
    SecretUnusable,
    TooLarge,
    Unauthorized,
)
from functions.ingest.queue import DeliveryQueue
from functions.ingest.sender import Ignored, Sender


class Ingest:
    """Answers requests.

    Args:
        settings: Routes and limits.
        senders: The enabled senders by name.
        secrets: Each enabled sender's secret.
        queue: Where deliveries are stored.
        clock: Seconds since the epoch.

    Attributes:
        max_body_bytes: The largest body that is taken.
    """

    def __init__(
        self,
        settings: RelaySettings,
        senders: Mapping[str, Sender],
        secrets: Mapping[str, Secret],
        queue: DeliveryQueue,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._senders = senders
        self._secrets = secrets
        self._queue = queue
        self._clock = clock
        self.max_body_bytes = settings.ingest.max_body_bytes
        self._networks = [ipaddress.ip_network(cidr) for cidr in settings.ingest.allowed_cidrs]

    def answer(self, request: Request) -> Response:
        """Answer one request; whatever is refused is refused with a reason."""
        try:
            now = self._clock()
            sender = self._sender(request)
            self._authenticate(request, sender, now)
            event = sender.parse(request, now)
            return _ignoring(event) if isinstance(event, Ignored) else self._accept(event, now)
        except Refused as refused:
            return Response.refusing(refused)

    def _sender(self, request: Request) -> Sender:
        sender = self._senders.get(request.path.removeprefix("/"))
        if sender is None:
            known = ", ".join(f"/{name}" for name in self._senders)
            raise NotFound(f"There is nothing here. Webhooks are taken at {known}.")
        if request.method != "POST":
            raise NotPost("Webhooks are taken with POST.")
        return sender

    def _authenticate(self, request: Request, sender: Sender, now: float) -> None:
        if self._networks and not self._allowed(request.source_ip):
            raise Forbidden("This address may not send here.")
        if len(request.body) > self.max_body_bytes:
            raise TooLarge.over(self.max_body_bytes)
        if not all(request.headers.get(name) for name in sender.proof):
            raise Unauthorized  # Nothing is asked of Secrets Manager for what can't be genuine.
        try:
            secrets = [secret for secret in self._secrets[sender.name].values() if secret]
        except SecretUnavailable as error:
            raise NotStored("The event could not be checked; please send it again.") from error
        if not secrets:
            raise SecretUnusable
        if not sender.verify(request, secrets, now):
            raise Unauthorized

    def _allowed(self, source_ip: str) -> bool:
        address = ipaddress.ip_address(source_ip)
        return any(address in network for network in self._networks)

    def _accept(self, event: Event, now: float) -> Response:
        routes = wanted_by(event, self._settings.routes)
        deliveries = [Delivery(event, route.name, int(now * 1000)) for route in routes]
        if not deliveries:
            return _ignoring(Ignored("no-route", f"No route wants this {event.kind} event."), event)
        for delivery in deliveries:
            self._queue.put(delivery)
        stored = [{"id": delivery.id, "route": delivery.route} for delivery in deliveries]
        return Response(
            HTTPStatus.ACCEPTED,
            {"deliveries": stored},
            {Metric.RECEIVED: 1, Metric.QUEUED: len(stored)},
            facts={"deliveries": stored, **_facts(event)},
        )


def _ignoring(ignored: Ignored, event: Event | None = None) -> Response:
    return Response(
        HTTPStatus.OK,
        {"ignored": ignored.why},
        {Metric.RECEIVED: 1, Metric.IGNORED: 1},
        reason=ignored.reason,
        facts=_facts(event) if event else {},
    )


def _facts(event: Event) -> dict[str, str | None]:
    return {"kind": event.kind, "model": event.subject, "version": event.version}
