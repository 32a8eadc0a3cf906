"""`modelrelay dlq`, as people run it, against the deployed pipeline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from functions.core.delivery import Delivery
from modelrelay.cdk import ROOT
from tests.pipeline.conftest import Pipeline, eventually

BORN = 1_589_859_029_343
"""When the first event of a test happened, in milliseconds."""


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def _nothing_else(pipeline: Pipeline) -> None:
    """Leave no letter of other tests: where groups are mixed, fewer of each can be seen."""
    if pipeline.dead_letters():
        done = pipeline.cli("dlq", "purge", "--all", "--yes")
        assert done.returncode == 0, done.stderr


def bury(pipeline: Pipeline, model: str, versions: int) -> list[str]:
    """Let GitHub refuse a model's versions, and give the deliveries when all of them are dead letters."""
    pipeline.github("POST", "faults", {"preset": "unprocessable", "times": versions, "match": f'"{model}"'})
    deliveries = [
        pipeline.send(model, version, event_timestamp=BORN + version) for version in range(1, versions + 1)
    ]
    eventually(lambda: all(pipeline.state(each) == "dead-lettered" for each in deliveries), 120)
    eventually(lambda: told(pipeline, "list", "--model", model)["reasons"] == {"github-refused": versions})
    return deliveries


def told(pipeline: Pipeline, *arguments: str) -> Any:
    """Run a command for programs, and give what it says."""
    done = pipeline.cli("dlq", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def started(pipeline: Pipeline, model: str) -> list[str]:
    """Give the versions of a model whose workflows were started, in that order."""
    return [run["inputs"]["model_version"] for run in pipeline.runs(model)]


def test_letters_are_seen_explained_and_replayed(pipeline: Pipeline, model: str) -> None:
    """Listed, shown, planned; then each starts its run once, in order, and nothing is left of them."""
    deliveries = bury(pipeline, model, 4)
    listed = told(pipeline, "list", "--model", model)["letters"]
    assert [letter["id"] for letter in listed] == deliveries
    assert {letter["status"] for letter in listed} == {"422"}
    (shown,) = told(pipeline, "show", deliveries[0])["letters"]
    assert shown["ledger"]["state"] == "dead-lettered"
    plan = told(pipeline, "replay", "--model", model)["plan"]
    assert (plan["letters"], plan["verdicts"]["send"]) == (4, 4)
    assert started(pipeline, model) == []
    assert told(pipeline, "replay", "--model", model, "--yes")["counts"] == {"sent": 4}
    eventually(lambda: len(started(pipeline, model)) == 4)
    assert started(pipeline, model) == ["1", "2", "3", "4"]
    assert told(pipeline, "list", "--model", model)["letters"] == []
    gone = pipeline.cli("dlq", "show", deliveries[0])
    assert gone.returncode == 1
    assert f"dispatched. {pipeline.entry(deliveries[0])['run_url']}" in gone.stderr


def test_interrupted_replay_starts_each_delivery_once(pipeline: Pipeline, model: str) -> None:
    """Ctrl-C in the middle, and once more to the end: each version is started once, in order."""
    bury(pipeline, model, 10)
    process = begin(pipeline, "dlq", "replay", "--model", model, "--yes", "--rate", "2")
    eventually(lambda: started(pipeline, model))
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.startswith("Interrupted: ")
    left = len(told(pipeline, "list", "--model", model)["letters"])
    assert 0 < left < 10
    assert told(pipeline, "replay", "--model", model, "--yes")["counts"] == {"sent": left}
    eventually(lambda: len(started(pipeline, model)) == 10)
    eventually(lambda: not pipeline.waiting())
    assert started(pipeline, model) == [str(version) for version in range(1, 11)]


def test_what_was_overtaken_is_planned_and_set_aside(pipeline: Pipeline, model: str) -> None:
    """An older version does not follow a newer one, and the plan says so; forced, it does."""
    older, forced = bury(pipeline, model, 2)
    pipeline.send(model, 3, event_timestamp=BORN + 3)
    eventually(lambda: started(pipeline, model) == ["3"])
    assert told(pipeline, "replay", "--model", model)["plan"]["verdicts"]["overtaken"] == 2
    told(pipeline, "replay", "--id", older, "--yes")
    eventually(lambda: pipeline.entry(older)["state"] == "superseded")
    told(pipeline, "replay", "--id", forced, "--yes", "--force")
    eventually(lambda: started(pipeline, model) == ["3", "2"])


def test_letter_of_a_route_that_is_gone_is_edited_and_sent(
    pipeline: Pipeline, model: str, tmp_path: Path
) -> None:
    """The deployed routes are known, so a replay keeps such a letter; with another route it is started."""
    delivery = bury(pipeline, model, 1)[0]
    file = tmp_path / "letters.jsonl"
    assert told(pipeline, "export", str(file), "--id", delivery)["exported"] == 1
    letter = json.loads(file.read_text(encoding="utf-8"))
    letter["body"]["route"] = "gone"
    renamed = Delivery.from_message(json.dumps({**letter["body"], "id": moved(letter["body"])}))
    told(pipeline, "purge", "--id", delivery, "--yes")
    pipeline.put(renamed.to_message(), model)
    eventually(lambda: pipeline.state(renamed.id) == "dead-lettered")
    eventually(lambda: told(pipeline, "list", "--model", model)["reasons"] == {"unknown-route": 1})
    assert told(pipeline, "replay", "--model", model, "--yes")["counts"] == {"no_route": 1}
    file.unlink()
    told(pipeline, "export", str(file), "--model", model)
    edited = json.loads(file.read_text(encoding="utf-8"))
    edited["body"]["route"] = "default"
    file.write_text(json.dumps(edited), encoding="utf-8")
    assert told(pipeline, "import", str(file), "--remove", "--yes")["counts"] == {"sent": 1}
    eventually(lambda: started(pipeline, model) == ["1"])
    assert told(pipeline, "list", "--model", model)["letters"] == []


def test_poison_is_purged(pipeline: Pipeline, model: str) -> None:
    """What is no delivery is selected by what lies in it, and goes for good."""
    pipeline.put(f"by hand {model}", model)
    where = f"contains(to_string(body), '{model}')"
    eventually(lambda: pipeline.dead_letter(model))
    eventually(lambda: told(pipeline, "list", "--where", where)["reasons"] == {"malformed": 1})
    assert told(pipeline, "purge", "--where", where, "--yes")["counts"] == {"removed": 1}
    assert told(pipeline, "list", "--where", where)["letters"] == []


def moved(body: dict[str, Any]) -> str:
    """Give the id that follows from an edited body."""
    from functions.core.event import Event  # noqa: PLC0415 - only here

    return Delivery(Event.from_dict(body["event"]), body["route"], body["accepted_at"]).id


def begin(pipeline: Pipeline, *arguments: str) -> subprocess.Popen[str]:
    """Start a command, to interrupt it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GITHUB_"))}
    aws = {
        "AWS_ENDPOINT_URL": pipeline.ready["aws_endpoint_url"],
        "AWS_REGION": pipeline.ready["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "modelrelay", *arguments],
        cwd=ROOT,
        env=kept | aws,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
