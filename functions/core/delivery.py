"""A delivery: one event on its way to one route, and the queue message that carries it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from functions.core.event import Event, identify

_FORMAT: Final = 1
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_END_OF_TIME: Final = 10**15  # milliseconds; thirty thousand years from now


class MalformedMessage(Exception):
    """A queue message that is not a delivery. Raised when one is read."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one route.

    Attributes:
        event: What happened.
        route: The route's name. How the route shapes the request is looked up at dispatch, so that
            a replay after the route was mended is right.
        accepted_at: When ingest took it, in milliseconds since the epoch.
    """

    event: Event
    route: str
    accepted_at: int

    @property
    def id(self) -> str:
        """Identity of the delivery, 32 hex digits. It follows from the fact, so a duplicate has the same."""
        return _digest(self.event.fact, self.route)

    @property
    def group(self) -> str:
        """The FIFO message group: order holds per route and model or job, which don't wait for each other.

        Hashed, because SQS allows only some characters and people name models as they like.
        """
        return f"{self.route}.{_digest(self.event.subject)}"

    def to_message(self) -> str:
        """Write the message body. Compact and not escaped to ASCII: SQS counts its bytes."""
        content = {
            "format": _FORMAT,
            "id": self.id,
            "route": self.route,
            "accepted_at": self.accepted_at,
            "event": self.event.to_dict(),
        }
        return _COMPACT.encode(content)

    @classmethod
    def from_message(cls, body: str) -> Delivery:
        """Read a message body.

        Raises:
            MalformedMessage: It is not a delivery; the text says why, without quoting the body.
        """
        try:
            content = json.loads(body)
            if content["format"] != _FORMAT:
                raise MalformedMessage("its format is not one that this version reads")
            delivery = cls(
                event=Event.from_dict(content["event"]),
                route=str(content["route"]),
                accepted_at=int(content["accepted_at"]),
            )
            delivery.to_message().encode()  # JSON can write half a surrogate pair, and no request can.
        except KeyError as error:
            raise MalformedMessage(f"it has no {error}") from None
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise MalformedMessage(f"it is not a delivery ({type(error).__name__})") from None
        if not 0 <= delivery.accepted_at < _END_OF_TIME:
            raise MalformedMessage("its accepted_at is no time in milliseconds")
        if content.get("id") != delivery.id:
            raise MalformedMessage("its id does not follow from its content")
        return delivery


@lru_cache(maxsize=16)
def _digest(*parts: str) -> str:
    """Digest texts. A delivery is asked for its id several times while it is on its way."""
    return identify(*parts)[:32]
