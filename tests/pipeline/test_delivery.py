"""A webhook in, a workflow run out: through the deployed stack, with GitHub well and unwell."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.pipeline.conftest import Pipeline, eventually, transition


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


def test_a_webhook_becomes_a_run(pipeline: Pipeline, model: str) -> None:
    """A signed stage transition starts the workflow with exactly the two inputs, on the default branch."""
    delivery = pipeline.send(model, 8)
    (run,) = eventually(lambda: pipeline.runs(model))
    assert run["request"] == {"ref": "main", "inputs": {"model_name": model, "model_version": "8"}}
    (line,) = eventually(lambda: pipeline.attempts(delivery))
    assert (line["outcome"], line["run_id"], line["run_url"]) == ("Dispatched", run["id"], run["html_url"])


def test_a_fact_told_twice_starts_one_run(pipeline: Pipeline, model: str) -> None:
    """Two webhooks that report one act have one delivery id and start one run."""
    first = pipeline.send(model, 8)
    again = pipeline.send(model, 8, event="MODEL_VERSION_TRANSITIONED_TO_PRODUCTION", webhook_id="another")
    pipeline.send(model, 9)
    eventually(lambda: len(pipeline.runs(model)) == 2)
    assert first == again
    assert [run["inputs"]["model_version"] for run in pipeline.runs(model)] == ["8", "9"]


def test_github_failing_twice_delays_the_run(pipeline: Pipeline, model: str) -> None:
    """After each 503 the run is looked for, twice, before the dispatch is sent again."""
    pipeline.github("POST", "faults", {"preset": "outage", "times": 2, "match": model})
    delivery = pipeline.send(model, 8)
    eventually(lambda: pipeline.runs(model), 120)
    assert [item["status"] for item in pipeline.requests(model)] == [503, 503, 200]
    lines = eventually(lambda: len(found := pipeline.attempts(delivery)) == 5 and found)
    assert [line.get("reason") for line in lines] == [
        "github-unavailable",
        "looking",
        "github-unavailable",
        "looking",
        None,
    ]
    assert [line.get("look_up") for line in lines] == [
        None,
        "LookAgain",
        "NotStarted",
        "LookAgain",
        "NotStarted",
    ]
    assert [line["attempt"] for line in lines] == [1, 1, 2, 2, 3]
    assert lines[4]["outcome"] == "Dispatched"


def test_an_accepted_dispatch_that_looked_failed_is_found(pipeline: Pipeline, model: str) -> None:
    """GitHub says 500 and has started the run all the same: it is found, and no second one is started."""
    pipeline.github("POST", "faults", {"status": 500, "accept": True, "times": 1, "match": model})
    delivery = pipeline.send(model, 8)
    line = eventually(lambda: [each for each in pipeline.attempts(delivery) if "run_id" in each], 120)[0]
    (run,) = pipeline.runs(model)
    assert (line["outcome"], line["look_up"], line["run_id"]) == ("Dispatched", "Found", run["id"])
    assert len(pipeline.requests(model)) == 1


def test_order_within_a_model_survives_a_failure(pipeline: Pipeline, model: str) -> None:
    """While a version waits, later ones of the same model wait behind it; another model does not."""
    pipeline.github("POST", "faults", {"preset": "outage", "times": 2, "match": f'"{model}"'})
    for version in range(1, 7):
        pipeline.send(model, version)
    pipeline.send(f"{model}-other", 1)
    eventually(lambda: pipeline.runs(f"{model}-other"))
    eventually(lambda: len(pipeline.runs(model)) == 6, 120)
    assert [run["inputs"]["model_version"] for run in pipeline.runs(model)] == ["1", "2", "3", "4", "5", "6"]


def test_a_refusal_is_dead_lettered_with_its_reason(pipeline: Pipeline, model: str) -> None:
    """What GitHub refuses for good goes to the dead letters at once, explained, and stops nobody else."""
    pipeline.github("POST", "faults", {"preset": "unprocessable", "times": 1, "match": f'"{model}"'})
    delivery = pipeline.send(model, 8)
    pipeline.send(f"{model}-other", 1)
    letter = eventually(lambda: pipeline.dead_letter(delivery))
    (request,) = pipeline.requests(model)
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["reason"] == "github-refused"
    assert attributes["status"] == "422"
    assert attributes["github_request_id"] == request["request_id"]
    assert attributes["detail"]
    assert json.loads(letter["Body"])["id"] == delivery
    eventually(lambda: pipeline.runs(f"{model}-other"))
    assert pipeline.runs(model) == []


def test_a_rate_limit_is_waited_out(pipeline: Pipeline, model: str) -> None:
    """A delivery that meets a rate limit comes back when GitHub said, and not before."""
    fault = {"preset": "rate-limit", "times": 1, "match": model, "headers": {"retry-after": "3"}}
    pipeline.github("POST", "faults", fault)
    delivery = pipeline.send(model, 8)
    eventually(lambda: pipeline.runs(model))
    limited, accepted = pipeline.requests(model)
    assert (limited["status"], accepted["status"]) == (403, 200)
    assert accepted["at"] - limited["at"] >= 3
    assert pipeline.attempts(delivery)[0]["reason"] == "rate-limited"


def test_a_poison_message_is_dead_lettered(pipeline: Pipeline, model: str) -> None:
    """A message that is no delivery is dead-lettered with the reason, and its group goes on."""
    pipeline.put(f"by hand {model}", model)
    letter = eventually(lambda: pipeline.dead_letter(model))
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "malformed"


def test_a_dead_letter_is_replayed_once(pipeline: Pipeline, model: str) -> None:
    """A letter that is put back starts its run once its cause is mended, and a second replay starts none."""
    pipeline.github("POST", "faults", {"preset": "unprocessable", "times": 1, "match": model})
    delivery = pipeline.send(model, 8)
    letter = eventually(lambda: pipeline.dead_letter(delivery))
    pipeline.put(letter["Body"], f"{model}-replay")
    eventually(lambda: pipeline.runs(model))
    pipeline.put(letter["Body"], f"{model}-again")
    lines = eventually(lambda: len(found := pipeline.attempts(delivery)) == 3 and found)
    assert [line["outcome"] for line in lines] == ["DeadLetter", "Dispatched", "Duplicate"]
    assert lines[2]["run_id"] == lines[1]["run_id"]
    assert len(pipeline.runs(model)) == 1


def test_the_ledger_tells_what_happened(pipeline: Pipeline, model: str) -> None:
    """The deployed table has the delivery's story: state, run, attempts, and no prose."""
    delivery = pipeline.send(model, 8)
    eventually(lambda: pipeline.attempts(delivery))
    (run,) = pipeline.runs(model)
    entry = pipeline.entry(delivery)
    assert (entry["state"], entry["run_id"], entry["attempts"]) == ("dispatched", str(run["id"]), "1")
    assert "Registered model" not in json.dumps(entry)


def test_a_test_delivery_is_answered_and_starts_nothing(pipeline: Pipeline) -> None:
    """Databricks' Test button gets a helpful 200 and no workflow."""
    before = len(pipeline.github("GET", "requests"))
    text = (
        "A test webhook trigger for registered model '' created for webhook bd8414ed622b4a7380b71bf676b04010."
    )
    reply = pipeline.post(transition("", 1, text=text))
    assert reply.status == 200
    assert "test delivery" in reply.json()["ignored"]
    assert len(pipeline.github("GET", "requests")) == before


def test_a_wrong_signature_is_refused_and_stores_nothing(pipeline: Pipeline, model: str) -> None:
    """A request signed with another secret is a 401, and its event is nowhere."""
    body = transition(model, 8)
    reply = pipeline.post(body, {**pipeline.signed(body), "X-Databricks-Signature": "0" * 64})
    assert reply.status == 401
    assert pipeline.requests(model) == []
    assert not [line for _, line in pipeline.messages() if model in line]


def test_neither_secret_nor_prose_is_logged(pipeline: Pipeline, model: str) -> None:
    """The secret, the token, the event's text, comment and tags are in no log line."""
    prose = {
        "text": "ada@example.com moved it",
        "comment": "canary-comment",
        "tags": [{"key": "k", "value": "canary-tag"}],
    }
    delivery = pipeline.send(model, 8, **prose)
    eventually(lambda: pipeline.attempts(delivery))
    logged = "\n".join(line for _, line in pipeline.messages())
    assert delivery in logged
    for canary in (pipeline.secret, "made-up-token", "ada@example.com", "canary-comment", "canary-tag"):
        assert canary not in logged
