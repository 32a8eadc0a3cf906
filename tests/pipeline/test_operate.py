"""Looking at the deployed pipeline and pausing it, by the commands that operators use."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pipeline.conftest import Pipeline, eventually


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def resumed(pipeline: Pipeline) -> Iterator[None]:
    """Leave nothing paused."""
    yield
    assert pipeline.cli("resume").returncode == 0


def told(pipeline: Pipeline, *arguments: str) -> Any:
    """Run a command and give its JSON."""
    done = pipeline.cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one clear message of a command that failed."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_a_dispatched_delivery_is_shown_with_its_run(pipeline: Pipeline, model: str) -> None:
    """From its id's first digits: what happened, how long it took, the run, and the attempt's log line."""
    delivery = pipeline.send(model, 8)
    eventually(lambda: pipeline.attempts(delivery))
    (run,) = pipeline.runs(model)
    story = told(pipeline, "deliveries", "show", delivery[:8])
    assert (story["id"], story["state"], story["model"]) == (delivery, "dispatched", model)
    assert story["run"] == {"id": run["id"], "url": run["html_url"]}
    assert 0 <= story["seconds"]["until_dispatched"] < 60
    assert [(line["outcome"], line["status"]) for line in story["log"]] == [("Dispatched", 200)]
    [row] = told(pipeline, "deliveries", "list", "--model", model)["deliveries"]
    assert (row["id"], row["run_url"]) == (delivery, run["html_url"])
    newest = told(pipeline, "status")["dispatched"][0]
    assert (newest["id"], newest["run_url"]) == (delivery, run["html_url"])
    page = pipeline.cli("deliveries", "show", delivery).stdout
    assert run["html_url"] in page
    assert f"{model} 8" in page


def test_a_refused_delivery_is_shown_with_githubs_words(pipeline: Pipeline, model: str) -> None:
    """GitHub's message, its request's id, and what a person does; and `status --check` asks for one."""
    pipeline.github("POST", "faults", {"preset": "unprocessable", "times": 1, "match": f'"{model}"'})
    delivery = pipeline.send(model, 8)
    letter = eventually(lambda: pipeline.dead_letter(delivery))
    words = letter["MessageAttributes"]["detail"]["StringValue"]
    (request,) = pipeline.requests(model)
    page = pipeline.cli("deliveries", "show", delivery).stdout
    for text in ("dead-lettered", "github-refused", words, "replay the dead letter", request["request_id"]):
        assert text in page
    found = told(pipeline, "deliveries", "list", "--state", "dead-lettered", "--since", "5m")["deliveries"]
    assert delivery in [row["id"] for row in found]
    checked = pipeline.cli("status", "--check")
    assert checked.returncode == 1
    assert "github-refused" in checked.stdout
    assert "in the dead letters." in checked.stdout


@pytest.mark.usefixtures("resumed")
def test_a_pause_holds_everything_back_until_it_is_resumed(pipeline: Pipeline, model: str) -> None:
    """What comes during a pause waits and is told why; after the resume all start, in their order."""
    paused = pipeline.cli("pause", "--reason", "runners are being upgraded", "--until", "25s")
    assert "Paused until" in paused.stdout, paused.stderr
    first, *_ = [pipeline.send(model, version) for version in (1, 2, 3)]
    eventually(lambda: pipeline.attempts(first))
    story = told(pipeline, "deliveries", "show", first)
    assert (story["reason"], story["attempts"]) == ("paused", 0)
    assert story["paused"]["reason"] == "runners are being upgraded"
    page = pipeline.cli("status").stdout
    assert "runners are being upgraded" in page
    assert "1 waiting: paused, the oldest accepted" in page
    assert pipeline.requests(model) == []
    ended = told(pipeline, "resume")
    assert ended["changed"]
    assert ended["queue"]["waiting"] + ended["queue"]["in_flight"] >= 3
    assert 0 < ended["noticed_within_seconds"] <= 30
    eventually(lambda: len(pipeline.runs(model)) == 3, 45)
    assert [run["inputs"]["model_version"] for run in pipeline.runs(model)] == ["1", "2", "3"]
    assert [line["attempt"] for line in pipeline.attempts(first)] == [0, 1]
    assert told(pipeline, "resume")["changed"] is False


def test_what_can_not_be_done_is_one_clear_message(pipeline: Pipeline, model: str) -> None:
    """No credentials, no such stack, an unknown id, a slip: exit code 1, one message, no traceback."""
    nobody = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    unknown = "0" * 32
    assert "Unable to locate credentials" in complaint(pipeline.cli("status", **nobody))
    assert "There is no stack Nope" in complaint(pipeline.cli("status", "--stack", "Nope"))
    assert "There is no stack Nope" in complaint(pipeline.cli("resume", "--stack", "Nope"))
    assert f"knows no delivery {unknown}" in complaint(pipeline.cli("deliveries", "show", unknown))
    assert "one line of 1 to 200" in complaint(pipeline.cli("pause", "--reason", ""))
    assert "Nothing found." in pipeline.cli("deliveries", "list", "--model", model).stdout
    assert told(pipeline, "deliveries", "list", "--model", model) == {"deliveries": []}
