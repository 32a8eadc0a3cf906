"""GitHub's workflow files: ours, and the one that users copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from modelrelay.cdk import ROOT

EXAMPLE = ROOT / "examples" / "github" / "deploy.yml"
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), EXAMPLE]


def read(file: Path) -> dict[Any, Any]:
    """Read a workflow. YAML takes its key `on` for a truth value."""
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    """Give a workflow's jobs by name."""
    return dict(read(file)["jobs"])


def steps(file: Path) -> list[dict[str, Any]]:
    """Give the steps of all of a workflow's jobs."""
    return [step for job in jobs(file).values() for step in job.get("steps", [])]
