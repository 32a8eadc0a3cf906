"""`send`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from modelrelay import send as sending
from modelrelay import stack
from modelrelay.commands.options import AsJson, Profile, Region, read
from modelrelay.output import tell


def send(
    model: Annotated[str, typer.Option(help="The registered model's name.")] = "Airline_Delay_SparkML",
    version: Annotated[str, typer.Option(help="The model version.")] = "8",
    to_stage: Annotated[str, typer.Option(help="The stage it moved to.")] = "Production",
    file: Annotated[
        Path | None, typer.Option(help="A body to send instead, byte for byte; - for standard input.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The ingest URL, without /databricks. Otherwise the stack's.")
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="The webhook's secret. Otherwise $MODELRELAY_WEBHOOK_SECRET or the stack's."),
    ] = None,
    on_local: Annotated[
        bool, typer.Option("--local", help="Send to the running `modelrelay local up`.")
    ] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Sign a sample webhook as Databricks does, post it, and print the answer.

    [dim]modelrelay send --local --version 9
    modelrelay send --file event.json --url https://abc.execute-api.eu-west-1.amazonaws.com[/dim]
    """
    destination = sending.destination(
        url=url, secret_file=secret_file, on_local=on_local, session=stack.Session(profile, region)
    )
    body = read(file) if file else sending.sample(model, version, to_stage)
    reply = sending.post(destination.url, body, sending.signature_headers(destination.secret, body))
    content = {"url": destination.url, "status": reply.status, "answer": reply.content}
    line = f"POST {destination.url}\n{reply.status}  {json.dumps(reply.content)}"
    tell(content, as_json=as_json, people=lambda _console: typer.echo(line))
    if reply.status >= 400:  # noqa: PLR2004 - HTTP's own border between success and failure
        raise typer.Exit(1)
