"""The operator's command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay import send as sending
from modelrelay import stack
from modelrelay.errors import CommandError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Carries model events from Databricks to GitHub Actions and loses none of them.",
)
local = typer.Typer(no_args_is_help=True, help="The whole pipeline on this machine.")
app.add_typer(local, name="local")

Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context", "-c", metavar="KEY=JSON", help="CDK context in place of cdk.json's; repeatable."
    ),
]
Profile = Annotated[str | None, typer.Option(help="The AWS profile to use.")]
Region = Annotated[str | None, typer.Option(help="The AWS region to use.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


def main() -> None:
    """Run the command line; whatever is wrong is one clear message and an exit code, never a traceback."""
    try:
        app()
    except CommandError as error:
        Console(stderr=True, highlight=False).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.command()
def deploy(context: Context = None, profile: Profile = None, region: Region = None, yes: Yes = False) -> None:
    """Deploy the stack, after preparing the account for CDK where that was never done.

    [dim]modelrelay deploy
    modelrelay deploy -c relay='{"github": {"secret_name": "ci/github"}}'[/dim]
    """
    session = stack.Session(profile, region)
    asks = _asks(yes)
    if not session.bootstrapped():
        if asks:
            typer.confirm(
                "This account and region were never prepared for CDK (cdk bootstrap). Do it now?", abort=True
            )
        session.cdk("bootstrap")
    approval = "broadening" if asks else "never"
    session.cdk("deploy", "--require-approval", approval, *_context_arguments(context))


@app.command()
def destroy(
    context: Context = None,
    profile: Profile = None,
    region: Region = None,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would go and what would stay.")
    ] = False,
) -> None:
    """Delete the stack. Queues, ledger and secrets stay, unless relay.retain_data is false."""
    session = stack.Session(profile, region)
    for resource in session.resources():
        verb = "keep  " if resource.kept else "delete"
        typer.echo(f"{verb}  {resource.kind:<34}{resource.name}")
    if dry_run:
        return
    if _asks(yes):
        typer.confirm("Delete the stack?", abort=True)
    session.cdk("destroy", "--force", *_context_arguments(context))


@app.command()
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Sign a sample webhook as Databricks does, post it, and print the answer.

    [dim]modelrelay send --local --version 9
    modelrelay send --file event.json --url https://abc.execute-api.eu-west-1.amazonaws.com[/dim]
    """
    destination = sending.destination(
        url=url, secret_file=secret_file, on_local=on_local, session=stack.Session(profile, region)
    )
    body = _read(file) if file else sending.sample(model, version, to_stage)
    reply = sending.post(destination.url, body, sending.signature_headers(destination.secret, body))
    if as_json:
        typer.echo(json.dumps({"url": destination.url, "status": reply.status, "answer": reply.content}))
    else:
        typer.echo(f"POST {destination.url}\n{reply.status}  {json.dumps(reply.content)}")
    if reply.status >= 400:  # noqa: PLR2004 - HTTP's own border between success and failure
        raise typer.Exit(1)


@local.command("up")
def local_up(
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write how to reach everything to this file, as JSON, when it is ready."),
    ] = None,
    github_api_url: Annotated[
        str | None,
        typer.Option(help="Call this GitHub, with $GITHUB_TOKEN or a made-up token, and simulate none."),
    ] = None,
    context: Context = None,
    no_sample: Annotated[bool, typer.Option("--no-sample", help="Don't send the sample webhook.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where webhooks are taken; 0 for a free port.")
    ] = 0,
) -> None:
    """Run the pipeline on this machine until Ctrl-C: the stack on an embedded AWS, and a GitHub simulator.

    With $GITHUB_TOKEN set, the real GitHub is called instead.
    """
    from modelrelay.local.progress import Progress  # noqa: PLC0415 - heavy, and no other command needs it
    from modelrelay.local.signals import Stopped  # noqa: PLC0415
    from modelrelay.local.up import Options, up  # noqa: PLC0415

    options = Options(ready_file, github_api_url, _context(context), sample=not no_sample, port=port)
    console = Console(highlight=False)
    try:
        up(options, Progress(console))
    except Stopped:
        console.print("Stopped.")


def _asks(yes: bool) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not yes


def _context(given: list[str] | None) -> dict[str, Any]:
    context = {}
    for item in given or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise CommandError(
                f"--context {item}: should be KEY=JSON, like relay='{{\"retain_data\": false}}'"
            )
        try:
            context[key] = json.loads(value)
        except ValueError as error:
            raise CommandError(f"--context {key}: the value is not JSON ({error}).") from None
    return context


def _context_arguments(given: list[str] | None) -> list[str]:
    return [part for item in given or [] for part in ("-c", item)]


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.") from None
