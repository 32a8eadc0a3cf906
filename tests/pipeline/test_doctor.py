"""The deployed stack is checked by `doctor`, and registered with a workspace that really sends."""

from __future__ import annotations

import json
from typing import Any

from tests.operate.databricks import TOKEN, workspace
from tests.pipeline.conftest import Pipeline


def doctor(pipeline: Pipeline, **variables: str) -> dict[str, Any]:
    """Give what each check found, by its name; of several things the last."""
    done = pipeline.cli("doctor", "--json", "--url", pipeline.ready["ingest_url"], **variables)
    told = json.loads(done.stdout)
    for secret in (*pipeline.ready["webhook_secrets"].values(), "made-up-token", TOKEN):
        assert secret not in done.stdout + done.stderr
    return {each["check"]: each for each in told["checks"]}


def test_the_whole_chain_is_in_order(pipeline: Pipeline) -> None:
    """Every link of the deployed chain is checked by its own deployed configuration, and none is broken.

    Other tests leave dead letters and close the gate, so these are only looked at.
    """
    found = doctor(pipeline)
    fine = {name for name, each in found.items() if each["verdict"] == "ok"}
    assert fine >= {
        "aws",
        "stack",
        "configuration",
        "webhook-secrets",
        "github-secret",
        "clock",
        "github-credential",
        "repositories",
        "workflows",
        "ingest",
    }
    assert found["configuration"]["says"].startswith("the deployed one")
    assert {"gate", "alarms", "dead-letters"} <= found.keys()


def test_databricks_is_given_address_and_secret(pipeline: Pipeline) -> None:
    """A webhook that is registered from the stack is signed with its secret, and ingest takes its test."""
    with workspace() as remote:
        url = ("--url", pipeline.ready["ingest_url"])
        assert doctor(pipeline, **remote.login)["databricks-webhook"]["verdict"] == "problem"
        made = pipeline.cli("webhook", "register", "--json", *url, **remote.login)
        assert json.loads(made.stdout)["new"], made.stderr
        tested = pipeline.cli("webhook", "test", *url, **remote.login)
        assert "✓ ingest answered 200" in tested.stdout, tested.stderr
        assert "test delivery" in tested.stdout
        assert doctor(pipeline, **remote.login)["databricks-webhook"]["verdict"] == "ok"
        gone = pipeline.cli("webhook", "delete", "--yes", *url, **remote.login)
        assert (gone.returncode, remote.webhooks) == (0, [])


def test_workflows_are_read_with_the_stack_s_secret(pipeline: Pipeline) -> None:
    """The ids that a configuration needs are listed without a token of one's own."""
    relay = json.dumps({"github": {"api_url": pipeline.ready["github_api_url"]}})
    done = pipeline.cli("workflows", "--json", "-c", f"relay={relay}")
    found = {each["file"]: each for each in json.loads(done.stdout)["workflows"]}
    assert found["deploy-model.yml"]["routes"] == ["default"]
    assert list(found["deploy-model.yml"]["triggers"]["inputs"]) == ["model_name", "model_version"]
