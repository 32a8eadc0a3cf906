"""What a repository shows of itself: whether one may write to it, its workflows, and their files."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from modelrelay.local.github import App, Settings, Workflow
from tests.simulator import keys

from .client import WORKFLOWS, Client
from .conftest import Start

FILES = "/repos/acme/models/contents/.github/workflows"
MINTING = f"/app/installations/{keys.INSTALLATION_ID}/access_tokens"
TEXT = {"type": "string"}
EVENTS = Workflow("acme", "models", 20, "on.yml", "On", has_dispatch_trigger=False, event_types=("a", "b"))
ANY_EVENT = Workflow("acme", "models", 21, "any.yml", "Any: all", event_types=None, run_name="")
WRITTEN = Workflow("acme", "models", 22, "own.yml", "Own", content="on: push # ünd")


def file(client: Client, name: str, query: str = "") -> Any:
    """Return a workflow's file as YAML understands it."""
    shown = client.send("GET", f"{FILES}/{name}{query}").json()
    return yaml.safe_load(base64.b64decode(shown["content"]))


@pytest.fixture
def many(start: Start) -> Client:
    """A client of a simulator with all kinds of workflows."""
    workflows: Sequence[Workflow] = [*WORKFLOWS, EVENTS, ANY_EVENT, WRITTEN]
    return start(Settings(), None, workflows)


def test_a_repository_says_what_one_may_do_there(client: Client) -> None:
    """Whoever may dispatch may write, and learns the default branch."""
    shown = client.send("GET", "/repos/acme/models").json()
    assert (shown["full_name"], shown["default_branch"]) == ("acme/models", "main")
    assert (shown["permissions"]["push"], shown["permissions"]["admin"]) == (True, False)


@pytest.mark.parametrize("key", ["deploy.yml", "7"])
def test_a_workflow_is_shown_by_file_and_number(client: Client, key: str) -> None:
    """A single workflow is what the listing says of it."""
    shown = client.send("GET", f"/repos/acme/models/actions/workflows/{key}").json()
    assert shown == client.send("GET", "/repos/acme/models/actions/workflows").json()["workflows"][0]


def test_a_file_has_the_triggers_that_the_workflow_has(many: Client) -> None:
    """Inputs, events and title in a file are those that the simulator goes by. YAML takes `on` for true."""
    assert file(many, "deploy.yml") == {
        "name": "Deploy",
        "run-name": "${{ inputs.delivery_id }}",
        True: {"workflow_dispatch": {"inputs": {"model": TEXT, "delivery_id": TEXT}}},
    }
    assert file(many, "push.yml")[True] == {"push": None}
    assert file(many, "on.yml")[True] == {"repository_dispatch": {"types": ["a", "b"]}}
    assert file(many, "any.yml") == {
        "name": "Any: all",
        True: {"repository_dispatch": None, "workflow_dispatch": None},
    }
    assert file(many, "own.yml") == {True: "push"}


def test_a_file_is_shown_on_each_ref(many: Client) -> None:
    """A file is on every branch or tag that the workflow knows, and on no other one."""
    assert file(many, "open.yml", "?ref=v1") == file(many, "open.yml")
    answer = many.send("GET", f"{FILES}/open.yml?ref=v2")
    assert answer.status == 404
    assert answer.json()["message"] == "No commit found for the ref v2"


@pytest.mark.parametrize("path", [f"{FILES}/none.yml", "/repos/acme/models/contents/README.md"])
def test_other_files_are_not_there(client: Client, path: str) -> None:
    """The simulator has the files of its workflows alone."""
    assert client.send("GET", path).status == 404


def test_files_need_a_permission_of_their_own(start: Start) -> None:
    """An App that may start workflows sees the repository, but reads files only where it may."""
    app: App = keys.app(permissions={"actions": "write", "contents": "read"})
    client = start(Settings(), app)
    for permissions, status in (({"actions": "write"}, 403), ({"contents": "read"}, 200)):
        headers = {"Authorization": f"Bearer {keys.signed(client.server._line.github.clock())}"}
        minted = client.send("POST", MINTING, {"permissions": permissions}, headers=headers).json()
        token = {"Authorization": f"Bearer {minted['token']}"}
        assert client.send("GET", f"{FILES}/deploy.yml", headers=token).status == status
        assert client.send("GET", "/repos/acme/models", headers=token).status == 200
