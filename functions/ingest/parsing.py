"""Reading JSON that anybody may have written: whatever is wrong with it is `Malformed`, never a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from functions.ingest.http import Malformed

_MAX_NAME: Final = 1024
"""Longer than any name a registry allows; keeps a name from filling a log line."""


def json_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Raises:
        Malformed: It is something else, or no JSON at all.
    """
    if not body:
        raise Malformed("The body is empty; a JSON object is expected.")
    try:
        content = json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise Malformed("The body is nested too deep.") from None
    except ValueError:
        raise Malformed("The body is not JSON.") from None
    if not isinstance(content, dict):
        raise Malformed("The body is not a JSON object.")
    return content


def text(fields: Mapping[str, Any], key: str) -> str:
    """Give a required name.

    Raises:
        Malformed: It is missing, not a string, too long, or not plain text.
    """
    value = fields.get(key)
    if value is None:
        raise Malformed(f"'{key}' is missing.")
    return _plain(value, key)


def optional_text(fields: Mapping[str, Any], key: str) -> str | None:
    """Give a name, or nothing where it is missing or null.

    Raises:
        Malformed: It is there and not a name.
    """
    return None if fields.get(key) is None else _plain(fields[key], key)


def optional_number(fields: Mapping[str, Any], key: str) -> str | None:
    """Give a whole number that the sender writes as digits or as a JSON number, as digits.

    Raises:
        Malformed: It is there and neither.
    """
    value = fields.get(key)
    if value is None:
        return None
    digits = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(digits, str) or not (digits.isascii() and digits.isdigit()) or len(digits) > _MAX_NAME:
        raise Malformed(f"'{key}' is not a whole number.")
    return digits


def milliseconds(fields: Mapping[str, Any], key: str) -> str:
    """Give a time that is written as milliseconds since the epoch, as ISO 8601 in UTC.

    Raises:
        Malformed: It is missing, or no such time.
    """
    value = fields.get(key)
    if value is None:
        raise Malformed(f"'{key}' is missing.")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"'{key}' is not a time in milliseconds.")
    try:
        seconds, rest = divmod(value, 1000)
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
    except (ValueError, OverflowError, OSError):
        raise Malformed(f"'{key}' is not a time in milliseconds.") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_text(value: object) -> bool:
    """Tell whether a value is text that every part of the way can carry: no NUL, no lone surrogate."""
    if not isinstance(value, str):
        return False
    return not any(
        ch < " " or ch == "\x7f" or "\ud800" <= ch <= "\udfff" or ch in "\ufffe\uffff" for ch in value
    )


def _plain(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"'{key}' is not a string.")
    if len(value) > _MAX_NAME:
        raise Malformed(f"'{key}' is longer than {_MAX_NAME} characters.")
    if not plain_text(value):
        raise Malformed(f"'{key}' holds control characters or broken Unicode.")
    return value


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are Python's addition to JSON.
