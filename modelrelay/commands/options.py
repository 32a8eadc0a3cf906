"""The options that commands share, and how their values are understood."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from modelrelay import cdk
from modelrelay.errors import CommandError

Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context", "-c", metavar="KEY=JSON", help="CDK context in place of cdk.json's; repeatable."
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "--environment",
        "-e",
        metavar="NAME",
        help="One of cdk.json's environments, like -c environment=NAME.",
    ),
]
Stack = Annotated[str, typer.Option("--stack", envvar="MODELRELAY_STACK", help="The stack's name.")]
Profile = Annotated[str | None, typer.Option(help="The AWS profile to use.")]
Region = Annotated[str | None, typer.Option(help="The AWS region to use.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

STACK = cdk.STACK


def asks(*, yes: bool) -> bool:
    """Tell whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not yes


def context_of(given: list[str] | None) -> dict[str, Any]:
    """Decode `KEY=JSON` options.

    Raises:
        CommandError: One of them has another form.
    """
    context = {}
    for item in given or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise CommandError(
                f"--context {item}: should be KEY=JSON, like relay='{{\"retain_data\": false}}'"
            )
        try:
            # The name of an environment is a plain word, as it is to the CDK CLI.
            context[key] = value if key == "environment" else json.loads(value)
        except ValueError as error:
            raise CommandError(f"--context {key}: the value is not JSON ({error}).") from None
    return context


def read(file: Path) -> bytes:
    """Read a file, or standard input for `-`.

    Raises:
        CommandError: It can't be read.
    """
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.") from None
