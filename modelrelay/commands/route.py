"""`route explain`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from functions.core.event import Event
from functions.ingest.sender import Ignored
from modelrelay import configuration
from modelrelay.commands.options import AsJson, Context, context_of, read
from modelrelay.explain import Answer
from modelrelay.explain import explain as answers
from modelrelay.explain import read as read_event
from modelrelay.output import tell

app = typer.Typer(no_args_is_help=True, help="Which events start which workflows.")


@app.callback()
def _group() -> None:
    """Keep `explain` a command of its own while it is the only one."""


@app.command()
def explain(
    file: Annotated[
        Path, typer.Option(help="What the sender posts, or a dead letter's body; - for standard input.")
    ] = Path("-"),
    sender: Annotated[
        str | None, typer.Option(help="Whose event it is, where that can't be seen from it.")
    ] = None,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """Tell which routes take an event, why the others don't, and the exact request that GitHub would get.

    It reads the configuration of this checkout and calls nobody.

    [dim]modelrelay route explain --file event.json
    jq .event dead-letter.json | modelrelay route explain --sender events[/dim]
    """
    settings = configuration.settings(context_of(context)).functions
    now = time.time()
    event = read_event(read(file), sender, now)
    if isinstance(event, Ignored):
        why = event.why
        tell({"ignored": why}, as_json=as_json, people=lambda console: console.print(f"Ignored. {why}"))
        return
    told = answers(event, settings, now)
    content = {"event": event.to_dict(), "routes": [asdict(answer) for answer in told]}
    tell(content, as_json=as_json, people=lambda console: _print(console, event, told))


def _print(console: Console, event: Event, told: list[Answer]) -> None:
    facts = [event.subject, event.version and f"version {event.version}", event.to_stage, event.alias]
    console.print(
        f"[bold]{event.kind}[/bold]  {escape(', '.join(filter(None, facts)))}  from {event.source}\n"
    )
    for answer in told:
        if answer.objection:
            console.print(f"[dim]✗ {answer.route}: {escape(answer.objection)}[/dim]")
        elif answer.asked is None:
            console.print(f"[red]! {answer.route}[/red]: a dead letter, {escape(answer.dead_letter)}")
        else:
            console.print(f"[green]✓ {answer.route}[/green]  delivery {answer.delivery}")
            console.print(f"  {answer.asked.method} {escape(answer.asked.url)}")
            console.print(f"  {escape(json.dumps(answer.asked.body, ensure_ascii=False))}")
    if all(answer.objection for answer in told):
        console.print("\nNo route takes it: ingest answers 200 and nothing is started.")
