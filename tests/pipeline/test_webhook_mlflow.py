"""`webhook` with a real MLflow: registered from the stack, used, tested, changed and deleted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelrelay.local.emulator import free_port
from tests.pipeline.conftest import Pipeline, eventually
from tests.pipeline.mlflow_server import DRIVER, Mlflow, environment, process, wait_until_healthy

ALIAS_SET = "model_version_alias.created"


@dataclass(frozen=True)
class Served:
    """A running MLflow: its address for us, and its own client."""

    url: str
    client: Mlflow


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """MLflow, run once for all tests."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    url = f"http://127.0.0.1:{port}"
    variables = environment(url, folder)
    line = ["-m", "mlflow", "server", "--port", str(port), "--waitress-opts", ""]
    store = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    with (
        process(folder / "server.log", variables, *line, *store) as serving,
        process(folder / "client.log", variables, str(DRIVER)) as client,
    ):
        wait_until_healthy(serving, url, folder / "server.log")
        yield Served(url, Mlflow(client))


def webhook(pipeline: Pipeline, mlflow: Served, command: str, *arguments: str) -> Any:
    """Give what a program is told by a `webhook` command about MLflow."""
    where = ("--mlflow-uri", mlflow.url, "--url", pipeline.ready["ingest_url"])
    done = pipeline.cli("webhook", command, *where, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    assert pipeline.ready["webhook_secrets"]["mlflow"] not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_webhook_lives_as_long_as_it_shall(pipeline: Pipeline, mlflow: Served) -> None:
    """Registered from the stack, it starts runs; registered again, it is changed; then it is deleted."""
    made = webhook(pipeline, mlflow, "register")
    assert (made["new"], made["webhook"]["events"]) == (True, [ALIAS_SET])
    assert webhook(pipeline, mlflow, "test")["status"] == 200
    model = f"model-{uuid.uuid4().hex[:12]}"
    mlflow.client.register(model)
    mlflow.client("set_registered_model_alias", name=model, alias="champion", version="1")
    [run] = eventually(lambda: pipeline.runs(model))
    assert run["inputs"] == {"model_name": model, "model_version": "1"}

    again = webhook(pipeline, mlflow, "register", "--events", ALIAS_SET, "--events", "model_version.created")
    assert (again["new"], again["webhook"]["id"]) == (False, made["webhook"]["id"])
    changed = webhook(pipeline, mlflow, "update")
    assert sorted(changed["webhook"]["events"]) == ["model_version.created", ALIAS_SET]
    tested = webhook(pipeline, mlflow, "test", "--event", "model_version.created")
    assert "test delivery" in tested["body"]
    [listed] = webhook(pipeline, mlflow, "list")
    assert (listed["posts_here"], listed["status"]) == (True, "ACTIVE")

    webhook(pipeline, mlflow, "delete", "--yes")
    assert webhook(pipeline, mlflow, "list") == []


def test_mlflow_s_own_words_are_passed_on(pipeline: Pipeline, mlflow: Served) -> None:
    """What MLflow refuses is told as it says it, without the secret."""
    where = ("--mlflow-uri", mlflow.url, "--url", "ftp://example.com")
    done = pipeline.cli("webhook", "register", *where)
    assert done.returncode == 1
    assert "MLflow refused (400)" in done.stderr
    assert pipeline.ready["webhook_secrets"]["mlflow"] not in done.stderr
