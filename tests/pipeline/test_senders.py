"""Every sender through the deployed pipeline: what each is known to send, and what nobody may send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook

from tests.pipeline.conftest import Pipeline, Reply, eventually, transition

FIXTURES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "webhooks.json").read_bytes()
)
PATHS = {"databricks-registry": "databricks", "databricks-jobs": "databricks-jobs", "mlflow-oss": "mlflow"}
SENDERS = ["databricks", "mlflow", "databricks-jobs", "events"]


def standard(key: bytes, number: str, stamp: str, body: bytes) -> str:
    """Sign as MLflow and Standard Webhooks do."""
    content = f"{number}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def proof(pipeline: Pipeline, sender: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """Give the headers with which a sender proves a body, now unless told otherwise."""
    secret, number = pipeline.ready["webhook_secrets"][sender], f"id-{uuid.uuid4().hex}"
    moment = time.time() if at is None else at
    if sender == "databricks":
        return {"X-Databricks-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
    if sender == "databricks-jobs":
        login = json.loads(secret)
        pair = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if sender == "mlflow":
        stamp = str(int(moment))
        return {
            "X-MLflow-Delivery-Id": number,
            "X-MLflow-Timestamp": stamp,
            "X-MLflow-Signature": standard(secret.encode(), number, stamp, body),
        }
    # The reference library is the judge of our own event.
    return {
        "webhook-id": number,
        "webhook-timestamp": str(int(moment)),
        "webhook-signature": Webhook(secret).sign(
            number, datetime.fromtimestamp(int(moment), UTC), body.decode()
        ),
    }


def post(pipeline: Pipeline, sender: str, payload: Any, **proved: Any) -> Reply:
    """Send a payload as its sender does."""
    body = json.dumps(payload).encode()
    headers = {"Content-Type": "application/json", **proof(pipeline, sender, body, **proved)}
    return pipeline.request("POST", f"/{sender}", body, headers)


def deliveries(reply: Reply) -> dict[str, str]:
    """Give the deliveries of an accepted event by route."""
    assert reply.status == 202, reply
    return {each["route"]: each["id"] for each in reply.json()["deliveries"]}


def alias(model: str, version: int, **changes: Any) -> dict[str, Any]:
    """Give the setting of an alias as MLflow tells it."""
    return {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": datetime.now(UTC).isoformat(),
        "data": {"name": model, "alias": "champion", "version": str(version)},
        **changes,
    }


@pytest.fixture
def model() -> str:
    """A model's name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:12]}"


EXPECTED = {
    "MODEL_VERSION_TRANSITIONED_STAGE": (202, "default"),
    "MODEL_VERSION_TAG_SET": (200, "No route wants this model_version.tag_set event."),
    "COMMENT_CREATED": (200, "No route wants this model_version.commented event."),
    "TEST of REGISTERED_MODEL_CREATED": (200, "This is a test delivery"),
    "jobs.on_start": (200, "No route wants this job.started event."),
    "jobs.on_start (task)": (200, "No route wants this job.started event."),
    "jobs.on_failure": (202, "jobs"),
    "jobs.on_success (task)": (200, "No route wants this job.succeeded event."),
    "jobs.on_failure ints": (202, "jobs"),
}
SAMPLE = (200, "This is MLflow's test delivery")


@pytest.mark.parametrize("fixture", FIXTURES, ids=[each["event"] for each in FIXTURES])
def test_what_a_sender_is_known_to_send_is_answered(pipeline: Pipeline, fixture: dict[str, Any]) -> None:
    """Each documented or captured payload, signed now, gets the answer that its event deserves."""
    reply = post(pipeline, PATHS[fixture["sender"]], fixture["payload"])
    status, words = EXPECTED.get(fixture["event"], SAMPLE)
    assert reply.status == status
    assert words in json.dumps(reply.json())


def test_a_failed_job_starts_its_workflow(pipeline: Pipeline) -> None:
    """A job's notification arrives as a run, with ids above 2^53 to the last digit, and only once."""
    run_id = 2**60 + uuid.uuid4().int % 2**20
    payload = {
        "event_type": "jobs.on_failure",
        "workspace_id": 1234567890,
        "run": {"run_id": run_id},
        "job": {"job_id": 281874479417551, "name": f"nightly-{run_id}"},
    }
    first, again = post(pipeline, "databricks-jobs", payload), post(pipeline, "databricks-jobs", payload)
    assert deliveries(first) == deliveries(again)
    (run,) = eventually(lambda: pipeline.runs(f"nightly-{run_id}"))
    assert run["inputs"] == {"model_name": f"nightly-{run_id}", "run_id": str(run_id)}


def test_a_repositorys_event_is_an_alternative(pipeline: Pipeline) -> None:
    """One event goes to two routes: one starts a workflow, the other sends the repository's event."""
    model = f"event-{uuid.uuid4().hex[:12]}"
    ids = deliveries(pipeline.post(transition(model, 8)))
    assert ids.keys() == {"default", "promoted"}
    runs = eventually(lambda: len(found := pipeline.runs(model)) == 2 and found)
    event = next(run for run in runs if run["event"] == "repository_dispatch")
    assert event["request"] == {
        "event_type": "promoted",
        "client_payload": {
            "model_name": model,
            "details": {"version": "8", "stages": ["None", "Production"]},
            "delivery_id": ids["promoted"],
        },
    }
    (line,) = eventually(lambda: pipeline.attempts(ids["promoted"]))
    assert (line["outcome"], line["status"], line.get("run_id")) == ("Dispatched", 204, None)


def test_a_repositorys_event_that_looked_failed_is_found(pipeline: Pipeline) -> None:
    """GitHub took the event and said 500: its run shows the delivery's id, and it is not sent again."""
    model = f"event-{uuid.uuid4().hex[:12]}"
    pipeline.github("POST", "faults", {"status": 500, "accept": True, "times": 1, "match": '"details"'})
    ids = deliveries(pipeline.post(transition(model, 8)))
    lines = eventually(lambda: [each for each in pipeline.attempts(ids["promoted"]) if "run_id" in each], 120)
    events = [run for run in pipeline.runs(model) if run["event"] == "repository_dispatch"]
    assert (len(events), lines[0]["look_up"], lines[0]["run_id"]) == (1, "Found", events[0]["id"])


def test_targets_may_be_of_other_owners(pipeline: Pipeline) -> None:
    """One event starts the workflows of two owners' repositories."""
    model = f"both-{uuid.uuid4().hex[:12]}"
    ids = deliveries(pipeline.post(transition(model, 8)))
    runs = eventually(lambda: len(found := pipeline.runs(model)) == 2 and found)
    assert ids.keys() == {"default", "second"}
    assert {run["html_url"].split("/")[3] for run in runs} == {"your-organisation", "another-organisation"}


def test_senders_of_one_model_keep_its_order(pipeline: Pipeline, model: str) -> None:
    """A model's events keep their order whoever sends them."""
    pipeline.send(model, 1)
    deliveries(post(pipeline, "mlflow", alias(model, 2)))
    own = {"model_name": model, "version": 3, "alias": "challenger"}
    now = datetime.now(UTC).isoformat()
    deliveries(post(pipeline, "events", {"type": "model_version.alias_set", "timestamp": now, "data": own}))
    runs = eventually(lambda: len(found := pipeline.runs(model)) == 3 and found)
    assert [run["inputs"]["model_version"] for run in runs] == ["1", "2", "3"]


@pytest.mark.parametrize("victim", SENDERS)
@pytest.mark.parametrize("sender", SENDERS)
def test_a_proof_is_good_for_its_own_path(pipeline: Pipeline, sender: str, victim: str) -> None:
    """The headers that prove a body on one path prove nothing on another."""
    body = transition("forged", 1)
    reply = pipeline.request("POST", f"/{victim}", body, proof(pipeline, sender, body))
    assert (reply.status == 401) is (sender != victim)


@pytest.mark.parametrize("seconds", [-400, 400])
@pytest.mark.parametrize("sender", ["mlflow", "events"])
def test_an_untimely_proof_is_refused(pipeline: Pipeline, sender: str, seconds: int) -> None:
    """A delivery that was signed minutes ago, or for later, can't be used again."""
    assert post(pipeline, sender, {}, at=time.time() + seconds).status == 401


@pytest.mark.parametrize("sender", SENDERS)
def test_a_header_that_is_sent_twice_proves_nothing(pipeline: Pipeline, sender: str) -> None:
    """Two copies of a proof reach the function as one header, joined, and are refused."""
    body = transition("doubled", 1)
    good = proof(pipeline, sender, body)
    for doubled in good:
        pairs = [*good.items(), (doubled, good[doubled])]
        assert raw_post(pipeline, f"/{sender}", body, pairs) == 401, doubled


def raw_post(pipeline: Pipeline, path: str, body: bytes, headers: list[tuple[str, str]]) -> int:
    """Post with headers as they stand, copies included, and give the status."""
    address = urlsplit(pipeline.ready["ingest_url"])
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.putrequest("POST", path)
    for name, value in [*headers, ("Content-Length", str(len(body)))]:
        connection.putheader(name, value)
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status
