"""`events schema` and `events openapi`."""

from __future__ import annotations

import json

import typer

from modelrelay.openapi import openapi as description
from modelrelay.schema import event_schema

app = typer.Typer(no_args_is_help=True, help="What is sent to us: our own signed event, and everybody's.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the body of POST /events.

    [dim]modelrelay events schema > event.schema.json[/dim]
    """
    typer.echo(json.dumps(event_schema(), indent=2))


@app.command()
def openapi() -> None:
    """Print the OpenAPI description of the webhooks' address: paths, proofs, bodies and answers.

    [dim]modelrelay events openapi > openapi.json[/dim]
    """
    typer.echo(json.dumps(description(), indent=2))
