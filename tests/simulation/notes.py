"""How the story tells of DynamoDB's items: what changes, and what is worth telling of what is there."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.simulation.plan import START
from tests.simulation.values import Item, Value

_LONG: Final = 10_000_000.0
_TELLING: Final = (
    "state",
    "reason",
    "holder",
    "revision",
    "booked_at",
    "claimed_at",
    "doubt_since",
    "doubt_until",
    "looks",
    "run_id",
    "gate",
)
_QUIET: Final = frozenset({"updated_at", "expires_at", "id", "kind", "from_stage", "run_url"})


def changes(old: Item | None, new: Item | None) -> str:
    """Tell how an item changes."""
    before, after = old or {}, new or {}
    names = sorted(name for name in {*before, *after} - _QUIET if before.get(name) != after.get(name))
    return ", ".join(f"{name}={_plain(after.get(name))}" for name in names) or "unchanged"


def shown(item: Item) -> str:
    """Tell what is worth telling of an item."""
    return ", ".join(f"{name}={_plain(item[name])}" for name in _TELLING if name in item)


def _plain(value: Value | None) -> str:
    if value is None:
        return "∅"
    content = next(iter(value.values()))
    if "M" in value:
        return "{" + ", ".join(f"{name}={_plain(each)}" for name, each in sorted(content.items())) + "}"
    if "N" in value:
        return _number(float(content))
    if "S" in value and content.startswith("{"):
        return " ".join(f"{name}={_short(each)}" for name, each in json.loads(content).items() if each)
    return str(content)


def _short(content: Any) -> str:
    """Write a part of what is kept as JSON."""
    if isinstance(content, int | float):
        return _number(content)
    if isinstance(content, dict):
        return "{" + " ".join(f"{name}:{_short(each)}" for name, each in content.items() if each) + "}"
    if isinstance(content, list):
        return "[" + " ".join(_short(each) for each in content) + "]"
    return str(content)[:12]


def _number(value: float) -> str:
    """Write moments as the story does, in seconds since the beginning."""
    since = value - START
    return f"@{since:.3f}" if abs(since) < _LONG else f"{value:g}" if value < _LONG else f"{value:.0f}"
