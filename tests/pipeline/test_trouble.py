"""Deaths, limits and outages: through the deployed stack."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import psutil
import pytest

from tests.pipeline.conftest import Pipeline, eventually

HIDDEN_SECONDS = 70
"""Longer than a claim, and shorter than the twelve minutes for which the deployed queue hides a message."""


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def impatient_queue(pipeline: Pipeline) -> Iterator[None]:
    """Let the queue bring a dead function's message back after a minute."""
    queue = {"QueueUrl": pipeline.ready["outputs"]["QueueUrl"]}
    sqs = pipeline.client("sqs")
    before = sqs.get_queue_attributes(**queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(**queue, Attributes={"VisibilityTimeout": str(HIDDEN_SECONDS)})
    yield
    sqs.set_queue_attributes(**queue, Attributes=before)


def processes(pipeline: Pipeline, function: str) -> list[psutil.Process]:
    """Give the processes in which the embedded AWS runs a function."""
    return [
        process
        for process in psutil.Process(pipeline.pid).children(recursive=True)
        if function in process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
    ]


@pytest.mark.usefixtures("impatient_queue")
def test_a_death_between_githubs_answer_and_the_ledger_starts_nothing_twice(
    pipeline: Pipeline, model: str
) -> None:
    """The function is killed when it has the answer and has not written it down; its run is found later."""
    pipeline.github("POST", "faults", {"delay": 2.0, "times": 1, "match": model})
    delivery = pipeline.send(model, 8)
    eventually(lambda: pipeline.runs(model))
    victims = processes(pipeline, "Dispatch")
    assert victims
    for victim in victims:
        victim.suspend()
    time.sleep(3.0)  # The answer has come, and nobody has read it.
    for victim in victims:
        victim.kill()
    assert pipeline.entry(delivery)["state"] == "claimed"
    eventually(lambda: pipeline.entry(delivery)["state"] == "dispatched", 2 * HIDDEN_SECONDS)
    (run,) = pipeline.runs(model)
    entry = pipeline.entry(delivery)
    assert (entry["run_id"], entry["deaths"]) == (str(run["id"]), "1")
    assert len(pipeline.requests(model)) == 1
    assert pipeline.attempts(delivery)[-1]["look_up"] == "Found"


def test_a_rate_limit_silences_everybody(pipeline: Pipeline, model: str) -> None:
    """While GitHub asks for silence, nothing is sent for any model; then all runs start."""
    fault = {"preset": "rate-limit", "times": 1, "match": model, "headers": {"retry-after": "20"}}
    pipeline.github("POST", "faults", fault)
    before = pipeline.github("GET", "state")["violations"]
    for number in range(6):
        pipeline.send(f"{model}-{number}", 1)
    eventually(lambda: all(pipeline.runs(f"{model}-{number}") for number in range(6)), 120)
    calls = [item for item in pipeline.github("GET", "requests") if model in str(item["body"])]
    (limited,) = [item for item in calls if item["status"] == 403]
    later = [item["at"] for item in calls if item["at"] > limited["at"]]
    assert min(later) - limited["at"] >= 20
    assert pipeline.github("GET", "state")["violations"] == before


def test_an_outage_is_probed_and_then_everything_flows(pipeline: Pipeline, model: str) -> None:
    """While GitHub is down for long, few calls are made; when it is back, every model's run starts once."""
    pipeline.github("POST", "faults", {"preset": "outage", "for_seconds": 40})
    for number in range(8):
        pipeline.send(f"{model}-{number}", 1)
    eventually(lambda: all(pipeline.runs(f"{model}-{number}") for number in range(8)), 180)
    assert all(len(pipeline.runs(f"{model}-{number}")) == 1 for number in range(8))
    failed = [item for item in pipeline.github("GET", "requests") if item["fault"] == "outage"]
    assert 3 <= len(failed) <= 12
