"""What the dispatches of a workflow and of a repository have in common: what is accepted, how it is read.

GitHub tells everything that is wrong with a body's form at once, a line for each.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelrelay.local.github.answers import invalid_request, problem

MAX_CHARACTERS = 65_535


@dataclass(frozen=True)
class Dispatch:
    """A dispatch that GitHub accepts; `request` is its decoded body.

    That of a workflow has a `ref`, that of a repository an `event_type`; the other one is empty.
    """

    inputs: Mapping[str, Any]
    request: Any
    ref: str = ""
    event_type: str = ""
    wants_details: bool = False


def decode(body: bytes) -> dict[str, Any]:
    """Read a body.

    Raises:
        RefusedError: It isn't JSON, or not an object.
    """
    try:
        decoded = json.loads(body)
    except ValueError:
        raise problem(400, "Problems parsing JSON") from None
    if not isinstance(decoded, dict):
        raise invalid_request("The body is not an object.")
    return decoded


def refuse(complaints: Iterable[str]) -> None:
    """Refuse a body with all complaints about its form, if there are any."""
    if text := "\n".join(complaints):
        raise invalid_request(text)


def check_keys(body: Mapping[str, Any], permitted: Collection[str], required: str) -> Iterator[str]:
    """Complain about unknown keys and a missing one."""
    unknown = [json.dumps(name) for name in sorted(body.keys() - permitted)]
    if unknown:
        verdict = "are not permitted keys" if len(unknown) > 1 else "is not a permitted key"
        yield f"{', '.join(unknown)} {verdict}."
    if required not in body:
        yield f'"{required}" wasn\'t supplied.'


def check_text(body: Mapping[str, Any], name: str) -> Iterator[str]:
    """Complain about a value that is there and no string."""
    if name in body and not isinstance(body[name], str):
        yield f"For 'properties/{name}', {_shown(body[name])} is not a string."


def check_object(body: Mapping[str, Any], name: str, most: int) -> Iterator[str]:
    """Complain about a value that is there and no object, or one of more than `most` properties."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        yield f"For 'properties/{name}', {_shown(value)} is not an object."
    elif len(value) > most:
        yield f"No more than {most} properties are allowed; {len(value)} were supplied."


def is_too_large(value: Mapping[str, Any]) -> bool:
    """Tell whether a value has too many characters (not bytes) as compact JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False)) > MAX_CHARACTERS


def _shown(value: Any) -> str:
    return "nil" if value is None else json.dumps(value)
