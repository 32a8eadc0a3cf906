"""The operator's command line."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay.commands import (
    deliveries,
    deployment,
    dlq,
    doctor,
    events,
    local,
    pause,
    route,
    secrets,
    sending,
    status,
    webhook,
    workflows,
)
from modelrelay.errors import CommandError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Carries model events from Databricks to GitHub Actions and loses none of them.",
)
app.command()(deployment.deploy)
app.command()(deployment.destroy)
app.command()(sending.send)
app.command()(status.status)
app.add_typer(deliveries.app, name="deliveries")
app.command()(pause.pause)
app.command()(pause.resume)
app.add_typer(route.app, name="route")
app.add_typer(events.app, name="events")
app.command()(workflows.workflows)
app.add_typer(secrets.app, name="secrets")
app.add_typer(webhook.app, name="webhook")
app.command()(doctor.doctor)
app.add_typer(dlq.app, name="dlq")
app.add_typer(local.app, name="local")


def main() -> None:
    """Run the command line; whatever is wrong is one clear message and an exit code, never a traceback."""
    try:
        app()
    except CommandError as error:
        Console(stderr=True, highlight=False).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
