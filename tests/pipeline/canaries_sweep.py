"""Sends events to every end that there is, with marks in every field, and looks for the marks everywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.operate.databricks import TOKEN, workspace
from tests.pipeline import canaries_places as places
from tests.pipeline import canaries_requests as requests
from tests.pipeline.canaries_marks import Marks
from tests.pipeline.canaries_requests import SENDERS, Sent
from tests.pipeline.conftest import Pipeline, eventually

GITHUB_TOKEN: Final = "made-up-token"
QUIET_SECONDS: Final = 8
"""How long GitHub asks for silence, so that the commands see a delivery that waits."""


@dataclass
class Sweep:
    """What was sent, and what of it was seen.

    Attributes:
        pipeline: The deployed pipeline.
        marks: What was sent and is not to be seen.
        seen: Where → what of it.
        models: The model of each dead letter, by sender.
        payloads: What was sent for them.
        ends: The delivery that came to each end.
    """

    pipeline: Pipeline
    marks: Marks
    seen: dict[str, set[str]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    payloads: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)

    def look(self, texts: Iterable[places.Text]) -> None:
        """Look for the marks in texts, and note what is seen where."""
        for where, text in texts:
            self.seen.setdefault(where, set()).update(self.marks.found_in(text))

    def post(self, sent: Sent) -> Any:
        """Send a request, check its status, and look at what was answered."""
        reply = self.pipeline.request(sent.method, sent.path, sent.body, sent.headers)
        assert reply.status == sent.status, (sent.path[:20], reply)
        self.look([("answer", f"{dict(reply.headers)} {reply.body.decode()}")])
        return reply.json()

    def accept(self, sender: str, model: str, version: int = 1, **fault: Any) -> str:
        """Send a genuine event, with GitHub's answer to it if that is no good one; give the delivery's id."""
        content = requests.payload(sender, self.marks, model, version, int(time.time() * 1000))
        self.payloads[model] = content
        if fault:
            self.pipeline.github("POST", "faults", self._fault(model, _tag_values(content), fault))
        secret = self.pipeline.ready["webhook_secrets"][sender]
        (delivery,) = self.post(requests.genuine(sender, secret, self.marks, content))["deliveries"]
        return str(delivery["id"])

    def model(self) -> str:
        """Give the name of a new model."""
        return f"model-{self.marks.code('model name')}"

    def reaches(self, state: str, *deliveries: str) -> None:
        """Wait until deliveries are in a state."""
        eventually(lambda: all(self.pipeline.state(each) == state for each in deliveries))

    def _fault(self, model: str, quoted: list[str], fault: Mapping[str, Any]) -> dict[str, Any]:
        """Make GitHub answer once in words that quote what they should not."""
        code = self.marks.code
        words = (
            f"Inputs {quoted} are wrong, ask {code('address in GitHub words')}@people.example about "
            f"ghp_{code('token in GitHub words') * 2}AbCd or {GITHUB_TOKEN} {code('GitHub words')}"
        )
        headers = {"x-note": self.marks.words("header of GitHub's"), **fault.get("headers", {})}
        body = {"message": words, "errors": [self.marks.words("rest of GitHub's answer")]}
        usual = {"match": model, "times": 1, "body": json.dumps(body)}
        return {**usual, **fault, "headers": headers}


def sweep(pipeline: Pipeline, patch: pytest.MonkeyPatch, folder: Path) -> Sweep:
    """Send everything, and look everywhere: while deliveries wait, and when all has come to its end."""
    secrets = dict(pipeline.ready["webhook_secrets"])
    secrets["databricks-jobs"] = json.loads(secrets["databricks-jobs"])["password"]
    named = {f"the webhook secret of {sender}": value for sender, value in secrets.items()}
    marks = Marks(secrets={**named, "the GitHub token": GITHUB_TOKEN, "the Databricks token": TOKEN})
    swept = Sweep(pipeline, marks)
    _refused(swept)
    _settled(swept)
    _undecided(swept)
    swept.look(places.everywhere(pipeline))
    commands = places.Commands(pipeline, patch)
    _commands(swept, commands, folder)
    _webhook_commands(swept, commands, patch)
    swept.reaches("dispatched", swept.ends["unknown"], swept.ends["waiting"])
    swept.look(places.everywhere(pipeline))
    swept.look(places.deployed(pipeline))
    return swept


def _refused(swept: Sweep) -> None:
    for sender in SENDERS:
        secret = swept.pipeline.ready["webhook_secrets"][sender]
        for sent in requests.refused(sender, secret, swept.marks, swept.model()):
            swept.post(sent)


def _settled(swept: Sweep) -> None:
    """Have events of every sender dispatched and dead-lettered, and one superseded."""
    done = [swept.accept(sender, swept.model()) for sender in SENDERS]
    swept.models = {sender: swept.model() for sender in SENDERS}
    dead = [swept.accept(sender, model, status=422) for sender, model in swept.models.items()]
    overtaken = swept.model()
    older = swept.accept("databricks", overtaken, status=422)
    swept.reaches("dead-lettered", *dead, older)
    newer = swept.accept("databricks", overtaken, 2)
    swept.reaches("dispatched", *done, newer)
    replayed = swept.pipeline.cli("dlq", "replay", "--id", older, "--yes")
    assert replayed.returncode == 0, replayed.stderr
    swept.reaches("superseded", older)
    swept.ends |= {"dispatched": done[0], "dead-lettered": dead[0], "superseded": older}


def _undecided(swept: Sweep) -> None:
    """Leave one delivery of which nobody knows what GitHub did, and one that waits for a limit's end."""
    swept.ends["unknown"] = swept.accept("databricks", swept.model(), status=500, accept=True)
    swept.reaches("unknown", swept.ends["unknown"])
    limit: dict[str, Any] = {"status": 429, "headers": {"retry-after": str(QUIET_SECONDS)}}
    swept.ends["waiting"] = swept.accept("mlflow", swept.model(), **limit)
    swept.reaches("waiting", swept.ends["waiting"])


def _commands(swept: Sweep, run: places.Commands, folder: Path) -> None:
    """Run whatever reads something and prints it, and the console's story of each end."""
    for state in ("unknown", "waiting", "superseded", "dispatched"):
        delivery = swept.ends[state]
        swept.look([("command deliveries show", run("deliveries", "show", delivery))])
        swept.look(places.console(swept.pipeline, delivery))
    letter, model = swept.ends["dead-lettered"], swept.models["databricks"]
    swept.look(places.console(swept.pipeline, letter))
    for place in ("status", "deliveries list", "dlq list"):
        swept.look(run.both(f"command {place}", *place.split()))
    for place in ("deliveries show", "dlq show"):
        swept.look(run.both(f"command {place}", *place.split(), letter))
    swept.look([("command dlq replay", run("dlq", "replay", "--model", model))])
    swept.look([("command dlq export", run("dlq", "export", str(folder / "letters"), "--model", model))])
    event = json.dumps(swept.payloads[model])
    swept.look(run.both("command route explain", "route", "explain", given=event))
    relay = json.dumps({"github": {"api_url": swept.pipeline.ready["github_api_url"]}})
    swept.look(run.both("command workflows", "workflows", "--context", f"relay={relay}"))
    refusal = run("secrets", "show-webhook", "databricks", status=1)
    swept.look([("command secrets show-webhook", refusal)])


def _webhook_commands(swept: Sweep, run: places.Commands, patch: pytest.MonkeyPatch) -> None:
    """Run the commands that give the secret to the sender, and those that look at it there."""
    url = ("--url", swept.pipeline.ready["ingest_url"])
    with workspace() as remote:
        for name, value in remote.login.items():
            patch.setenv(name, value)
        swept.look([("command webhook register", run("webhook", "register", "--json", *url))])
        swept.look(run.both("command webhook list", "webhook", "list", *url))
        swept.look([("command webhook test", run("webhook", "test", *url))])
        swept.look([("command webhook update", run("webhook", "update", *url))])
        for form in ((), ("--json",)):
            swept.look([("command doctor", run("doctor", *url, *form, status=None))])
        swept.look([("command webhook delete", run("webhook", "delete", "--yes", *url))])
        for name in remote.login:
            patch.delenv(name)


def _tag_values(content: Mapping[str, Any]) -> list[str]:
    """Give the tags' values of a payload, of whichever sender."""
    tags = content.get("tags") or (content.get("data") or {}).get("tags") or {}
    return [each["value"] for each in tags] if isinstance(tags, list) else list(tags.values())
