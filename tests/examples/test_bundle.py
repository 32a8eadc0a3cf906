"""The Databricks bundle and its README, held against the Jobs API, the task and the shell."""

from __future__ import annotations

import copy
import re
import subprocess
from typing import Any

import pytest
import yaml
from databricks.sdk.service.jobs import JobSettings, ModelTriggerConfigurationCondition
from standardwebhooks import Webhook

from tests.examples.server import relay
from tests.examples.task import FOLDER, SECRET, run

README = (FOLDER / "README.md").read_text(encoding="utf-8")
BUNDLE: Any = yaml.safe_load((FOLDER / "databricks.yml").read_text(encoding="utf-8"))
JOBS: Any = BUNDLE["resources"]["jobs"]
NAMES = sorted(JOBS)

GIVEN = {
    "{{job.run_id}}": "7003",
    "{{job.start_time.iso_datetime}}": "2026-05-04T03:02:01",
    "{{job.parameters.updates}}": '[{"full_name": "main.ml.churn", "version": 3, "alias_name": "champion"}]',
    "{{job.parameters.model_name}}": "main.ml.churn",
    "{{job.parameters.model_version}}": "3",
}
"""What Databricks puts in the place of each reference."""


def understood(job: Any) -> bool:
    """Tell whether Databricks' own SDK knows each key and value of a job's settings."""
    return bool(JobSettings.from_dict(copy.deepcopy(job)).as_dict() == job)


@pytest.mark.parametrize("name", NAMES)
def test_each_job_is_one_that_the_jobs_api_knows(name: str) -> None:
    """The SDK reads the settings and gives back all of them."""
    assert understood(JOBS[name])


@pytest.mark.parametrize(
    "path", [(), ("trigger",), ("trigger", "model"), ("queue",), ("tasks", 0), ("parameters", 0)]
)
def test_a_key_that_the_jobs_api_does_not_know_would_be_found(path: tuple[str | int, ...]) -> None:
    """The test above fails on a slip of the pen, wherever it is."""
    job = copy.deepcopy(JOBS["model_updates"])
    place = job
    for step in path:
        place = place[step]
    place["nonsense"] = "value"
    assert not understood(job)


def test_the_trigger_is_one_of_the_three() -> None:
    """The condition is one that exists, and aliases go with the one that knows them."""
    trigger = JOBS["model_updates"]["trigger"]["model"]
    assert trigger["condition"] == ModelTriggerConfigurationCondition.MODEL_ALIAS_SET.value
    assert 1 <= len(trigger["aliases"]) <= 10
    assert trigger["min_time_between_triggers_seconds"] >= 60
    assert JOBS["model_updates"]["parameters"] == [
        {"name": "updates", "default": "{{job.trigger.model.updates}}"}
    ]


def test_a_deployment_job_has_the_parameters_that_databricks_fills_in() -> None:
    """They are found by their names."""
    assert [each["name"] for each in JOBS["model_deployment"]["parameters"]] == [
        "model_name",
        "model_version",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_no_run_is_skipped(name: str) -> None:
    """Runs wait for each other in their order; a failed one is tried again, and somebody hears of it."""
    job = JOBS[name]
    assert job["max_concurrent_runs"] == 1
    assert job["queue"] == {"enabled": True}
    assert job["email_notifications"]["on_failure"]
    assert all(task["max_retries"] > 0 for task in job["tasks"])


def test_every_variable_is_declared_and_used() -> None:
    """No `${var.…}` lacks its declaration, and no declaration is left over."""
    used = set(re.findall(r"\$\{var\.(\w+)\}", yaml.safe_dump(BUNDLE)))
    assert used == set(BUNDLE["variables"])


def test_the_readme_sets_what_has_no_default() -> None:
    """Who follows the steps gives every variable that must be given, and runs a job that is there."""
    needed = {name for name, variable in BUNDLE["variables"].items() if "default" not in variable}
    assert set(re.findall(r"export BUNDLE_VAR_(\w+)=", README)) == needed
    commands = re.findall(r"bundle run -t (\w+) (\w+) --params (\S+)", README)
    for target, job, parameters in commands:
        names = {each["name"] for each in JOBS[job]["parameters"]}
        assert target in BUNDLE["targets"]
        assert {each.split("=")[0] for each in parameters.split(",")} <= names
    assert commands


def test_the_readme_says_where_the_secret_is() -> None:
    """The scope and the key that the secret is put into are those that the jobs look at."""
    scope, key = (BUNDLE["variables"][name]["default"] for name in ("secret_scope", "secret_key"))
    assert f"create-scope {scope}\n" in README
    assert f"put-secret {scope} {key}\n" in README
    assert f"put-acl {scope} " in README
    assert f"{{{{secrets/{scope}/{key}}}}}" in README


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_there(name: str) -> None:
    """Each task's file is beside the bundle, and each environment that it names is the job's."""
    job = JOBS[name]
    environments = {each["environment_key"] for each in job["environments"]}
    for task in job["tasks"]:
        assert (FOLDER / task["spark_python_task"]["python_file"]).is_file()
        assert task["environment_key"] in environments


@pytest.mark.parametrize("name", NAMES)
def test_the_task_takes_the_parameters_that_the_job_gives(name: str) -> None:
    """With everything filled in as Databricks does, the very parameters send an event."""
    (task,) = JOBS[name]["tasks"]
    with relay() as server:
        variables = {key: value.get("default", "") for key, value in BUNDLE["variables"].items()}
        given = GIVEN | {f"${{var.{key}}}": value for key, value in variables.items()}
        given["${var.ingest_url}"] = server.url
        parameters = [_filled(each, given) for each in task["spark_python_task"]["parameters"]]
        done = run(*parameters)
    assert done.returncode == 0, done.stderr
    assert "{{" not in "".join(parameters)
    (sent,) = server.sent
    assert sent.event["data"]["model_name"] == "main.ml.churn"
    assert sent.event["timestamp"] == "2026-05-04T03:02:01.000Z"


def test_both_targets_are_there() -> None:
    """Somebody who plays does not arm a trigger: the default target pauses it, and no job overrules that."""
    targets = {
        name: (target["mode"], target.get("default", False)) for name, target in BUNDLE["targets"].items()
    }
    assert targets == {"dev": ("development", True), "prod": ("production", False)}
    assert "pause_status" not in JOBS["model_updates"]["trigger"]


@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_the_shell_example_sends_a_signed_event(prefix: str) -> None:
    """What the README prints for curl and openssl is signed as a library of Standard Webhooks wants it."""
    (script,) = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    with relay() as server:
        settings = f"INGEST_URL={server.url}\nSECRET={prefix}{SECRET}\n"
        done = subprocess.run(
            ["bash", "-euc", settings + script], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 0, done.stderr
    event = Webhook(SECRET).verify(server.sent[0].body, dict(server.sent[0].headers))
    assert event["type"] == "model_version.alias_set"
    assert event["data"] == {"model_name": "main.ml.churn", "version": "3", "alias": "champion"}


def _filled(text: str, given: dict[str, str]) -> str:
    for reference, value in given.items():
        text = text.replace(reference, value)
    return text
