"""The drill of docs/operations.md, word for word: a token is revoked, and people find out and mend it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from modelrelay.cdk import ROOT
from tests.pipeline.conftest import Pipeline

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
(DRILL,) = re.findall(r"## A drill\n.*?```sh\n(.*?)```", PAGE, re.DOTALL)


def test_the_drill_goes_as_it_is_written(pipeline: Pipeline, tmp_path: Path) -> None:
    """Its commands tell why nothing starts and what to do; after the mend all ten run, once each."""
    ready_file = tmp_path / "ready.json"
    ready_file.write_text(json.dumps(pipeline.ready), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GITHUB_"))}
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", DRILL],
        cwd=ROOT,
        env=kept | {"MODELRELAY_READY_FILE": str(ready_file), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n202  ") == 10
    for words in ("closed", "credential-rejected", "Bad credentials", "GitHubSecretName"):
        assert words in done.stdout, words
    runs = [run for number in range(1, 11) for run in pipeline.runs(f"drill-{number}")]
    assert [run["inputs"]["model_name"] for run in runs] == [f"drill-{number}" for number in range(1, 11)]
    last = done.stdout.rpartition("Stored in ")[2]
    assert len(re.findall(r"dispatched +default +drill-\d+ 8 Production", last)) == 10
