"""`modelrelay local up --strict`: what is different for those who talk to it, and what is not."""

from __future__ import annotations

import json
import re
import stat
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.pipeline.conftest import Pipeline, eventually
from tests.pipeline.test_local_up import FIXED_KEYS


@pytest.fixture
def ready_file(pipeline: Pipeline, tmp_path: Path) -> str:
    """The pipeline's ready file, as it was written."""
    (tmp_path / "ready.json").write_text(json.dumps(pipeline.ready), encoding="utf-8")
    return str(tmp_path / "ready.json")


def test_the_ready_file_names_what_to_trust(pipeline: Pipeline) -> None:
    """It has the fixed keys and one more; webhooks go to a plain address as ever, AWS is asked over TLS."""
    assert set(pipeline.ready) == FIXED_KEYS | {"ca_bundle"}
    assert pipeline.ready["ingest_url"].startswith("http://127.0.0.1:")
    assert pipeline.ready["aws_endpoint_url"].startswith("https://127.0.0.1:")
    assert pipeline.ready["outputs"]["QueueUrl"].startswith("https://")


def test_nobody_else_can_read_the_key(pipeline: Pipeline) -> None:
    """The certificate's key lies in the run's folder, for its owner's eyes alone."""
    folder = Path(pipeline.ready["ca_bundle"]).parent
    (key,) = (path for path in folder.glob("*.pem") if b"PRIVATE KEY" in path.read_bytes())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_commands_reach_it_as_env_says(pipeline: Pipeline, ready_file: str) -> None:
    """What `local env` prints is all that the other commands need."""
    told = pipeline.cli("local", "env", MODELRELAY_READY_FILE=ready_file)
    variables = dict(re.findall(r"^export (\w+)=(\S+)$", told.stdout, re.MULTILINE))
    assert variables["AWS_CA_BUNDLE"] == pipeline.ready["ca_bundle"]
    done = pipeline.cli("status", "--json", **variables)
    assert done.returncode == 0, done.stderr
    refused = pipeline.cli("status", **{**variables, "AWS_CA_BUNDLE": ""})
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: AWS can't be reached")


def test_send_reaches_it(pipeline: Pipeline, ready_file: str) -> None:
    """A webhook is sent to it as to any other local run, and arrives."""
    model = f"model-{uuid.uuid4().hex[:12]}"
    done = pipeline.cli("send", "--local", "--model", model, MODELRELAY_READY_FILE=ready_file)
    assert done.returncode == 0, done.stderr
    eventually(lambda: pipeline.runs(model))


def test_a_stranger_may_do_nothing(pipeline: Pipeline) -> None:
    """Credentials that nobody has issued are refused: not any will do here."""
    stranger = boto3.client(
        "sqs",
        endpoint_url=pipeline.ready["aws_endpoint_url"],
        region_name=pipeline.ready["region"],
        verify=pipeline.ready["ca_bundle"],
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="made-up",
    )
    with pytest.raises(ClientError, match=r"InvalidClientTokenId|UnrecognizedClient"):
        stranger.receive_message(QueueUrl=pipeline.ready["outputs"]["QueueUrl"])
