"""What the query of a listing selects: the event, the time of creation, the page."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from modelrelay.local.github.answers import problem
from modelrelay.local.github.model import Run

T = TypeVar("T")

# GitHub shows no more of a filtered list of runs than this.
MAX_FILTERED = 1_000
_PER_PAGE, _MAX_PER_PAGE = 30, 100
_COMPARISON = re.compile(r"(>=|<=|>|<)?(.+)")


def page_of(items: Sequence[T], query: Mapping[str, str]) -> Sequence[T]:
    """Cut out the asked-for page; GitHub bends a senseless number instead of refusing it."""
    per_page = min(_number(query.get("per_page"), _PER_PAGE), _MAX_PER_PAGE)
    start = (_number(query.get("page"), 1) - 1) * per_page
    return items[start : start + per_page]


def select(runs: Sequence[Run], query: Mapping[str, str]) -> Sequence[Run]:
    """Keep the runs that the filters `event`, `branch`, `status` and `created` let through."""
    wanted = created_filter(query["created"]) if query.get("created") else None
    facts: dict[str, Callable[[Run], str]] = {
        "event": lambda run: run.event,
        "branch": lambda run: run.ref.removeprefix("refs/heads/"),
        "status": lambda run: run.status,
    }
    active = {name: query[name] for name in facts if query.get(name)}
    kept = [
        run
        for run in runs
        if all(facts[name](run) == value for name, value in active.items())
        and (wanted is None or wanted(int(run.created_at)))
    ]
    return kept[:MAX_FILTERED] if active or wanted else kept


def created_filter(text: str) -> Callable[[int], bool]:
    """Understand `>=TIME`, `>TIME`, `<=TIME`, `<TIME`, `TIME..TIME` (`*` leaves an end open) or `TIME`."""
    if ".." in text:
        low, _, high = text.partition("..")
        after, before = _first_second(low), _last_second(high)
        return lambda at: after <= at <= before
    sign, moment = _COMPARISON.fullmatch(text).groups()  # type: ignore[union-attr]  # `text` isn't empty
    first, last = _first_second(moment), _last_second(moment)
    tests: dict[str | None, Callable[[int], bool]] = {
        ">=": lambda at: at >= first,
        ">": lambda at: at > last,
        "<=": lambda at: at <= last,
        "<": lambda at: at < first,
        None: lambda at: first <= at <= last,
    }
    return tests[sign]


def _first_second(text: str) -> float:
    return float("-inf") if text == "*" else _moment(text).timestamp()


def _last_second(text: str) -> float:
    if text == "*":
        return float("inf")
    whole_day = len(text) == len("2026-03-10")
    return _moment(text).timestamp() + (86_399 if whole_day else 0)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise problem(422, f"The created filter is not a date: {text}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else default
