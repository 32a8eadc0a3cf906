"""The requests that dispatch sends, held against GitHub's own description."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import urllib3
from jsonschema import ValidationError

from functions.core.settings import GitHubSettings, Target
from functions.dispatch.github import GitHub
from functions.dispatch.request import DispatchRequest
from functions.dispatch.transport import Transport
from modelrelay.local import github as simulated
from modelrelay.local.github import GHES_3_17, GITHUB_COM, PRESETS, GitHubServer, Settings, Workflow
from tests.simulator import keys

from .openapi import NotDescribedError, find_operation, validate_query, validate_request

TOKEN = "github_pat_simulated"
OLD, NEW = "2022-11-28", "2026-03-10"
EDITIONS = {"github.com": GITHUB_COM, "ghes-3.17": GHES_3_17}
SPOKEN = [("github.com", OLD), ("github.com", NEW), ("ghes-3.17", OLD)]
WORKFLOW = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}"
MINTING = "/app/installations/{installation_id}/access_tokens"
REPOSITORY = "/repos/{owner}/{repo}"
OPERATIONS = {
    f"{WORKFLOW}/dispatches",
    f"{WORKFLOW}/runs",
    f"{REPOSITORY}/dispatches",
    f"{REPOSITORY}/actions/runs",
    MINTING,
}
ROOT = "/repos/acme/models/actions"
NOW = 1_790_000_000.0
INPUTS = [
    {},
    {"model_name": "churn", "model_version": "8"},
    {str(number): "ä" for number in range(10)},
    {"model_name": "x" * 60_000},
]


class Sender:
    """Sends real requests in one edition and version to a simulator of it."""

    def __init__(self, stack: ExitStack, edition: str, version: str) -> None:
        self.edition, self.version = edition, version
        self.prefix = EDITIONS[edition].prefix
        workflows = [
            Workflow("acme", "models", 7, "deploy.yml", "Deploy", refs=("main", "refs/heads/x/y")),
            Workflow("acme", "models", 8, "Überall & mehr.yml", "Odd"),
            Workflow("acme", "models", 9, "on-promoted.yml", "Promote", event_types=None),
        ]
        settings = Settings(edition=EDITIONS[edition])
        github = simulated.GitHub(
            workflows,
            tokens=[TOKEN],
            clock=lambda: NOW,
            settings=settings,
            app=keys.app(permissions={"actions": "write", "contents": "write"}),
        )
        self.server = stack.enter_context(GitHubServer(github))
        pool = urllib3.PoolManager()
        stack.callback(pool.clear)
        self.github = GitHub(GitHubSettings(self.server.url + self.prefix, version), Transport(pool))

    def send(self, inputs: dict[str, str], workflow: str = "deploy.yml", ref: str = "main") -> None:
        """Dispatch, and demand that GitHub accepts it."""
        target = Target("acme", "models", workflow, ref)
        answer = self.github.dispatch(DispatchRequest(target, inputs), TOKEN)
        assert answer.status in {200, 204}

    def judge(self) -> None:
        """Hold each request that arrived against the description."""
        for each in self.server.requests():
            assert each.path.startswith(self.prefix)
            path = each.path.removeprefix(self.prefix)
            if not path.startswith("/repositories/"):
                assert find_operation(self.version, each.method, path, self.edition)[0] in OPERATIONS
                validate_query(self.version, each.method, path, each.query, self.edition)
                if each.method == "POST":
                    validate_request(self.version, each.method, path, each.body, self.edition)


@pytest.fixture(params=SPOKEN, ids="-".join)
def sender(request: pytest.FixtureRequest) -> Iterator[Sender]:
    """A sender in each edition and version that the functions can be told to speak."""
    with ExitStack() as stack:
        yield Sender(stack, *request.param)


@pytest.mark.parametrize("inputs", INPUTS, ids=["none", "two", "ten", "large"])
def test_dispatch_is_as_described(sender: Sender, inputs: dict[str, str]) -> None:
    """Every dispatch is one that the description allows and the simulator accepts."""
    sender.send(inputs)
    sender.judge()
    assert [json.loads(json.dumps(run.inputs)) for run in sender.server.runs()] == [inputs]


@pytest.mark.parametrize("workflow", ["deploy.yml", "7", "Überall & mehr.yml"])
def test_workflow_in_any_writing_is_as_described(sender: Sender, workflow: str) -> None:
    """A workflow's number or file name, however odd, stays one segment of the path."""
    sender.send({}, workflow)
    sender.judge()
    assert len(sender.server.runs()) == 1


def test_ref_is_sent_as_it_is(sender: Sender) -> None:
    """A branch with slashes is named in the body, where nothing is escaped."""
    sender.send({}, ref="refs/heads/x/y")
    sender.judge()
    assert sender.server.runs()[0].ref == "refs/heads/x/y"


def test_request_after_a_redirect_is_the_same(sender: Sender) -> None:
    """Under the new address of a renamed repository the body is the described one again."""
    sender.server.inject(PRESETS["redirect"])
    sender.send({"model_name": "churn"})
    second, first = sender.server.requests()
    assert second.body == first.body
    sender.judge()


@pytest.mark.parametrize("workflow", ["deploy.yml", "7", "Überall & mehr.yml"])
def test_listing_is_as_described(sender: Sender, workflow: str) -> None:
    """A listing asks for what the description knows, and finds the run that was dispatched."""
    sender.send({}, workflow)
    target = Target("acme", "models", workflow, "main")
    answer = sender.github.runs(target, TOKEN, (NOW - 60, NOW))
    assert answer.content["total_count"] == 1
    sender.judge()


@pytest.mark.parametrize(
    "query",
    ["created_after=2026-09-21T14:13:20Z", "created=yesterday", "created=*..2026", "per_page=all"],
)
def test_undescribed_query_is_noticed(sender: Sender, query: str) -> None:
    """A parameter of another name or form fails, so a passing judge means something."""
    with pytest.raises((NotDescribedError, ValidationError)):
        validate_query(sender.version, "GET", f"{ROOT}/workflows/7/runs", query, sender.edition)


@pytest.mark.parametrize(
    "payload",
    [{}, {"model": {"name": "churn", "tags": ["ä", 5, None]}}, {str(number): "" for number in range(10)}],
    ids=["none", "nested", "ten"],
)
def test_event_of_a_repository_is_as_described(sender: Sender, payload: dict[str, Any]) -> None:
    """Every event is one that the description allows, and so is the listing of what it started."""
    target = Target("acme", "models", event_type="model promoted", client_payload=payload)
    assert sender.github.dispatch(DispatchRequest(target, payload), TOKEN).status == 204
    assert sender.github.runs(target, TOKEN, (NOW - 60, NOW)).content["total_count"] == 1
    sender.judge()


@pytest.mark.parametrize("event_type", ["", "promoted"])
def test_minting_is_as_described(sender: Sender, event_type: str) -> None:
    """A token is asked for as the description allows, and GitHub mints it."""
    target = Target("acme", "models", "deploy.yml", "main", event_type)
    answer = sender.github.installation_token(str(keys.INSTALLATION_ID), keys.signed(NOW), target)
    assert answer.status == 201
    sender.judge()
