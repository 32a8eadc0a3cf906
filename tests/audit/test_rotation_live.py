"""Rotations that take their real minutes, on a pipeline whose GitHub really ends a credential.

The webhook secret's promise of five minutes is waited for, twice; GitHub's token and an App's key are revoked
while deliveries flow.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from modelrelay.local.github import App, GitHub, GitHubServer, Workflow
from tests.pipeline.conftest import Pipeline, eventually, start, stop, transition, wait_until_ready
from tests.pipeline.rotation_sender import SteadySender, status
from tests.pipeline.test_rotation import renew, rotated

PROMISED_SECONDS = 300.0
OWNER, REPOSITORY, WORKFLOW = "your-organisation", "your-repository", "deploy-model.yml"
FIRST_TOKEN, SECOND_TOKEN = "made-up-token", "github_pat_second_made_up_token"
CLIENT_ID, INSTALLATION_ID = "Iv23liSimulatedClient", 41
MODELS = 3


@dataclass(frozen=True)
class Key:
    """A key pair of an App, in PEM form."""

    private: str
    public: str


def make_key() -> Key:
    """Make a new pair."""
    key = rsa.generate_private_key(65_537, 2_048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Key(private.decode(), public.decode())


@dataclass
class Site:
    """The pipeline, and the GitHub that it calls, of which credentials can be ended."""

    pipeline: Pipeline
    github: GitHub
    app: App

    def accept_tokens(self, *tokens: str) -> None:
        """Let these personal tokens be good, and no others."""
        self.github._tokens = frozenset(tokens)

    def end_app_key(self, public: str) -> None:
        """Let the App have another key, and end what was minted with the old one."""
        assert self.github._installation is not None
        self.github._installation.app.public_key = public
        self.github._installation._minted.clear()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A pipeline of its own, before a GitHub in this process."""
    app = App(CLIENT_ID, INSTALLATION_ID, make_key().public)
    workflow = Workflow(OWNER, REPOSITORY, 1001, WORKFLOW, "Deploy model")
    github = GitHub([workflow], tokens=[FIRST_TOKEN], app=app)
    ready_file = tmp_path_factory.mktemp("rotation") / "ready.json"
    with GitHubServer(github) as server:
        process = start(ready_file, "--github-api-url", server.url)
        try:
            yield Site(Pipeline(wait_until_ready(process, ready_file), process.pid), github, app)
        finally:
            stop(process)


def send(site: Site, model: str, version: int) -> list[str]:
    """Send a version of each of several models, and give the deliveries."""
    return [site.pipeline.send(f"{model}-{number}", version) for number in range(MODELS)]


def started(site: Site, model: str, versions: list[str]) -> bool:
    """Tell whether exactly these versions were started, in their order, each once, of each model."""
    return all(
        [run["inputs"]["model_version"] for run in site.pipeline.runs(f"{model}-{number}")] == versions
        for number in range(MODELS)
    )


def explained(site: Site, delivery: str) -> bool:
    """Tell whether an operator is told that a delivery waits for the credential."""
    page = " ".join(site.pipeline.cli("deliveries", "show", delivery).stdout.split())
    return "credential-rejected" in page


def store(site: Site, *arguments: str, given: str) -> None:
    """Put a credential into the GitHub secret by the operator's command, which asks GitHub about it."""
    done = site.pipeline.cli("secrets", "set-github", *arguments, given=given)
    assert done.returncode == 0, done.stderr
    assert given not in done.stdout + done.stderr


def app_secret(key: Key) -> str:
    """Write an App's credential as the secret holds it."""
    return json.dumps(
        {"client_id": CLIENT_ID, "installation_id": str(INSTALLATION_ID), "private_key": key.private}
    )


@pytest.mark.timeout(600)
def test_github_token_is_revoked_while_deliveries_flow(site: Site) -> None:
    """What meets a revoked token waits and says why; with the new one each starts once, and in order."""
    model = f"model-{uuid.uuid4().hex[:12]}"
    ids = send(site, model, 1)
    eventually(lambda: site.pipeline.runs(f"{model}-0"))
    site.accept_tokens(SECOND_TOKEN)
    ids += send(site, model, 2)
    eventually(lambda: any(explained(site, each) for each in ids))
    store(site, "--token-file", "-", given=SECOND_TOKEN)
    ids += send(site, model, 3)
    eventually(lambda: started(site, model, ["1", "2", "3"]), 240)
    assert {site.pipeline.entry(each)["state"] for each in ids} == {"dispatched"}
    assert site.pipeline.dead_letters() == []


@pytest.mark.timeout(600)
def test_key_of_an_app_is_replaced_while_deliveries_flow(site: Site) -> None:
    """The same for a GitHub App: from a token to the App, and from its key to the next one."""
    model = f"model-{uuid.uuid4().hex[:12]}"
    first, second = make_key(), make_key()
    site.end_app_key(first.public)
    store(site, "--app-file", "-", given=app_secret(first))
    renew(site.pipeline, "Dispatch")
    ids = send(site, model, 1)
    eventually(lambda: started(site, model, ["1"]), 120)
    assert {run["actor"] for run in site.pipeline.runs(f"{model}-0")} == {"model-relay[bot]"}
    site.end_app_key(second.public)
    ids += send(site, model, 2)
    eventually(lambda: any(explained(site, each) for each in ids))
    store(site, "--app-file", "-", given=app_secret(second))
    eventually(lambda: started(site, model, ["1", "2"]), 240)
    assert {site.pipeline.entry(each)["state"] for each in ids} == {"dispatched"}
    assert site.pipeline.dead_letters() == []


@pytest.mark.timeout(1200)
def test_webhook_secret_is_in_force_within_five_minutes(site: Site) -> None:
    """A sender that follows five minutes later is refused at no moment; then the oldest value is refused."""
    pipeline, model = site.pipeline, f"model-{uuid.uuid4().hex[:12]}"
    first = pipeline.secret
    with SteadySender(pipeline, first, model) as sender:
        sender.more()
        second = rotated(pipeline)
        time.sleep(PROMISED_SECONDS)
        sender.secret = second
        sender.more()
        third = rotated(pipeline)
        time.sleep(PROMISED_SECONDS)
        oldest = [status(pipeline, first, transition(model, 1)) for _ in range(20)]
        sender.secret = third
        sender.more()
    assert oldest == [401] * 20
    assert sender.statuses.keys() == {(first, 200), (second, 200), (third, 200)}
