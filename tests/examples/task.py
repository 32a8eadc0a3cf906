"""Runs examples/databricks/relay_task.py as Databricks does: a file, alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "examples" / "databricks"
FILE = FOLDER / "relay_task.py"
SECRET = "c2VjcmV0IHRoYXQgbm9ib2R5IG1heSBzZWUsIG9mIHRoaXJ0eS1zaXg="

ALONE = ("-I", "-S")
"""No packages, no PYTHON* variables: what the file imports is Python's own, or it fails."""


def run(
    *arguments: str, secret: str | None = SECRET, flags: tuple[str, ...] = ALONE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the file and give what it printed and its exit code."""
    environment: Mapping[str, str] = {"PATH": os.defpath, "NO_PROXY": "127.0.0.1", **variables}
    if secret is not None:
        environment = {**environment, "RELAY_SECRET": secret}
    return subprocess.run(
        [sys.executable, *flags, str(FILE), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def trigger(
    url: str, updates: Any, *arguments: str, run_id: str = "7001", **others: Any
) -> subprocess.CompletedProcess[str]:
    """Run it as the task of a job with a model update trigger."""
    text = updates if isinstance(updates, str) else json.dumps(updates)
    return run(
        "trigger",
        f"--url={url}",
        f"--run-id={run_id}",
        f"--updates={text}",
        "--pause=0.01",
        *arguments,
        **others,
    )


def deployment(
    url: str, name: str, version: str, *arguments: str, run_id: str = "7002", **others: Any
) -> subprocess.CompletedProcess[str]:
    """Run it as the task of a deployment job."""
    names = (f"--model-name={name}", f"--model-version={version}")
    return run(
        "deployment", f"--url={url}", f"--run-id={run_id}", *names, "--pause=0.01", *arguments, **others
    )


def update(name: str, version: int | None = None, alias: str | None = None) -> dict[str, Any]:
    """Write an update as Databricks documents it: what does not apply is not there."""
    fields = {"full_name": name, "version": version, "alias_name": alias}
    return {key: value for key, value in fields.items() if value is not None}
