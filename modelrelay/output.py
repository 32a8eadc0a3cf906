"""What a command prints: for people by default, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console


def tell(content: Any, *, as_json: bool, people: Callable[[Console], None]) -> None:
    """Print a command's result.

    Args:
        content: The result as JSON has it; other types in it are written as text.
        as_json: Whether a program reads it.
        people: Prints it for people.
    """
    if as_json:
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))
    else:
        people(Console(highlight=False, soft_wrap=True))
