"""The archive of a release is all that a deployment needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from modelrelay import cdk
from scripts import release


def test_the_stack_can_be_synthesised_from_the_archive(tmp_path: Path) -> None:
    """Unpacked somewhere else, the committed source alone gives the stack with its bundles."""
    archive = release._archive(release.ROOT, tmp_path, "model-relay")
    subprocess.run(["tar", "--extract", "--file", archive], cwd=tmp_path, check=True)
    source = tmp_path / "model-relay"
    (source / "node_modules").symlink_to(release.ROOT / "node_modules")  # What `make setup` installs there.
    line = cdk.command("synth", "--quiet", app=f"{sys.executable} app.py")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        line, cwd=source, env=cdk.environment(kept), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assets = json.loads((source / "cdk.out" / "ModelRelay.assets.json").read_text(encoding="utf-8"))["files"]
    assert len(assets) >= 4
    assert (source / ".build" / "dependencies").is_dir()
