"""The checks that a `repository_dispatch` must pass before GitHub accepts it.

They are of its form alone: whether any workflow listens to the event, GitHub doesn't tell.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelrelay.local.github.answers import problem
from modelrelay.local.github.dispatch import (
    Dispatch,
    check_keys,
    check_object,
    check_text,
    decode,
    is_too_large,
    refuse,
)

MAX_TYPE_CHARACTERS = 100
MAX_PROPERTIES = 10


def accept(body: bytes) -> Dispatch:
    """Check an event.

    Raises:
        RefusedError: with the 400 or 422 that GitHub answers.
    """
    decoded = decode(body)
    refuse(_complaints(decoded))
    payload = decoded.get("client_payload", {})
    if is_too_large(payload):
        raise problem(422, "client_payload is too large.")
    return Dispatch(payload, decoded, event_type=decoded["event_type"])


def _complaints(body: Mapping[str, Any]) -> Iterator[str]:
    yield from check_keys(body, {"event_type", "client_payload"}, "event_type")
    yield from check_text(body, "event_type")
    yield from _check_length(body.get("event_type"))
    yield from check_object(body, "client_payload", MAX_PROPERTIES)


def _check_length(event_type: Any) -> Iterator[str]:
    if event_type == "":
        yield "At least 1 characters are required; only 0 were supplied."
    elif isinstance(event_type, str) and len(event_type) > MAX_TYPE_CHARACTERS:
        yield f"Only {MAX_TYPE_CHARACTERS} characters are allowed; {len(event_type)} were supplied."
