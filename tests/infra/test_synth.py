"""`cdk synth` as people run it: quiet when all is well, one clear message when it is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from modelrelay import cdk


def synth(folder: Path, *context: str) -> subprocess.CompletedProcess[str]:
    """Run `cdk synth` with some context."""
    line = cdk.command("synth", "--quiet", "--output", str(folder / "cdk.out"), *context)
    return subprocess.run(
        line, cwd=cdk.ROOT, env=cdk.environment(os.environ), capture_output=True, text=True, check=False
    )


def test_synth_is_quiet_when_all_is_well(tmp_path: Path) -> None:
    """A right configuration synthesises without a word of warning, and twice to the same assets."""
    first, second = synth(tmp_path / "1"), synth(tmp_path / "2")
    assert (first.returncode, (first.stdout + first.stderr).strip()) == (0, "")
    assert second.returncode == 0
    assets = [sorted(path.name for path in (tmp_path / run).glob("cdk.out/asset.*")) for run in "12"]
    assert assets[0] == assets[1]
    assert len(assets[0]) == 3


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ('relay={"githb": {}}', "relay.githb is not a known key (did you mean 'github'?)"),
        ("relay={not json", "relay is not JSON"),
        ('account_setings={"owner": ""}', "account_setings.owner should be a GitHub user or organisation"),
    ],
)
def test_a_mistake_fails_synth_with_one_clear_message(tmp_path: Path, context: str, told: str) -> None:
    """A mistake on the command line ends the synth with its message and without a traceback."""
    done = synth(tmp_path, "-c", context)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
