"""The CDK CLI, run with the Node that came with our virtual environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import infra
from modelrelay.errors import CommandError

ROOT: Final = Path(__file__).parents[1]
STACK: Final = infra.STACK


def command(*arguments: str, app: str | None = None) -> list[str]:
    """Give the command line of a CDK call.

    Args:
        arguments: What follows `cdk`.
        app: A folder that was synthesised before; otherwise `app.py` is run with this Python.

    Raises:
        CommandError: The CLI is not installed.
    """
    node, cli = Path(sys.prefix, "bin", "node"), ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if not node.exists() or not cli.exists():
        raise CommandError("The CDK CLI is not installed here. Run: make setup")
    return [str(node), str(cli), "--app", app or f"{sys.executable} app.py", *arguments]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a CDK call: jsii must find our Node, not an older one of the machine's."""
    path = os.pathsep.join([str(Path(sys.prefix, "bin")), variables.get("PATH", os.defpath)])
    return {**variables, "PATH": path, "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
