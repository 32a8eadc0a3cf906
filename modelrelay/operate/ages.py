"""Times as people say them, and as programs read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from functions.operate.ages import spoken
from modelrelay.errors import CommandError

__all__ = ["after", "ago", "before", "epoch", "iso", "local", "since", "spoken"]

_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d{1,6}) ?(s|m|min|h|d|w)")


def iso(moment: float) -> str | None:
    """Write a moment (epoch seconds) in UTC as ISO 8601 with a second's precision; None for 0."""
    return f"{datetime.fromtimestamp(int(moment), UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def epoch(text: str | None) -> float:
    """Read an ISO 8601 time, UTC where it names no zone, as epoch seconds; 0 where it is none since 1970."""
    try:
        moment = datetime.fromisoformat(text or "")
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0.0


def local(text: str | None) -> str:
    """Write an ISO 8601 time as this machine's people read it: local time with its zone; `-` without one."""
    moment = epoch(text)
    return f"{datetime.fromtimestamp(moment, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}" if moment else "-"


def since(text: str | None, now: float) -> str:
    """Say how long something has lasted that began at an ISO 8601 time; `-` without one."""
    moment = epoch(text)
    return spoken(now - moment) if moment else "-"


def ago(text: str | None, now: float) -> str:
    """Say how long ago an ISO 8601 time was; `-` without one."""
    moment = epoch(text)
    return f"{spoken(now - moment)} ago" if moment else "-"


def before(option: str, text: str, now: float) -> float:
    """Understand `24h` or an ISO time as a moment in the past, in epoch seconds.

    Raises:
        CommandError: It is neither.
    """
    return _moment(option, text, now, -1)


def after(option: str, text: str, now: float) -> float:
    """Understand `2h` or an ISO time as a moment to come, in epoch seconds.

    Raises:
        CommandError: It is neither, or over.
    """
    moment = _moment(option, text, now, 1)
    if moment <= now:
        raise CommandError(f"{option} {text}: that is over.")
    return moment


def _moment(option: str, text: str, now: float, sign: int) -> float:
    duration = _DURATION.fullmatch(text.strip())
    if duration:
        return now + sign * int(duration[1]) * _UNITS[duration[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()  # Without a zone, it is this machine's.
    except (ValueError, OverflowError):
        example = "2h, 30m, 5d or 2026-09-21T14:00"
        raise CommandError(f"{option} {text}: should be a duration or a time, like {example}.") from None
