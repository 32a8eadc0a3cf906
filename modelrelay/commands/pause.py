"""`pause` and `resume`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay.commands.options import STACK, AsJson, Profile, Region, Stack
from modelrelay.operate import pause as pausing
from modelrelay.operate.ages import after, local, since, spoken
from modelrelay.operate.relay import Relay
from modelrelay.output import tell
from modelrelay.stack import Session


def pause(
    reason: Annotated[str, typer.Option(help="Why, for whoever wonders: one line.")],
    until: Annotated[
        str | None,
        typer.Option(metavar="2h|TIME", help="When it ends by itself. Otherwise it holds until `resume`."),
    ] = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Let dispatch start no workflow for a while. Events are still accepted, and wait in their order.

    No attempt is used up, and nothing is given up because of the pause, for 13 days at the most. Said again,
    it replaces reason and end.

    [dim]modelrelay pause --reason "runners are being upgraded" --until 2h[/dim]
    """
    relay = Relay(Session(profile, region, stack), stack)
    words = pausing.words(reason)
    end = after("--until", until, relay.clock()) if until else None
    told = pausing.pause(relay, words, end, pausing.caller(relay))
    tell(told, as_json=as_json, people=lambda console: _print_pause(console, told))


def resume(
    stack: Stack = STACK, profile: Profile = None, region: Region = None, as_json: AsJson = False
) -> None:
    """End a pause. What held before it still holds: a rate limit, an outage, a rejected credential.

    [dim]modelrelay resume[/dim]
    """
    relay = Relay(Session(profile, region, stack), stack)
    told = pausing.resume(relay, pausing.caller(relay))
    tell(told, as_json=as_json, people=lambda console: _print_resume(console, told, relay.clock()))


def _print_pause(console: Console, told: dict[str, Any]) -> None:
    pause_ = told["paused"]
    end = f"until {local(pause_['until'])}" if pause_["until"] else "until `modelrelay resume`"
    if not told["changed"]:
        console.print(f"Already paused since {local(pause_['since'])}, {end}, with these words.")
    elif told["was_paused"]:
        console.print(f"Still paused since {local(pause_['since'])}, now {end}: {escape(pause_['reason'])}")
    else:
        console.print(f"Paused {end}: {escape(pause_['reason'])}")
    console.print(_waiting(told["queue"]))
    console.print("Nothing more is started. A call that is under way is finished, within half a minute.")


def _print_resume(console: Console, told: dict[str, Any], now: float) -> None:
    if not told["changed"]:
        console.print("Dispatch is not paused.")
        return
    ended = told["ended"]
    console.print(f"Resumed. It had been paused for {since(ended['since'], now)}: {escape(ended['reason'])}")
    console.print(_waiting(told["queue"]))
    within = spoken(told["noticed_within_seconds"])
    console.print(f"What waits on the queue notices within {within}, and then starts at the usual pace.")


def _waiting(queue: dict[str, Any]) -> str:
    if "unreadable" in queue:
        return f"What waits can't be counted: {escape(queue['unreadable'])}"
    return f"On the queue: {queue['waiting']} waiting, {queue['in_flight']} in flight."
