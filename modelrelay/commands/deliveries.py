"""`deliveries list` and `deliveries show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from functions.core.ledger import State
from modelrelay.commands.options import STACK, AsJson, Profile, Region, Stack
from modelrelay.operate import deliveries, story
from modelrelay.operate.ages import ago, before, local, spoken
from modelrelay.operate.relay import Relay
from modelrelay.output import tell
from modelrelay.stack import Session

app = typer.Typer(no_args_is_help=True, help="What happened to deliveries, from the ledger.")

_COLOURS = {
    State.DISPATCHED: "green",
    State.DEAD_LETTERED: "red",
    State.SUPERSEDED: "dim",
}


@app.command("list")
def list_(
    model: Annotated[str, typer.Option(help="Only of this model (or job), by its whole name.")] = "",
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    route: Annotated[str, typer.Option(help="Only on this route.")] = "",
    since: Annotated[str, typer.Option(metavar="24h|TIME", help="Only what moved since then.")] = "24h",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List deliveries, newest first.

    [dim]modelrelay deliveries list --model Airline_Delay_SparkML --since 30d
    modelrelay deliveries list --state dead-lettered --json[/dim]
    """
    relay = Relay(Session(profile, region, stack), stack)
    now = relay.clock()
    wanted = deliveries.Wanted(before("--since", since, now), model, state, route, limit)
    rows = [deliveries.row(record, now) for record in deliveries.find(relay, wanted)]
    tell({"deliveries": rows}, as_json=as_json, people=lambda console: _print_rows(console, rows, now, limit))


@app.command()
def show(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first 8 digits of it.")],
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of a delivery: what happened, how it stands, why, and what to do.

    [dim]modelrelay deliveries show 3f2a9c0e[/dim]
    """
    relay = Relay(Session(profile, region, stack), stack)
    told = story.tell(relay, deliveries.get(relay, delivery))
    tell(told, as_json=as_json, people=lambda console: _print_story(console, told, relay.clock()))


def _print_rows(console: Console, rows: list[dict[str, Any]], now: float, limit: int) -> None:
    for row in rows:
        console.print(
            f"{row['id']}  {ago(row['updated_at'], now):<11}{_state(row['state'], 14)}"
            f"{escape(row.get('route', '')):<14}{escape(_named(row))}"
            f"  {escape(row['run_url'] or row['reason'])}"
        )
    if not rows:
        console.print("Nothing found. What moved earlier is found with a longer --since, for 90 days.")
    elif len(rows) == limit:
        console.print(f"[dim]The newest {limit}; there may be more (--limit).[/dim]")


def _print_story(console: Console, told: dict[str, Any], now: float) -> None:
    console.print(f"[bold]{told['id']}[/bold]  {escape(told.get('kind', ''))}\n")
    for part in (_what(told), _when(told, now), _how(told)):
        for name, value in part:
            if value:
                console.print(f"{name:<14}{value}")
        console.print()
    _print_log(console, told["log"])


def _what(told: dict[str, Any]) -> list[tuple[str, str]]:
    stages = " → ".join(filter(None, (told.get("from_stage"), told.get("to_stage"))))
    return [
        ("model", escape(" ".join(filter(None, (told.get("model"), told.get("version")))))),
        ("stage", escape(stages)),
        ("alias", escape(told.get("alias", ""))),
        ("route", escape(told.get("route", ""))),
    ]


def _when(told: dict[str, Any], now: float) -> list[tuple[str, str]]:
    def at(name: str) -> str:
        return f"{local(told[name])}  ({ago(told[name], now)})" if told[name] else ""

    seconds = told["seconds"]["until_dispatched"]
    took = f", {spoken(seconds)} after it was accepted" if seconds is not None else ""
    settled = told["dispatched_at"]
    return [
        ("occurred", at("occurred_at")),
        ("accepted", at("accepted_at")),
        ("dispatched", at("dispatched_at") + took if settled else ""),
        ("last moved", "" if settled else at("updated_at")),
        ("its turn", local(told["turn_at"]) if told["turn_at"] else ""),
    ]


def _how(told: dict[str, Any]) -> list[tuple[str, str]]:
    doubt = told["doubt"]
    calls = f"{told['attempts']} to GitHub"
    deaths = f", {told['deaths']} of them died" if told["deaths"] else ""
    return [
        ("state", f"{_state(told['state'])}: {told['means']}"),
        ("why", escape(": ".join(filter(None, (told["reason"], told["because"]))))),
        ("", escape(told["detail"] or "")),
        ("paused", escape(_paused(told["paused"]))),
        ("in doubt", f"from {local(doubt['since'])} to {local(doubt['until'])}" if doubt else ""),
        ("what to do", escape(told["next"])),
        ("run", escape((told["run"] or {}).get("url", ""))),
        ("calls", calls + deaths),
    ]


def _paused(pause: dict[str, Any] | None) -> str:
    if not pause or "unreadable" in pause:
        return ""
    return f"by {pause['by']}: {pause['reason']}"


def _print_log(console: Console, log: Any) -> None:
    if isinstance(log, dict):
        console.print(f"[yellow]The log can't be read:[/yellow] {escape(log['unreadable'])}")
        return
    console.print("log" if log else "[dim]The log has no line of it.[/dim]")
    for line in log:
        wait = f"wait {line['wait_seconds']} s" if "wait_seconds" in line else ""
        facts = (line.get("outcome"), line.get("reason"), line.get("status"), wait, _request(line))
        console.print(f"  {local(line['at'])}  {escape('  '.join(str(fact) for fact in facts if fact))}")


def _request(line: dict[str, Any]) -> str:
    return f"GitHub request {line['github_request_id']}" if "github_request_id" in line else ""


def _state(state: str, width: int = 0) -> str:
    colour = _COLOURS.get(State(state), "yellow")
    return f"[{colour}]{state:<{width}}[/{colour}]"


def _named(row: dict[str, Any]) -> str:
    facts = (row.get("model"), row.get("version"), row.get("to_stage"), row.get("alias"))
    return " ".join(filter(None, facts))
