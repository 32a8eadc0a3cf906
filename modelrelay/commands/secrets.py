"""`secrets`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay import stack as stacks
from modelrelay.commands.options import (
    STACK,
    AsJson,
    Context,
    Profile,
    Region,
    Stack,
    Yes,
    asks,
    context_of,
    read,
)
from modelrelay.errors import CommandError
from modelrelay.output import tell

app = typer.Typer(no_args_is_help=True, help="What the stack proves itself with, and what senders do.")

_NEXT: Final = {
    "databricks": "modelrelay webhook update",
    "mlflow": "modelrelay webhook update --mlflow-uri ADDRESS",
    "databricks-jobs": (
        "paste it into the notification destination: modelrelay secrets show-webhook databricks-jobs --reveal"
    ),
    "events": "give it to whatever sends: modelrelay secrets show-webhook events --reveal",
}
"""What a sender's new secret is to be given to."""

SenderName = Annotated[str, typer.Argument(help="databricks, mlflow, databricks-jobs or events.")]


@app.command("set-github")
def set_github(
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token; - for standard input.")
    ] = None,
    app_file: Annotated[
        Path | None,
        typer.Option(help="JSON with a GitHub App's client_id, installation_id and private_key; - likewise."),
    ] = None,
    private_key_file: Annotated[
        Path | None, typer.Option(help="A GitHub App's private key (PEM); - likewise. With the two below.")
    ] = None,
    client_id: Annotated[str | None, typer.Option(help="The App's client id.")] = None,
    installation_id: Annotated[
        str | None, typer.Option(help="The App's installation: the last part of its settings' address.")
    ] = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Store it without asking GitHub.")] = False,
    context: Context = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Store what GitHub is called with: a token, or a GitHub App. It is asked for where no file is named.

    Nothing of it is taken from the command line, where others on this machine could read it.

    [dim]modelrelay secrets set-github
    gh auth token | modelrelay secrets set-github --token-file -
    modelrelay secrets set-github --private-key-file app.pem --client-id Iv23… --installation-id 123[/dim]
    """
    from modelrelay.operate import deployed, github, secrets  # noqa: PLC0415 - slow to import

    session = stacks.Session(profile, region, stack)
    name = session.output("GitHubSecretName")
    credential = github.parse(_given(token_file, app_file, private_key_file, client_id, installation_id))
    lines: list[str] = []
    if not no_check:
        settings, _ = deployed.settings_or_checkout(session, context_of(context))
        access = github.Access(github.api(settings.github), credential)
        lines = secrets.permissions(access, settings)
    secrets.store(session, name, secrets.github_secret(credential))
    kind = "token" if isinstance(credential, str) else "app"
    content = {"secret": name, "kind": kind, "checked": not no_check, "permissions": lines}

    def people(console: Console) -> None:
        for line in lines:
            console.print(f"[green]✓[/green] {escape(line)}")
        console.print(f"Stored in {escape(name)}. It is in force {secrets.IN_FORCE}, without a deployment.")

    tell(content, as_json=as_json, people=people)


@app.command("rotate-webhook")
def rotate_webhook(
    sender: SenderName,
    force: Annotated[bool, typer.Option("--force", help="Even if it was rotated within the hour.")] = False,
    yes: Yes = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Give a sender's webhook secret a new value. The old one stays valid until the next rotation.

    [dim]modelrelay secrets rotate-webhook databricks
    modelrelay webhook update[/dim]
    """
    from modelrelay.operate import secrets  # noqa: PLC0415 - slow to import

    whose = secrets.sender_named(sender)
    session = stacks.Session(profile, region, stack)
    secrets.name_of(session, whose)
    if asks(yes=yes):
        typer.confirm(f"Make a new secret for {sender}?", abort=True)
    name = secrets.rotate(session, whose, now=time.time(), force=force)
    then = _NEXT[sender]
    told = f"{name} has a new value, in force {secrets.IN_FORCE}. The old one stays valid beside it."
    tell(
        {"secret": name, "next": then},
        as_json=as_json,
        people=lambda console: console.print(f"{escape(told)}\nNext, after that: {escape(then)}"),
    )


@app.command("show-webhook")
def show_webhook(
    sender: SenderName,
    reveal: Annotated[bool, typer.Option("--reveal", help="Really print the secret.")] = False,
    yes: Yes = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Print a sender's webhook secret, to be pasted where the sender wants it. On a terminal, or with --yes.

    [dim]modelrelay secrets show-webhook databricks-jobs --reveal[/dim]
    """
    from modelrelay.operate import secrets  # noqa: PLC0415 - slow to import

    whose = secrets.sender_named(sender)
    if not reveal:
        raise CommandError("This prints a secret. If that is what you want: --reveal.")
    if not (sys.stdout.isatty() or yes):
        raise CommandError("This is no terminal. To print a secret into a file or a pipe: --yes.")
    session = stacks.Session(profile, region, stack)
    value = secrets.value(session, secrets.name_of(session, whose))
    if not secrets.is_usable(whose, value):
        raise CommandError(f"The secret of {sender} is empty or of another form than the sender's.")
    login = secrets.login(value) if whose.credential == "login" else None
    content = {"username": login.username, "password": login.password} if login else {"secret": value}
    lines = "\n".join(f"{key}: {text}" for key, text in content.items()) if login else value
    tell({"sender": sender, **content}, as_json=as_json, people=lambda _console: typer.echo(lines))


def _given(
    token_file: Path | None,
    app_file: Path | None,
    private_key_file: Path | None,
    client_id: str | None,
    installation_id: str | None,
) -> str:
    """Give the secret's content as it was given, in the secret's own form."""
    files = [each for each in (token_file, app_file, private_key_file) if each is not None]
    if len(files) > 1:
        raise CommandError("Name one of --token-file, --app-file and --private-key-file.")
    if (client_id or installation_id) and not private_key_file:
        raise CommandError("--client-id and --installation-id go with --private-key-file.")
    if not files:
        return _wrapped(_prompted())
    text = _text(read(files[0]))
    if app_file:
        return text
    if token_file:
        return _wrapped(text)
    return json.dumps({"client_id": client_id, "installation_id": installation_id, "private_key": text})


def _wrapped(token: str) -> str:
    """Put a token into the secret's form, unless it is in it."""
    return token if token.startswith("{") else json.dumps({"token": token})


def _prompted() -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            "There is no terminal to ask on: name a file, or --token-file - for standard input."
        )
    return str(typer.prompt("GitHub token (not shown)", hide_input=True, err=True)).strip()


def _text(content: bytes) -> str:
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise CommandError("What was given is not text.") from None
