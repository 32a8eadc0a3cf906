"""`deploy` and `destroy`."""

from __future__ import annotations

from typing import Annotated

import typer

from modelrelay import stack
from modelrelay.commands.options import Context, Profile, Region, Yes, asks


def deploy(context: Context = None, profile: Profile = None, region: Region = None, yes: Yes = False) -> None:
    """Deploy the stack, after preparing the account for CDK where that was never done.

    [dim]modelrelay deploy
    modelrelay deploy -c relay='{"github": {"secret_name": "ci/github"}}'[/dim]
    """
    session = stack.Session(profile, region)
    is_asked = asks(yes=yes)
    if not session.bootstrapped():
        if is_asked:
            typer.confirm(
                "This account and region were never prepared for CDK (cdk bootstrap). Do it now?", abort=True
            )
        session.cdk("bootstrap")
    approval = "broadening" if is_asked else "never"
    session.cdk("deploy", "--require-approval", approval, *_arguments(context))


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
    if asks(yes=yes):
        typer.confirm("Delete the stack?", abort=True)
    session.cdk("destroy", "--force", *_arguments(context))


def _arguments(given: list[str] | None) -> list[str]:
    return [part for item in given or [] for part in ("-c", item)]
