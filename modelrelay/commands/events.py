"""`events schema`."""

from __future__ import annotations

import json

import typer

from modelrelay.schema import event_schema

app = typer.Typer(no_args_is_help=True, help="Our own signed event, which anything can send.")


@app.callback()
def _group() -> None:
    """Keep `schema` a command of its own while it is the only one."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of the body of POST /events.

    [dim]modelrelay events schema > event.schema.json[/dim]
    """
    typer.echo(json.dumps(event_schema(), indent=2))
