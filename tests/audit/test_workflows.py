"""Workflows, as zizmor judges them with all its rules, and without asking anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelrelay.cdk import ROOT
from tests.supply import workflows

ZIZMOR = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress", "--strict-collection"]


def judge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Let zizmor look at files; its exit code is 0 where it finds nothing."""
    line = [*ZIZMOR, *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("persona", ["pedantic", "auditor"])
def test_nothing_is_found(persona: str) -> None:
    """Our workflows, Dependabot's settings and the example that deploys are clean, without an exception."""
    done = judge(f"--persona={persona}", "--no-ignores", ".github", workflows.EXAMPLE)
    assert done.returncode == 0, done.stdout
    looked_at = [line for line in done.stderr.splitlines() if "completed" in line]
    assert len(looked_at) == len(workflows.WORKFLOWS) + 1


def test_the_receiving_example_is_safe() -> None:
    """What users put into their repository to be started has no finding of the usual kind either."""
    done = judge(ROOT / "examples" / "deploy-model.yml")
    assert done.returncode == 0, done.stdout


def test_something_is_found(tmp_path: Path) -> None:
    """The same call finds a tag that can be moved, and a token that is left behind."""
    (workflow := tmp_path / "deploy.yml").write_text(
        workflows.EXAMPLE.read_text(encoding="utf-8")
        .replace("persist-credentials: false", "fetch-depth: 1")
        .replace("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7")
    )
    done = judge("--pedantic", workflow)
    assert done.returncode != 0
    assert "artipacked" in done.stdout
    assert "unpinned-uses" in done.stdout
