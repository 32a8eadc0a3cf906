"""A webhook secret is rotated while webhooks come in: none is refused, and the oldest value ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.pipeline.conftest import Pipeline, eventually, transition
from tests.pipeline.rotation_sender import SteadySender, status


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def webhook_secret(pipeline: Pipeline) -> Iterator[str]:
    """The secret that is in force; it is put back, because other tests sign with it."""
    yield pipeline.secret
    put(pipeline, "DatabricksSecretName", pipeline.secret)
    renew(pipeline, "Ingest")
    assert status(pipeline, pipeline.secret, b"{}") == 400


def put(pipeline: Pipeline, output: str, value: str) -> None:
    """Make a value the current one, as Secrets Manager's own rotation does."""
    manager = pipeline.client("secretsmanager")
    manager.put_secret_value(SecretId=pipeline.ready["outputs"][output], SecretString=value)


def current(pipeline: Pipeline, output: str) -> str:
    """Give a secret's current value."""
    manager = pipeline.client("secretsmanager")
    return str(manager.get_secret_value(SecretId=pipeline.ready["outputs"][output])["SecretString"])


def rotated(pipeline: Pipeline) -> str:
    """Rotate Databricks' webhook secret by the operator's command, and give its new value."""
    done = pipeline.cli("secrets", "rotate-webhook", "databricks", "--yes", "--force")
    assert done.returncode == 0, done.stderr
    value = current(pipeline, "DatabricksSecretName")
    assert value not in done.stdout + done.stderr
    return value


def renew(pipeline: Pipeline, function: str) -> None:
    """Have a function's environments replaced, as each deployment does: the next ones know nothing yet."""
    functions = pipeline.client("lambda")
    (found,) = [each for each in functions.list_functions()["Functions"] if function in each["FunctionName"]]
    name = found["FunctionName"]
    functions.update_function_configuration(FunctionName=name, Timeout=found["Timeout"])
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def test_webhook_secret_is_rotated_without_a_gap(pipeline: Pipeline, webhook_secret: str, model: str) -> None:
    """A sender that follows late is refused at no moment, by old environments and by new ones.

    What four minutes do to an environment, its replacement does here; the minutes themselves are passed in
    virtual time in `tests/unit/ingest/test_ingest.py`, and really in `tests/audit/test_rotation_live.py`.
    """
    first = webhook_secret
    with SteadySender(pipeline, first, model) as sender:
        sender.more()
        second = rotated(pipeline)
        sender.more()  # the environment knows the first value alone
        sender.between_two(lambda: renew(pipeline, "Ingest"))
        sender.more()  # it knows both
        sender.secret = second
        sender.more()
        third = rotated(pipeline)
        sender.more()
        sender.between_two(lambda: renew(pipeline, "Ingest"))
        sender.more()  # the second is the previous one now
        oldest = status(pipeline, first, transition(model, 1))
        sender.secret = third
        sender.more()
    assert oldest == 401
    assert not [line for _, line in pipeline.messages() if second in line or third in line]
    assert sender.statuses.keys() == {(first, 200), (second, 200), (third, 200)}
    assert status(pipeline, third, transition(model, 4)) == 202
    eventually(lambda: [run["inputs"]["model_version"] for run in pipeline.runs(model)] == ["4"])
