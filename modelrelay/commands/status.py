"""`status`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from modelrelay.commands.options import STACK, AsJson, Profile, Region, Stack
from modelrelay.errors import CommandError
from modelrelay.operate import status as looking
from modelrelay.operate.ages import ago, local
from modelrelay.operate.gate import sentences
from modelrelay.operate.relay import Relay
from modelrelay.operate.status import unreadable
from modelrelay.output import tell
from modelrelay.stack import Session

REDRAWN_SECONDS = 2.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 s until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 where something needs a person, or can't be seen.")
    ] = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Tell on one screen how the pipeline stands: what waits, what is in the way, what was dispatched last.

    [dim]modelrelay status --watch
    modelrelay status --check --json | jq .needs_a_person[/dim]
    """
    if watch and (check or as_json):
        raise CommandError("--watch is for people to look at: leave out --check and --json.")
    relay = Relay(Session(profile, region, stack), stack)
    if watch:
        watched(Console(highlight=False), lambda: lines(looking.look(relay), relay.clock()))
        return
    seen = looking.look(relay)
    tell(seen, as_json=as_json, people=lambda console: _print(console, lines(seen, relay.clock())))
    if check and seen["needs_a_person"]:
        raise typer.Exit(1)


def watched(
    console: Console, draw: Callable[[], list[str]], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Draw a screen again and again until Ctrl-C."""
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                live.update(Text.from_markup("\n".join(draw())), refresh=True)
                sleep(REDRAWN_SECONDS)
        except KeyboardInterrupt:
            pass


def lines(seen: dict[str, Any], now: float) -> list[str]:
    """Say how it stands, for people: a line or more for each part."""
    parts = {
        "queue": _queue,
        "dead letters": _dead_letters,
        "gate": _gate,
        "quota": _quota,
        "alarms": _alarms,
        "held back": _held,
        "dispatched": _dispatched,
    }
    told = [f"[bold]{escape(seen['stack'])}[/bold]  {local(seen['at'])}", ""]
    for name, part in parts.items():
        first, *more = part(seen, now) or ["[dim]none[/dim]"]
        told += [f"{name:<14}{first}", *(f"{'':<14}{line}" for line in more)]
    if seen["needs_a_person"]:
        told += ["", "[yellow]Needs a person:[/yellow] " + escape(" ".join(seen["needs_a_person"]))]
    return told


def _print(console: Console, told: list[str]) -> None:
    for line in told:
        console.print(line)


def _unreadable(part: Any) -> list[str]:
    why = unreadable(part)
    return [f"[yellow]can't be read:[/yellow] {escape(why)}"] if why else []


def _queue(seen: dict[str, Any], _now: float) -> list[str]:
    part = seen["queue"]
    return _unreadable(part) or [f"{part['waiting']} waiting, {part['in_flight']} in flight"]


def _dead_letters(seen: dict[str, Any], _now: float) -> list[str]:
    count, reasons = seen["dead_letters"], seen["dead_letters_by_reason"]
    told = _unreadable(count) or [f"[red]{count}[/red]" if count else "0"]
    if named := _unreadable(reasons):
        return [*told, *named]
    by_reason = ", ".join(f"{escape(reason or 'no reason')} {number}" for reason, number in reasons.items())
    return [*told, f"[dim]of the last 14 days: {by_reason}[/dim]"] if by_reason else told


def _gate(seen: dict[str, Any], now: float) -> list[str]:
    part = seen["gate"]
    if told := _unreadable(part):
        return told
    colour = "green" if part["state"] == "open" else "yellow"
    first, *more = sentences(part, now)
    return [f"[{colour}]{escape(first)}[/{colour}]", *map(escape, more)]


def _quota(seen: dict[str, Any], now: float) -> list[str]:
    part = seen["quota"]
    if part is None:
        return ["[dim]unknown[/dim]"]
    return _unreadable(part) or [f"{part['remaining']:,} calls left, {ago(part['at'], now)}"]


def _alarms(seen: dict[str, Any], now: float) -> list[str]:
    part = seen["alarms"]
    return _unreadable(part) or [
        f"[red]{escape(alarm['name'])}[/red]  {escape(alarm['what'])} ({ago(alarm['since'], now)})"
        for alarm in part
    ]


def _held(seen: dict[str, Any], now: float) -> list[str]:
    part = seen["held"]
    return _unreadable(part) or [
        f"{group['count']} {group['state']}: {escape(group['reason'] or '-')}, the oldest accepted "
        f"{ago(group['oldest']['accepted_at'], now)}: {_named(group['oldest'])}"
        for group in part
    ]


def _dispatched(seen: dict[str, Any], now: float) -> list[str]:
    part = seen["dispatched"]
    return _unreadable(part) or [
        f"{ago(row['updated_at'], now):<12}{_named(row)}  {escape(row['run_url'] or '')}" for row in part
    ]


def _named(row: dict[str, Any]) -> str:
    facts = (row.get("model"), row.get("version"), row.get("to_stage"), row.get("alias"))
    return escape(" ".join(filter(None, facts)) or row["id"])
