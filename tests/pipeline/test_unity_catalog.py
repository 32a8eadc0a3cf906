"""Models in Unity Catalog: the task that people copy into a Databricks job, against the deployed stack."""

from __future__ import annotations

import base64
import subprocess
import uuid
from typing import Any

import pytest

from tests.examples import task
from tests.pipeline.conftest import Pipeline, eventually


@pytest.fixture
def model() -> str:
    """A three-level name that no other test uses."""
    return f"main.ml.model_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def job_run() -> str:
    """A job run's id that no other test uses, as long as Databricks' are."""
    return str(uuid.uuid4().int)[:15]


def trigger(
    pipeline: Pipeline, updates: Any, job_run: str, **others: Any
) -> subprocess.CompletedProcess[str]:
    """Run the task of the job that a model update trigger starts."""
    others = {"secret": pipeline.ready["webhook_secrets"]["events"], **others}
    return task.trigger(pipeline.ready["ingest_url"], updates, run_id=job_run, **others)


def versions(pipeline: Pipeline, model: str) -> list[str]:
    """Give the versions that runs were started for, in their order."""
    return [run["inputs"]["model_version"] for run in pipeline.runs(model)]


def test_a_batch_of_aliases_starts_its_runs(pipeline: Pipeline, model: str, job_run: str) -> None:
    """Each alias that was set starts a run for its model and version, in order, and a repair starts none."""
    other = f"{model}_other"
    updates = [
        task.update(model, 3, "champion"),
        task.update(other, 7, "champion"),
        task.update(model, 4, "champion"),
        task.update(model, 3, "champion"),
    ]
    done = trigger(pipeline, updates, job_run)
    assert (done.returncode, done.stderr) == (0, "")
    eventually(lambda: len(versions(pipeline, model)) == 3 and versions(pipeline, other))
    again = trigger(pipeline, updates, job_run)
    assert (again.returncode, again.stdout) == (0, done.stdout)

    trigger(pipeline, [task.update(model, 5, "champion")], f"{job_run}1")
    eventually(lambda: "5" in versions(pipeline, model))
    assert versions(pipeline, model) == ["3", "4", "3", "5"]
    assert versions(pipeline, other) == ["7"]


def test_a_deployment_job_starts_one_run(pipeline: Pipeline, model: str, job_run: str) -> None:
    """The version of a deployment job is deployed once, however often the task is tried."""
    secret = pipeline.ready["webhook_secrets"]["events"]
    for run_id, version in ((job_run, "3"), (job_run, "3"), (f"{job_run}1", "4")):
        done = task.deployment(pipeline.ready["ingest_url"], model, version, run_id=run_id, secret=secret)
        assert (done.returncode, done.stderr) == (0, "")
    eventually(lambda: "4" in versions(pipeline, model))
    assert versions(pipeline, model) == ["3", "4"]


def test_what_no_route_wants_is_told(pipeline: Pipeline, model: str, job_run: str) -> None:
    """A version without an alias is taken and ignored, and the task's log says that no route wants it."""
    done = trigger(pipeline, [task.update(model, 3)], job_run)
    assert done.returncode == 0
    assert "version=3: ignored: No route wants" in done.stdout


def test_what_ingest_refuses_is_told(pipeline: Pipeline, model: str, job_run: str) -> None:
    """A name that ingest does not take is told with its reason, and the others are sent."""
    updates = [task.update("x" * 2000, 3, "champion"), task.update(model, 3, "champion")]
    done = trigger(pipeline, updates, job_run)
    assert done.returncode == 1
    assert "Model Relay refuses it: 400 " in done.stderr
    assert "is longer than 1024 characters" in done.stderr
    eventually(lambda: versions(pipeline, model) == ["3"])


def test_a_wrong_secret_is_told_in_words(pipeline: Pipeline, model: str, job_run: str) -> None:
    """The task fails, says 401 and what to look at, starts nothing and shows no secret."""
    wrong = base64.b64encode(b"another secret of some length").decode()
    done = trigger(pipeline, [task.update(model, 3, "champion")], job_run, secret=wrong)
    assert done.returncode == 1
    assert "401 " in done.stderr
    assert "EventsSecretName" in done.stderr
    for secret in (wrong, pipeline.ready["webhook_secrets"]["events"]):
        assert secret not in done.stdout + done.stderr
    assert pipeline.requests(model) == []
