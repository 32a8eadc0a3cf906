"""A real MLflow sends its webhooks to the deployed stack."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from functions.ingest.mlflow import EVENTS
from tests.pipeline.conftest import Pipeline, eventually
from tests.pipeline.mlflow_server import Mlflow, Proxy, Trouble, running

ALIAS_SET = "model_version_alias.created"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    """MLflow, run once for all tests."""
    with running(tmp_path_factory.mktemp("mlflow")) as mlflow:
        yield mlflow


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


def secret(pipeline: Pipeline) -> str:
    """Give the secret that MLflow's webhooks are signed with."""
    return str(pipeline.ready["webhook_secrets"]["mlflow"])


def address(pipeline: Pipeline) -> str:
    """Give the address that MLflow's webhooks are sent to."""
    return f"{pipeline.ready['ingest_url']}/mlflow"


def webhook(pipeline: Pipeline, mlflow: Mlflow) -> AbstractContextManager[str]:
    """Have a webhook for all events, as the guide tells people to make it."""
    return mlflow.webhook(address(pipeline), secret(pipeline), EVENTS)


@contextmanager
def proxied(pipeline: Pipeline, mlflow: Mlflow, *troubles: Trouble) -> Iterator[Proxy]:
    """Have a webhook for set aliases alone, through a proxy that makes trouble."""
    proxy = Proxy(address(pipeline), list(troubles))
    with proxy.running() as url, mlflow.webhook(url, secret(pipeline), [ALIAS_SET]):
        yield proxy


def requests(pipeline: Pipeline) -> list[Any]:
    """Give ingest's log lines about MLflow's requests."""
    return [line for line in pipeline.log("Ingest") if line.get("path") == "/mlflow"]


def told(pipeline: Pipeline, name: str) -> list[Any]:
    """Give ingest's log lines about a model, or a prompt."""
    return [line for line in requests(pipeline) if line.get("model") == name]


def act(pipeline: Pipeline, mlflow: Mlflow, name: str, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Act on a model or prompt, and give what ingest logged of it.

    Each event is waited for: MLflow sends with ten threads, so that acts in quick succession change places.
    """
    for count, (call, arguments) in enumerate(calls, 1):
        mlflow(call, name=name, **arguments)
        wait_for(pipeline, name, count)
    return [
        (line["kind"], line.get("version"), line["status"], line.get("reason"))
        for line in told(pipeline, name)
    ]


def wait_for(pipeline: Pipeline, name: str, count: int) -> Any:
    """Wait until ingest was told so many things of a model or prompt, and give its log lines."""
    return eventually(lambda: len(lines := told(pipeline, name)) == count and lines)


def versions(pipeline: Pipeline, model: str) -> list[str]:
    """Give the versions that runs were started for, once nothing more is to come."""
    eventually(lambda: not pipeline.waiting())
    runs = pipeline.runs(model)
    assert all(set(run["inputs"]) == {"model_name", "model_version"} for run in runs)
    return [run["inputs"]["model_version"] for run in runs]


def test_every_event_of_mlflow_is_known(mlflow: Mlflow) -> None:
    """The sender knows the events that this MLflow has webhooks for, and no others."""
    assert mlflow("events") == sorted(EVENTS)


def test_each_alias_that_is_set_starts_a_run(pipeline: Pipeline, mlflow: Mlflow, model: str) -> None:
    """Setting an alias starts one run each time, in order; no other act on a model starts any."""
    alias = {"alias": "champion"}
    version = {"source": "s3://models/model"}
    with webhook(pipeline, mlflow):
        lines = act(
            pipeline,
            mlflow,
            model,
            ("create_registered_model", {}),
            ("create_model_version", version),
            ("set_model_version_tag", {"version": "1", "key": "checked", "value": "yes"}),
            ("set_registered_model_alias", {**alias, "version": "1"}),
            ("delete_registered_model_alias", alias),
            ("create_model_version", version),
            ("delete_model_version_tag", {"version": "1", "key": "checked"}),
            ("set_registered_model_alias", {**alias, "version": "2"}),
        )
    assert lines == [
        ("model.created", None, 200, "no-route"),
        ("model_version.created", "1", 200, "no-route"),
        ("model_version.tag_set", "1", 200, "no-route"),
        ("model_version.alias_set", "1", 202, None),
        ("model_version.alias_deleted", None, 200, "no-route"),
        ("model_version.created", "2", 200, "no-route"),
        ("model_version.tag_deleted", "1", 200, "no-route"),
        ("model_version.alias_set", "2", 202, None),
    ]
    assert versions(pipeline, model) == ["1", "2"]


def test_an_alias_that_comes_back_starts_a_run_again(pipeline: Pipeline, mlflow: Mlflow, model: str) -> None:
    """An alias that returns to an earlier version is another act: the version is deployed once more."""
    mlflow.register(model, 2)
    back_and_forth = [
        ("set_registered_model_alias", {"alias": "champion", "version": version}) for version in "121"
    ]
    with webhook(pipeline, mlflow):
        act(pipeline, mlflow, model, *back_and_forth)
    assert versions(pipeline, model) == ["1", "2", "1"]


def test_what_happens_to_a_prompt_starts_nothing(pipeline: Pipeline, mlflow: Mlflow) -> None:
    """A prompt's events are taken for what they are, and an alias of a prompt deploys no model."""
    prompt = f"prompt-{uuid.uuid4().hex[:12]}"
    with webhook(pipeline, mlflow):
        lines = act(
            pipeline,
            mlflow,
            prompt,
            ("create_prompt", {}),
            ("create_prompt_version", {"template": "Say {{what}}."}),
            ("set_prompt_alias", {"alias": "champion", "version": 1}),
        )
    assert lines == [
        ("prompt.created", None, 200, "no-route"),
        ("prompt_version.created", "1", 200, "no-route"),
        ("prompt_version.alias_set", "1", 200, "no-route"),
    ]
    assert versions(pipeline, prompt) == []


def test_a_test_of_any_event_starts_nothing(pipeline: Pipeline, mlflow: Mlflow) -> None:
    """MLflow's test of a webhook is told that it arrived, whichever event it tests, and starts no run."""
    before = len(requests(pipeline))
    with webhook(pipeline, mlflow) as identity:
        answers = [mlflow("test_webhook", webhook_id=identity, event=event) for event in EVENTS]
    assert {answer["response_status"] for answer in answers} == {200}
    assert all("test delivery" in answer["response_body"] for answer in answers)
    lines = eventually(lambda: len(found := requests(pipeline)[before:]) == len(EVENTS) and found)
    assert {line["reason"] for line in lines} == {"test-delivery"}
    assert versions(pipeline, "example_model") == []


def test_a_webhook_with_a_wrong_secret_is_refused(pipeline: Pipeline, mlflow: Mlflow, model: str) -> None:
    """All that is signed with another secret is a 401, MLflow is told so, and nothing is stored."""
    before = len(requests(pipeline))
    with mlflow.webhook(address(pipeline), "not the secret", EVENTS) as identity:
        mlflow.register(model)
        mlflow("set_registered_model_alias", name=model, alias="champion", version="1")
        answer = mlflow("test_webhook", webhook_id=identity)
        lines = eventually(lambda: len(found := requests(pipeline)[before:]) == 4 and found)
    assert answer["response_status"] == 401
    assert {(line["status"], line["reason"]) for line in lines} == {(401, "unauthorized")}
    assert versions(pipeline, model) == []
    assert told(pipeline, model) == []


def test_what_is_refused_for_now_comes_again(pipeline: Pipeline, mlflow: Mlflow, model: str) -> None:
    """MLflow sends again what got a 503, signature and all and not before it was told to: one run."""
    mlflow.register(model)
    with proxied(pipeline, mlflow, Trouble.REFUSED) as proxy:
        lines = act(
            pipeline, mlflow, model, ("set_registered_model_alias", {"alias": "champion", "version": "1"})
        )
    first, again = proxy.passages
    assert (first.delivery, first.timestamp, first.body) == (again.delivery, again.timestamp, again.body)
    assert again.at - first.at >= 1
    assert lines == [("model_version.alias_set", "1", 202, None)]
    assert versions(pipeline, model) == ["1"]


def test_what_was_stored_unbeknown_starts_one_run(pipeline: Pipeline, mlflow: Mlflow, model: str) -> None:
    """An event that was stored though MLflow got a 503 comes again as the same delivery: one run."""
    mlflow.register(model)
    with proxied(pipeline, mlflow, Trouble.ANSWER_LOST) as proxy:
        mlflow("set_registered_model_alias", name=model, alias="champion", version="1")
        first, again = wait_for(pipeline, model, 2)
    assert len({passage.delivery for passage in proxy.passages}) == 1
    assert len(proxy.passages) == 2
    assert (first["status"], again["status"]) == (202, 202)
    assert first["deliveries"] == again["deliveries"]
    assert versions(pipeline, model) == ["1"]
