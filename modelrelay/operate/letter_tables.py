"""Dead letters, plans and results, as people and programs read them. Nothing of an event that is prose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from functions.core.ledger import Entry
from functions.operate.judgement import Verdict
from functions.operate.letters import Depth, Letter
from functions.operate.reasons import advice
from modelrelay.operate.ages import iso, spoken
from modelrelay.operate.plan import Plan

SHORT_ID: Final = 12
_DETAIL: Final = 70
_WIDE: Final = 200

_VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.SEND: "would be sent",
    Verdict.OVERTAKEN: (
        "would be sent and then set aside, because a newer fact was dispatched (--force sends them for good)"
    ),
    Verdict.SETTLED: "are done (dispatched since, or set aside for a newer fact): removed, not sent",
    Verdict.UNDER_WAY: "would be kept: an earlier replay's copy is on its way",
    Verdict.NO_ROUTE: "would be kept: their route is not deployed; add it and deploy first",
    Verdict.UNREADABLE: "would be kept: they are no deliveries; edit them (export, import) or purge them",
}

_COUNTS: Final[Mapping[str, str]] = {
    "sent": "sent",
    "overtaken": "of these will be set aside, because a newer fact was dispatched",
    "settled": "removed and not sent: dispatched since, or set aside for a newer fact",
    "repeated": "removed as second letters of what was sent",
    "removed": "removed",
    "under_way": "kept: an earlier replay's copy is on its way",
    "no_route": "kept: their route is not deployed",
    "unreadable": "kept: they are no deliveries",
    "not_sent": "kept: they could not be sent",
    "not_removed": (
        "could not be removed; run this again within five minutes: SQS takes no second copy of what was sent"
    ),
    "passed_over": "kept, because an earlier letter of their model could not be sent",
    "gone": "not sent: their letters are not there any more, or not within reach",
}


def printable(text: str) -> str:
    """Take what steers a terminal out of a text."""
    return "".join(each if each.isprintable() else " " for each in text)


def summary(letter: Letter, now: float) -> dict[str, Any]:
    """Give a letter as JSON has it in lists."""
    event = letter.delivery.event if letter.delivery else None
    return {
        "id": letter.id,
        "message_id": letter.message_id,
        "route": letter.route,
        "model": letter.model,
        "version": (event and event.version) or "",
        "kind": event.kind if event else "",
        "reason": letter.reason,
        "detail": letter.detail,
        "status": letter.attributes.get("status", ""),
        "github_request_id": letter.attributes.get("github_request_id", ""),
        "dead_lettered_at": letter.died_at,
        "age_seconds": round(now - letter.sent_at),
    }


def everything(letter: Letter, entry: Entry | None, now: float) -> dict[str, Any]:
    """Give all that is known of a letter, without what people wrote: of tags only the names."""
    told = summary(letter, now) | {
        "receives": letter.receives,
        "next": advice(letter.reason).next,
        "event": None,
        "accepted_at": None,
        "ledger": None,
    }
    if letter.delivery:
        event = letter.delivery.event
        told["event"] = event.to_dict() | ({"tags": sorted(event.tags)} if event.tags else {})
        told["accepted_at"] = iso(letter.delivery.accepted_at / 1000)
    if entry and entry.revision:
        told["ledger"] = _ledger(entry)
    return told


def _ledger(entry: Entry) -> dict[str, Any]:
    return {
        "state": entry.state.value,
        "updated_at": iso(entry.updated_at),
        "attempts": entry.attempts,
        "deaths": entry.deaths,
        "claimed_at": iso(entry.claimed_at),
        "doubt_since": iso(entry.doubt_since),
        "reason": entry.reason,
        "detail": entry.detail,
        "run_id": entry.run_id or None,
        "run_url": entry.run_url or None,
    }


def reach(depth: Depth, seen: int) -> list[str]:
    """Say, a sentence each, which letters are not seen and why."""
    sentences = []
    if depth.visible > seen:
        sentences.append(
            f"{seen} of about {depth.visible} letters can be seen: SQS shows the first ten of a model and "
            "route at the most. A replay and a purge work their way through all of them."
        )
    if depth.hidden:
        sentences.append(
            f"About {depth.hidden} are held by somebody else: another command at this moment, or one that "
            "was killed. They come back by themselves, usually within two minutes."
        )
    return sentences


def print_letters(console: Console, letters: Sequence[Letter], now: float) -> None:
    """Print a line for each letter, and how many there are of each reason."""
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    columns = ("delivery", "model", "version", "route", "reason", "age", "detail")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for letter in letters:
        told = summary(letter, now)
        detail = printable(letter.detail)
        cells = (
            letter.id[:SHORT_ID],
            told["model"],
            told["version"],
            told["route"],
            told["reason"],
            spoken(now - letter.sent_at),
            detail if len(detail) <= _DETAIL else f"{detail[: _DETAIL - 1]}…",
        )
        table.add_row(*(escape(printable(cell)) for cell in cells))
    console.print(table)
    counts = Counter(letter.reason for letter in letters)
    console.print()
    for reason, count in counts.most_common():
        console.print(f"{count:>6}  {escape(printable(reason))}  [dim]{escape(advice(reason).next)}[/dim]")


def print_all(console: Console, letters: Iterable[Mapping[str, Any]]) -> None:
    """Print all that is known of letters."""
    for name, value in (field for told in letters for field in told.items()):
        if isinstance(value, Mapping):
            console.print(f"[bold]{name}[/bold]")
            _print_fields(console, value, indent="  ")
        else:
            _print_fields(console, {name: value}, indent="")


def _print_fields(console: Console, fields: Mapping[str, Any], indent: str) -> None:
    for name, value in fields.items():
        if value not in (None, "", 0):
            text = ", ".join(value) if isinstance(value, list) else str(value)
            console.print(f"{indent}[dim]{name}[/dim]  {escape(printable(text))}")


def print_plan(console: Console, plan: Plan) -> None:
    """Print what would be done."""
    for (reason, route), count in plan.groups.most_common():
        where = f"  route {escape(printable(route))}" if route else ""
        console.print(f"{count:>6}  {escape(printable(reason))}{where}")
    console.print()
    print_verdicts(console, plan.verdicts)


def print_verdicts(console: Console, verdicts: Mapping[str, int]) -> None:
    """Print how many would meet which end."""
    for verdict, words in _VERDICTS.items():
        if count := verdicts.get(verdict.value):
            console.print(f"{count:>6}  {words}")


def print_counts(console: Console, counts: Mapping[str, int]) -> None:
    """Print what was done."""
    told = [(counts[name], words) for name, words in _COUNTS.items() if counts.get(name)]
    for count, words in told:
        console.print(f"{count:>6}  {words}")
    if not told:
        console.print("Nothing was sent or removed.")


def in_words(counts: Mapping[str, int]) -> str:
    """Say in a sentence what was done so far."""
    done = [
        f"{counts[name]} {name}" for name in ("sent", "settled", "repeated", "removed") if counts.get(name)
    ]
    return ", ".join(done) or "nothing was sent or removed"
