"""Nothing sensitive is shown or kept: marks are sent in every field, and looked for everywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pipeline import canaries_places as places
from tests.pipeline.canaries_marks import Marks
from tests.pipeline.canaries_sweep import Sweep, sweep
from tests.pipeline.canaries_table import not_allowed, not_needed
from tests.pipeline.conftest import Pipeline


@pytest.fixture(scope="module")
def swept(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """What was sent, and what of it was seen where."""
    with pytest.MonkeyPatch.context() as patch:
        yield sweep(pipeline, patch, tmp_path_factory.mktemp("canaries"))


def test_nothing_is_seen_where_it_is_not_allowed(swept: Sweep) -> None:
    """Prose, tags, addresses, tokens, proofs and secrets are nowhere but where the table allows them."""
    assert not_allowed(swept.seen) == []


def test_what_is_allowed_is_really_seen(swept: Sweep) -> None:
    """Each allowance is needed: the search does find what is there, in each of these places."""
    assert not_needed(swept.seen) == []
    assert len(swept.marks.places) > 1_000


def test_queue_holds_the_event_with_its_tags_and_nothing_else(swept: Sweep) -> None:
    """A message has the event's names, stages, times and tags: each is listed here."""
    found = {model: _body(swept.pipeline, model) for model in swept.models.values()}
    for sender, model in swept.models.items():
        expected = _EXPECTED[sender](swept.payloads[model])
        event = found[model].pop("event")
        assert {name: event[name] for name in event if name not in {"fact", "occurred_at"}} == expected
        assert found[model].keys() == {"format", "id", "route", "accepted_at"}


def test_files_that_are_deployed_hold_no_secret(swept: Sweep) -> None:
    """Neither the bundles nor the template that were uploaded hold a secret or anything that was sent."""
    held = {
        where: found for where, text in places.bundles(swept.pipeline) if (found := _secrets(swept, text))
    }
    assert held == {}


@pytest.mark.parametrize(
    "hide",
    [
        lambda code: code,
        lambda code: f"x{code}y".upper(),
        lambda code: base64.b64encode(f"me:{code}".encode()).decode(),
        lambda code: base64.urlsafe_b64encode(f"a longer name:{code} and more".encode()).decode(),
        lambda code: f"some words and {code}".encode().hex(),
        lambda code: json.dumps({"a": [f'<"{code}">']}),
    ],
)
def test_mark_is_found_in_every_disguise(hide: Any) -> None:
    """A mark that was encoded on its way is found as well, and an unknown one is none of ours."""
    marks = Marks(secrets={"a secret": "s3cret"})
    assert marks.found_in(hide(marks.code("here"))) == {"here"}
    assert marks.found_in(hide("ca7a00000000dead")) == set()
    assert marks.found_in("its s3cret is out") == {"a secret"}


def _secrets(swept: Sweep, text: str) -> set[str]:
    return {name for name, value in swept.marks.secrets.items() if value in text}


def _body(pipeline: Pipeline, model: str) -> Any:
    bodies = [message["Body"] for queue, message in places.messages(pipeline) if queue == "dead letter"]
    (body,) = [body for body in bodies if model in body]
    return json.loads(body)


_EXPECTED: Any = {
    "databricks": lambda sent: {
        "source": "databricks",
        "kind": "model_version.stage_transitioned",
        "name": "MODEL_VERSION_TRANSITIONED_STAGE",
        "model_name": sent["model_name"],
        "version": "1",
        "from_stage": "Staging",
        "to_stage": "Production",
        "tags": {tag["key"]: tag["value"] for tag in sent["tags"]},
    },
    "mlflow": lambda sent: {
        "source": "mlflow",
        "kind": "model_version.alias_set",
        "name": "model_version_alias.created",
        "model_name": sent["data"]["name"],
        "version": "1",
        "alias": "champion",
        "tags": sent["data"]["tags"],
    },
    "databricks-jobs": lambda sent: {
        "source": "databricks-jobs",
        "kind": "job.failed",
        "name": "jobs.on_failure",
        "workspace_id": "7",
        "job_id": "11",
        "job_name": sent["job"]["name"],
        "run_id": str(sent["run"]["run_id"]),
    },
    "events": lambda sent: {
        "source": "events",
        "kind": "model_version.alias_set",
        "name": "model_version.alias_set",
        "model_name": sent["data"]["model_name"],
        "version": "1",
        "alias": "champion",
        "tags": sent["data"]["tags"],
    },
}
"""What of a payload is on the queue, apart from when it happened and the digest of the fact."""
