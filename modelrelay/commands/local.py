"""`local up`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from modelrelay.commands.options import Context, context_of
from modelrelay.send import local_run

app = typer.Typer(no_args_is_help=True, help="The whole pipeline on this machine.")


@app.command()
def up(
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
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Evaluate IAM policies and demand TLS, as AWS does; slower."),
    ] = False,
) -> None:
    """Run the pipeline on this machine until Ctrl-C: the stack on an embedded AWS, and a GitHub simulator.

    With $GITHUB_TOKEN set, the real GitHub is called instead.
    """
    from modelrelay.local import up as pipeline  # noqa: PLC0415
    from modelrelay.local.progress import Progress  # noqa: PLC0415 - heavy, and no other command needs it
    from modelrelay.local.signals import Stopped  # noqa: PLC0415

    options = pipeline.Options(
        ready_file, github_api_url, context_of(context), sample=not no_sample, port=port, strict=strict
    )
    console = Console(highlight=False)
    try:
        pipeline.up(options, Progress(console))
    except Stopped:
        console.print("Stopped.")


@app.command()
def env() -> None:
    """Print what points this shell's commands at the running local pipeline.

    [dim]eval "$(modelrelay local env)"
    modelrelay status[/dim]
    """
    ready = local_run()
    variables = {
        "AWS_ENDPOINT_URL": ready["aws_endpoint_url"],
        "AWS_REGION": ready["region"],
        "AWS_DEFAULT_REGION": ready["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "GITHUB_SIMULATOR": ready["github_api_url"],
    }
    if "ca_bundle" in ready:
        variables["AWS_CA_BUNDLE"] = ready["ca_bundle"]
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
