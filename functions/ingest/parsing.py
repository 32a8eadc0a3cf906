"""Reading JSON that anybody may have written: whatever is wrong with it is `Malformed`, never a crash."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from functions.ingest.http import Malformed

MAX_NAME: Final = 1024
"""Longer than any name a registry allows; keeps a name from filling a log line."""

_UNSTORABLE: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
_NOT_PLAIN: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def json_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Raises:
        Malformed: It is something else, or no JSON at all.
    """
    if not body:
        raise Malformed("The body is empty; a JSON object is expected.")
    try:
        content = _DECODER.decode(body.decode())
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
    """Give a whole number, written as text or as a JSON number, as digits without zeros before them.

    MLflow hands on what its users wrote where `int` understands it, be it `" 2"` or `"+02"`.

    Raises:
        Malformed: It is there and neither.
    """
    value = fields.get(key)
    if value is None:
        return None
    number = _whole(value)
    if number < 0:
        raise Malformed(f"'{key}' is not a whole number.")
    return str(number)


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
        return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest:03}Z"
    except (ValueError, OverflowError, OSError):
        raise Malformed(f"'{key}' is not a time in milliseconds.") from None


def instant(fields: Mapping[str, Any], key: str, timespec: str = "milliseconds") -> str:
    """Give a time that is written by ISO 8601, in UTC and to the millisecond unless told otherwise.

    Raises:
        Malformed: It is missing, no such time, or one that names no offset from UTC.
    """
    moment = _moment(text(fields, key))
    if moment is None:
        raise Malformed(f"'{key}' is not a time with its offset, like '2026-11-22T20:22:10.837Z'.")
    return _utc(moment, timespec)


def mapping(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Give a required object.

    Raises:
        Malformed: It is missing, or something else.
    """
    value = fields.get(key)
    if value is None:
        raise Malformed(f"'{key}' is missing.")
    if not isinstance(value, dict):
        raise Malformed(f"'{key}' is not an object.")
    return value


def identifier(fields: Mapping[str, Any], key: str) -> str | None:
    """Give an id that the sender writes as text or as a JSON number, as text; nothing where it is missing.

    Raises:
        Malformed: It is there and neither.
    """
    value = fields.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return _plain(str(value), key)
    return optional_text(fields, key)


def tags(fields: Mapping[str, Any], key: str) -> dict[str, str]:
    """Give an object of texts, empty where it is missing. The texts are people's prose, whatever they wrote.

    Raises:
        Malformed: It is there and something else.
    """
    value = fields.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(plain_text(name) and storable(value[name]) for name in value):
        raise Malformed(f"'{key}' is not an object of texts.")
    return dict(value)


def storable(value: object) -> bool:
    """Tell whether a value is text that SQS takes. Control characters may be there: they are escaped."""
    return isinstance(value, str) and not _UNSTORABLE.search(value)


def utc(seconds: float) -> str:
    """Write a moment in epoch seconds by ISO 8601, to the millisecond."""
    return _utc(datetime.fromtimestamp(seconds, UTC))


def plain_text(value: object) -> bool:
    """Tell whether a value is text that every part of the way can carry: no NUL, no lone surrogate."""
    return isinstance(value, str) and not _NOT_PLAIN.search(value)


def _whole(value: object) -> int:
    """Read a whole number from text or JSON; -1 for what is none."""
    if not isinstance(value, int | str) or isinstance(value, bool) or len(str(value)) > MAX_NAME:
        return -1
    try:
        return int(value)
    except ValueError:
        return -1


def _moment(value: str) -> datetime | None:
    """Read a time by ISO 8601, into UTC; none where it is no time, or names no offset."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _utc(moment: datetime, timespec: str = "milliseconds") -> str:
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def _plain(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"'{key}' is not a string.")
    if len(value) > MAX_NAME:
        raise Malformed(f"'{key}' is longer than {MAX_NAME} characters.")
    if _NOT_PLAIN.search(value):
        raise Malformed(f"'{key}' holds control characters or broken Unicode.")
    return value


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are Python's addition to JSON.


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
