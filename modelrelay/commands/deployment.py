"""`deploy` and `destroy`."""

from __future__ import annotations

from typing import Annotated

import typer

from modelrelay import stack
from modelrelay.commands.options import Context, Environment, Profile, Region, Yes, asks


def deploy(
    context: Context = None,
    environment: Environment = None,
    profile: Profile = None,
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Deploy the stack, after preparing the account for CDK where that was never done.

    [dim]modelrelay deploy
    modelrelay deploy --environment staging
    modelrelay deploy -c relay='{"github": {"secret_name": "ci/github"}}'[/dim]
    """
    given = _given(context, environment)
    session = _session(given, profile, region)
    is_asked = asks(yes=yes)
    if not session.bootstrapped():
        if is_asked:
            typer.confirm(
                "This account and region were never prepared for CDK (cdk bootstrap). Do it now?", abort=True
            )
        session.cdk("bootstrap")
    approval = "broadening" if is_asked else "never"
    session.cdk("deploy", "--require-approval", approval, *_arguments(given))


def destroy(
    context: Context = None,
    environment: Environment = None,
    profile: Profile = None,
    region: Region = None,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would go and what would stay.")
    ] = False,
) -> None:
    """Delete the stack. Queues, ledger and secrets stay, unless relay.retain_data is false."""
    given = _given(context, environment)
    session = _session(given, profile, region)
    session.refuse_if_protected()
    for resource in session.resources():
        verb = "keep  " if resource.kept else "delete"
        typer.echo(f"{verb}  {resource.kind:<34}{resource.name}")
    if dry_run:
        return
    if asks(yes=yes):
        typer.confirm("Delete the stack?", abort=True)
    session.cdk("destroy", "--force", *_arguments(given))


def _given(context: list[str] | None, environment: str | None) -> list[str]:
    return [*(context or []), *([f"environment={environment}"] if environment else [])]


def _session(given: list[str], profile: str | None, region: str | None) -> stack.Session:
    """Open the chosen environment's stack, where it belongs; a wrong configuration is told right here."""
    from modelrelay import configuration  # noqa: PLC0415 - heavy, and no other command needs it

    values = {key: value for key, equals, value in (item.partition("=") for item in given) if equals}
    chosen = configuration.settings(values).environment
    return stack.Session(profile, region or chosen.region, chosen.stack)


def _arguments(given: list[str]) -> list[str]:
    return [part for item in given for part in ("-c", item)]
