"""On what was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from infra.bundling import ROOT

_PACKAGES: Final = ("awslambdaric", "aws-lambda-powertools", "boto3", "botocore", "pydantic", "urllib3")


def facts(python: str) -> dict[str, Any]:
    """Give what a reader needs to compare the figures with those of another day.

    Args:
        python: The version of the interpreter that was measured.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": python,
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _commit() -> str:
    """Name the commit, and say where the work tree differs from it."""
    return _git("rev-parse", "--short", "HEAD") + (
        " with changes" if _git("status", "--porcelain", "functions", "infra", "requirements") else ""
    )


def _git(*words: str) -> str:
    line = ["git", *words]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return done.stdout.strip()


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else "unknown processor"
