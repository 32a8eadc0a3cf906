"""`workflows`: what a repository has to start, and what the routes start of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelrelay.local.emulator import Emulator
from modelrelay.local.github import PRESETS, Fault, Workflow
from modelrelay.operate.workflows import Input, Triggers, Unreadable, triggers, workflow_of
from tests.operate.chain import ACCOUNT, TOKEN, WORKFLOWS, Chain, app_secret, deployed, token_filled
from tests.simulator import keys


@pytest.fixture
def chain(cloud: Emulator) -> Iterator[Chain]:
    """A chain whose GitHub secret holds a token that GitHub knows."""
    with deployed(cloud) as made:
        yield token_filled(made)


def context(chain: Chain, *routes: Any) -> list[str]:
    """Give this checkout's configuration: the same GitHub."""
    relay: dict[str, Any] = {"github": {"api_url": chain.github.url}}
    if routes:
        relay["routes"] = list(routes)
    return ["-c", f"relay={json.dumps(relay)}", "-c", f"account_setings={json.dumps(ACCOUNT)}"]


def listed(chain: Chain, *arguments: str, **variables: str) -> Any:
    """Give the workflows by their files, as a program is told."""
    told = chain.told("workflows", *context(chain), *arguments, **variables)
    return {each["file"]: each for each in told["workflows"]}


def test_each_workflow_has_its_id_state_and_inputs(chain: Chain) -> None:
    """A program learns of each workflow what starts it, and which route does."""
    found = listed(chain)
    assert list(found) == ["deploy.yml", "paused.yml", "on-push.yml", "promoted.yml"]
    deploy = found["deploy.yml"]
    assert (deploy["id"], deploy["name"], deploy["state"]) == (7, "Deploy", "active")
    assert list(deploy["triggers"]["inputs"]) == ["model_name", "model_version"]
    assert deploy["routes"] == ["default"]
    assert found["paused.yml"]["state"] == "disabled_manually"
    assert found["on-push.yml"]["triggers"] == {"inputs": None, "event_types": None}
    assert found["promoted.yml"]["triggers"]["event_types"] == ["promoted"]


def test_people_are_told_how_to_name_a_workflow(chain: Chain) -> None:
    """A person sees what a route can start, and what to write into the configuration."""
    said = chain.run("workflows", *context(chain)).output
    assert "● deploy.yml  Deploy  active  id 7\n    started by route default" in said
    assert "inputs: model_name, model_version" in said
    assert "a route can't start it" in said
    assert "repository_dispatch: promoted" in said
    assert '"workflow_id": "deploy.yml" or "workflow_id": "7"' in said


def test_a_route_by_number_or_event_is_known_too(chain: Chain) -> None:
    """A route marks its workflow if it names the number, or an event that the workflow listens to."""
    routes = [
        {"name": "number", "target": {"workflow_id": "7"}},
        {"name": "event", "target": {"type": "repository_dispatch", "event_type": "promoted"}},
        {"name": "elsewhere", "target": {"repository": "others"}},
    ]
    told = chain.told("workflows", *context(chain, *routes))
    assert [each["routes"] for each in told["workflows"]] == [["number"], [], [], ["event"]]


def test_all_pages_are_read(cloud: Emulator) -> None:
    """More than a hundred workflows are all listed."""
    many = [Workflow("acme", "models", number, f"w{number}.yml", "W") for number in range(1, 103)]
    with deployed(cloud, workflows=many) as chain:
        assert len(listed(token_filled(chain))) == 102


def test_a_repository_without_workflows_is_said(chain: Chain) -> None:
    """A listing that is empty is no failure."""
    chain.github.inject(Fault(status=200, body='{"workflows": []}', match="/actions/workflows"))
    assert "It has no workflows" in chain.run("workflows", *context(chain)).output


def test_files_that_are_not_shown_leave_the_list(chain: Chain) -> None:
    """A credential that may start workflows but not read files still lists them, and it is said why."""
    forbidden = PRESETS["forbidden"]
    hidden = Fault(status=403, body=forbidden.body, match="/contents/", times=0)
    chain.github.inject(hidden)
    found = listed(chain)
    assert found["deploy.yml"]["routes"] == ["default"]
    assert found["deploy.yml"]["triggers"] is None
    assert "Contents: read" in found["deploy.yml"]["unread"]
    assert "inputs unknown" in chain.run("workflows", *context(chain)).output


def test_a_file_that_is_no_workflow_leaves_the_list(cloud: Emulator) -> None:
    """A broken file is said to be one, and the others are listed."""
    broken = Workflow("acme", "models", 11, "broken.yml", "Broken", content="on: [")
    with deployed(cloud, workflows=[*WORKFLOWS, broken]) as chain:
        found = listed(token_filled(chain))
    assert found["broken.yml"]["unread"] == "The file is not YAML."
    assert found["deploy.yml"]["triggers"]


def test_a_shell_s_own_token_comes_first(chain: Chain) -> None:
    """$GITHUB_TOKEN is used in place of the stack's secret, which need not be filled."""
    chain.fill("GitHubSecretName", "{}")
    assert "credential-missing" not in chain.told("workflows", *context(chain), GITHUB_TOKEN=TOKEN)
    assert chain.told("workflows", *context(chain), GITHUB_TOKEN=TOKEN)["credential"] == "$GITHUB_TOKEN"


def test_an_app_reads_with_tokens_that_it_mints(cloud: Emulator) -> None:
    """The stack's App mints a token that may do all that the installation may."""
    app = keys.app(permissions={"actions": "write", "contents": "read"})
    with deployed(cloud, app_=app) as chain:
        chain.fill("GitHubSecretName", json.dumps(app_secret()))
        assert listed(chain)["deploy.yml"]["triggers"]["inputs"]
        assert sum("access_tokens" in each.path for each in chain.github.requests()) == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--owner", "nobody"], {}, "nobody/models can't be read with the secret"),
        ([], {"GITHUB_TOKEN": "wrong"}, "GitHub answered 401: Bad credentials"),
        ([], {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "AWS can't be reached"),
        (["--profile", "none"], {}, "The config profile (none) could not be found"),
    ],
)
def test_what_goes_wrong_is_said(
    chain: Chain, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    """Each failure is one message that names what is wrong."""
    assert message in chain.refused("workflows", *context(chain), *arguments, **variables)


def test_an_empty_secret_is_said(cloud: Emulator) -> None:
    """Without any credential, it is said what to put where."""
    with deployed(cloud) as chain:
        assert 'put {"token"' in chain.refused("workflows", *context(chain))


def test_a_stack_that_is_not_there_is_said(chain: Chain) -> None:
    """A wrong stack's name is told from a wrong GitHub."""
    chain.name = "Nowhere"
    assert "There is no stack Nowhere" in chain.refused("workflows", *context(chain))


def test_a_rate_limit_is_said(chain: Chain) -> None:
    """A limit is no wrong credential."""
    chain.github.inject(PRESETS["rate-limit"])
    assert "This is a rate limit" in chain.refused("workflows", *context(chain))


def test_a_github_that_is_silent_is_said(chain: Chain) -> None:
    """A connection that is dropped ends in a message."""
    chain.github.inject(Fault(drop="before"))
    assert "GitHub did not answer" in chain.refused("workflows", *context(chain))


NONE = Triggers()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: push", NONE),
        ("name: x", NONE),
        ("on: workflow_dispatch", Triggers(inputs={})),
        ("on: [push, workflow_dispatch]", Triggers(inputs={})),
        ('"on": {workflow_dispatch: }', Triggers(inputs={})),
        ("on:\n  workflow_dispatch:\n    inputs:\n      a:\n", Triggers(inputs={"a": Input()})),
        (
            "on: {workflow_dispatch: {inputs: {a: {required: true}, b: {required: true, default: x}}}}",
            Triggers(inputs={"a": Input(required=True), "b": Input()}),
        ),
        (
            "on: {workflow_dispatch: {inputs: {1: {type: choice, options: [x, 2]}}}}",
            Triggers(inputs={"1": Input("choice", options=("x", "2"))}),
        ),
        ("on: repository_dispatch", Triggers(event_types=())),
        ("on: {repository_dispatch: {types: promoted}}", Triggers(event_types=("promoted",))),
        ("on: {repository_dispatch: {types: [a, b]}}", Triggers(event_types=("a", "b"))),
    ],
)
def test_every_way_to_write_a_trigger_is_understood(text: str, expected: Triggers) -> None:
    """`on` may be a word, a list or a mapping, and YAML may take it for true."""
    assert triggers(text) == expected


@pytest.mark.parametrize("text", ["on: [", "just text", "- a", "", "a: &a [*a"])
def test_what_is_no_workflow_is_refused(text: str) -> None:
    """A file that holds something else is told from one without triggers."""
    with pytest.raises(Unreadable):
        triggers(text)


def test_a_workflow_of_github_s_own_has_no_file() -> None:
    """GitHub lists workflows of its own, which no route can name by a file."""
    assert not workflow_of({"id": 1, "path": "dynamic/github-code-scanning/codeql", "state": "active"}).file
