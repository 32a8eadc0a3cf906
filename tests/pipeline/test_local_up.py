"""`modelrelay local up`: shows the sample arrive, takes what it is told, and leaves nothing behind."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from modelrelay.cdk import ROOT
from modelrelay.local.github import GitHub, GitHubServer, Workflow
from tests.pipeline.conftest import Pipeline, eventually, start, transition, wait_until_ready

FIXED_KEYS = {
    "ingest_url",
    "aws_endpoint_url",
    "region",
    "console_url",
    "github_api_url",
    "webhook_secrets",
    "outputs",
}


def listening(url: str) -> bool:
    """Tell whether anybody listens at a URL's address."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def descendants(pid: int) -> list[psutil.Process]:
    """Give the processes that a process started, and those that they started."""
    return psutil.Process(pid).children(recursive=True)


def ended(processes: list[psutil.Process]) -> bool:
    """Tell whether none of these processes runs; one that only waits to be buried has ended."""
    running = [process for process in processes if process.is_running()]
    return all(process.status() == psutil.STATUS_ZOMBIE for process in running)


@pytest.fixture
def other_github() -> Iterator[GitHubServer]:
    """A GitHub that `local up` did not start."""
    workflow = Workflow(
        owner="octo-org", repository="models", id=7, file="deploy.yml", name="Deploy", refs=("live",)
    )
    with GitHubServer(GitHub([workflow], tokens=["made-up-token"])) as server:
        yield server


def test_the_ready_file_holds_how_to_reach_everything(pipeline: Pipeline) -> None:
    """The ready file has the fixed keys, a plain ingest address, and a secret for every sender."""
    assert set(pipeline.ready) == FIXED_KEYS
    assert pipeline.ready["ingest_url"].startswith("http://127.0.0.1:")
    secrets = pipeline.ready["webhook_secrets"]
    assert set(secrets) == {"databricks", "mlflow", "databricks-jobs", "events"}
    assert json.loads(secrets["databricks-jobs"]).keys() == {"username", "password"}
    assert all(len(base64.b64decode(secrets[name], validate=True)) == 36 for name in ("mlflow", "events"))
    assert (
        pipeline.ready["outputs"]["DatabricksWebhookUrl"]
        == pipeline.ready["outputs"]["IngestUrl"] + "/databricks"
    )


def test_send_reaches_the_running_pipeline(pipeline: Pipeline, tmp_path: Path) -> None:
    """`modelrelay send --local` signs and posts a sample, and prints the answer."""
    ready_file = tmp_path / "ready.json"  # Of several local runs, this one.
    ready_file.write_text(json.dumps(pipeline.ready), encoding="utf-8")
    line = ["send", "--local", "--model", "sent-by-hand", "--json"]
    done = pipeline.cli(*line, MODELRELAY_READY_FILE=str(ready_file))
    assert json.loads(done.stdout)["status"] == 202
    eventually(lambda: pipeline.runs("sent-by-hand"))


def test_send_takes_url_secret_and_body_from_anywhere(pipeline: Pipeline, tmp_path: Path) -> None:
    """`modelrelay send` signs any file with a secret from a file, for any ingest URL."""
    (tmp_path / "secret").write_text(pipeline.secret + "\n", encoding="utf-8")
    (tmp_path / "body").write_bytes(transition("from-a-file", 3))
    line = [sys.executable, "-m", "modelrelay", "send", "--url", pipeline.ready["ingest_url"]]
    files = ["--file", str(tmp_path / "body"), "--secret-file", str(tmp_path / "secret")]
    done = subprocess.run([*line, *files], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "202" in done.stdout
    eventually(lambda: pipeline.runs("from-a-file"))


def test_send_says_when_ingest_refuses(pipeline: Pipeline, tmp_path: Path) -> None:
    """A refused sample is printed with its answer and makes the command fail."""
    line = [sys.executable, "-m", "modelrelay", "send", "--url", pipeline.ready["ingest_url"]]
    environment = {**os.environ, "MODELRELAY_WEBHOOK_SECRET": "wrong"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "401" in done.stdout


def test_it_serves_another_github_and_leaves_nothing_behind(
    tmp_path: Path, other_github: GitHubServer
) -> None:
    """A production's context serves here too; Ctrl-C ends every process, port and temporary file."""
    account = {"owner": "octo-org", "repository": "models", "workflow_id": 7, "default_branch": "live"}
    production = {
        "github": {"secret_name": "ci/github", "same_credential_as": "ModelRelay-prod"},
        "ingest": {"secret_names": {"databricks": "ci/dbx"}, "allowed_cidrs": ["203.0.113.0/24"]},
        "vpc": {"id": "vpc-0123456789abcdef0"},
        "alarms": {"email": "ops@example.com"},
    }
    ready_file = tmp_path / "ready.json"
    process = start(
        ready_file,
        *("--github-api-url", other_github.url),
        *("--context", f"account_setings={json.dumps(account)}"),
        *("--context", f"relay={json.dumps(production)}"),
    )
    ready = wait_until_ready(process, ready_file)
    started = descendants(process.pid)
    assert stat.S_IMODE(ready_file.stat().st_mode) == 0o600
    Pipeline(ready, process.pid).send("elsewhere", 5)
    (run,) = other_github.wait_for_runs(1, timeout=60)
    assert run.request == {"ref": "live", "inputs": {"model_name": "elsewhere", "model_version": "5"}}

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Stopped." in output
    assert "Task" not in output
    assert "Traceback" not in output
    assert not listening(ready["ingest_url"])
    assert not listening(ready["aws_endpoint_url"])
    assert started
    assert eventually(lambda: ended(started), 5)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    """A signal while the CDK CLI works ends that too."""
    process = start(tmp_path / "ready.json")
    eventually(lambda: list(tmp_path.rglob("jsii-kernel*")))
    started = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(started) >= 2
    assert eventually(lambda: ended(started), 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--context", 'relay={"githb": {}}'], "relay.githb is not a known key (did you mean 'github'?)"),
        (["--github-api-url", "nonsense"], "relay.github.api_url should be a base address"),
        (["--context", "relay"], "should be KEY=JSON"),
    ],
)
def test_a_mistake_is_one_clear_message_before_anything_starts(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    """What can't be used is told with what can, and nothing was started for it."""
    process = start(tmp_path / "ready.json", *arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told in output
    assert "Traceback" not in output
    assert "embedded AWS" not in output


def test_a_taken_port_is_one_clear_message(tmp_path: Path) -> None:
    """A port that is in use is told, with the option to name another, before anything starts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(tmp_path / "ready.json", "--port", str(taken.getsockname()[1]))
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "--port" in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []
