"""`secrets`: what GitHub is called with, and what senders sign with, without a secret on any screen."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.ingest.senders import SENDERS
from modelrelay.cdk import ROOT
from modelrelay.errors import CommandError
from modelrelay.local.emulator import Emulator
from modelrelay.local.github import Fault
from modelrelay.operate import secrets
from modelrelay.stack import Session
from tests.operate.chain import LOGIN, PASSWORD, TOKEN, Chain, app_secret, deployed
from tests.simulator import keys

SET = ("secrets", "set-github")
FROM_STDIN = (*SET, "--token-file", "-")
ROTATE = ("secrets", "rotate-webhook")
SHOW = ("secrets", "show-webhook")


@pytest.fixture
def chain(cloud: Emulator) -> Iterator[Chain]:
    """A chain whose GitHub secret is still empty."""
    with deployed(cloud) as made:
        yield made


@pytest.fixture
def with_app(cloud: Emulator) -> Iterator[Chain]:
    """The same with an App that may start workflows."""
    with deployed(cloud, app_=keys.app()) as made:
        made.hidden.append("PRIVATE KEY")
        yield made


def is_empty(chain: Chain, output: str = "GitHubSecretName") -> bool:
    """Tell whether nothing was ever put into a secret."""
    client = chain.cloud.client("secretsmanager")
    try:
        return not client.get_secret_value(SecretId=chain.outputs[output]).get("SecretString")
    except client.exceptions.ResourceNotFoundException:
        return True


def stored(chain: Chain) -> Any:
    """Give what the GitHub secret holds."""
    return json.loads(chain.secret("GitHubSecretName"))


@pytest.mark.parametrize("given", [TOKEN, f"{TOKEN}\n", json.dumps({"token": TOKEN})])
def test_a_token_is_checked_and_stored(chain: Chain, given: str) -> None:
    """A token from standard input is stored in the secret's form, after GitHub has taken it."""
    told = chain.told(*FROM_STDIN, given=given)
    assert stored(chain) == {"token": TOKEN}
    assert told["kind"] == "token"
    assert told["permissions"] == ["the token is valid", "acme/models: the token reaches it"]


def test_people_are_told_when_it_is_in_force(chain: Chain, tmp_path: Path) -> None:
    """A person who names a file learns what was checked and when it counts."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    said = chain.run(*SET, "--token-file", str(file)).output
    assert "✓ the token is valid" in said
    assert "in force within five minutes" in said


def test_what_github_tells_of_a_classic_token_is_passed_on(chain: Chain) -> None:
    """Scopes and end of a classic token are shown."""
    told = {"x-oauth-scopes": "repo, workflow", "github-authentication-token-expiration": "2027-01-01 UTC"}
    chain.github.inject(Fault(status=200, headers=told, body="{}", match="/rate_limit"))
    lines = chain.told(*FROM_STDIN, given=TOKEN)["permissions"]
    assert lines[0] == "a classic token with the scopes repo, workflow, until 2027-01-01 UTC"


def test_a_server_without_limits_takes_a_token(chain: Chain) -> None:
    """GitHub Enterprise Server answers 404 about limits that it has not; the token is good all the same."""
    chain.github.inject(Fault(status=404, body="{}", match="/rate_limit"))
    assert chain.told(*FROM_STDIN, given=TOKEN)["checked"]


def test_an_app_is_checked_and_stored(with_app: Chain, tmp_path: Path) -> None:
    """An App is stored after a token was minted that may do what the routes need."""
    file = tmp_path / "app.json"
    file.write_text(json.dumps(app_secret()))
    told = with_app.told(*SET, "--app-file", str(file))
    assert stored(with_app)["private_key"] == keys.private_pem()
    assert told["kind"] == "app"
    assert told["permissions"] == ["acme/models: the App may have actions: write, metadata: read"]


def test_an_app_s_key_is_taken_as_github_gives_it(with_app: Chain) -> None:
    """The key file is enough, with the two numbers that are no secrets."""
    numbers = ("--client-id", keys.CLIENT_ID, "--installation-id", str(keys.INSTALLATION_ID))
    with_app.told(*SET, "--private-key-file", "-", *numbers, given=keys.private_pem())
    assert stored(with_app)["client_id"] == keys.CLIENT_ID


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (["--token-file", "-"], "", "is empty"),
        (["--token-file", "-"], "ghp_ümlaut", "characters that none has"),
        (["--token-file", "-"], "{not json", "is not a JSON object"),
        (["--app-file", "-"], '{"client_id": "Iv1"}', "lacks 'installation_id', 'private_key'"),
        (["--private-key-file", "-"], "x", "lacks 'client_id', 'installation_id'"),
        (
            ["--private-key-file", "-", "--client-id", "I", "--installation-id", "1"],
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
            "private key is not a readable key",
        ),
        (["--token-file", "-", "--app-file", "-"], "x", "Name one of"),
        (["--token-file", "-", "--client-id", "I"], "x", "go with --private-key-file"),
        (["--token-file", "/nowhere"], "", "/nowhere can't be read"),
        ([], TOKEN, "There is no terminal to ask on"),
    ],
)
def test_what_is_malformed_is_not_stored(
    chain: Chain, arguments: list[str], given: str, message: str
) -> None:
    """What dispatch could not read is refused before anybody is asked."""
    assert message in chain.refused(*SET, *arguments, given=given)
    assert is_empty(chain)


def test_bytes_that_are_no_text_are_not_stored(chain: Chain, tmp_path: Path) -> None:
    """A file of another kind is refused."""
    file = tmp_path / "token"
    file.write_bytes(b"\xff\xfe")
    assert "is not text" in chain.refused(*SET, "--token-file", str(file))
    assert is_empty(chain)


def test_a_token_that_github_rejects_is_not_stored(chain: Chain) -> None:
    """A wrong token is found now and not by the first event."""
    chain.hidden.append("github_pat_wrongAndSecret")
    message = chain.refused(*FROM_STDIN, given="github_pat_wrongAndSecret")
    assert "The credential is wrong or has expired" in message
    assert is_empty(chain)


def test_a_token_that_may_only_read_is_not_stored(chain: Chain) -> None:
    """A token of somebody who may not write starts no workflow."""
    seen = Fault(status=200, body='{"permissions": {"push": false}}', match="/repos/acme/models")
    chain.github.inject(seen)
    assert "may not write to acme/models" in chain.refused(*FROM_STDIN, given=TOKEN)
    assert is_empty(chain)


def test_an_app_without_the_permission_is_not_stored(cloud: Emulator) -> None:
    """An App that may not start workflows is found now, and it is said what it lacks."""
    with deployed(cloud, app_=keys.app(permissions={"actions": "read"})) as chain:
        message = chain.refused(*SET, "--app-file", "-", given=json.dumps(app_secret()))
        assert "The level of access for permissions requested are not granted" in message
        assert is_empty(chain)


def test_nobody_is_asked_where_nobody_shall_be(chain: Chain) -> None:
    """--no-check stores what has the right form, as where GitHub can't be reached from here."""
    told = chain.told(*FROM_STDIN, "--no-check", given="anything")
    assert (told["checked"], told["permissions"]) == (False, [])
    assert stored(chain) == {"token": "anything"}
    assert not chain.github.requests()


def on_terminal(chain: Chain, typed: bytes) -> tuple[int, str]:
    """Run `set-github` on a terminal, type something at its prompt, and give exit code and screen."""
    master, slave = pty.openpty()
    line = [sys.executable, "-m", "modelrelay", *SET, "--no-check", "--stack", chain.name]
    process = subprocess.Popen(
        line, cwd=ROOT, env=chain.cloud.environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    screen = b""
    while b"not shown" not in screen:
        screen += os.read(master, 1024)
    time.sleep(0.3)  # The prompt stands before the echo is off.
    if typed:
        os.write(master, typed)
    else:
        process.send_signal(signal.SIGINT)
    try:
        while part := os.read(master, 1024):
            screen += part
    except OSError:
        pass  # A terminal ends so on Linux.
    os.close(master)
    return process.wait(30), screen.decode()


def test_a_token_is_asked_for_and_not_shown(chain: Chain) -> None:
    """What is typed at the prompt is stored and stays off the screen."""
    code, screen = on_terminal(chain, b"github_pat_typed\n")
    assert code == 0, screen
    assert stored(chain) == {"token": "github_pat_typed"}
    assert "github_pat_typed" not in screen


def test_an_interrupted_prompt_stores_nothing(chain: Chain) -> None:
    """Ctrl-C at the prompt ends the command, without a traceback."""
    code, screen = on_terminal(chain, b"")
    assert code != 0
    assert "Traceback" not in screen
    assert is_empty(chain)


def test_rotation_keeps_the_old_value_beside_the_new(chain: Chain) -> None:
    """The new value has the same form, and the old one stays valid until the sender has the new one."""
    told = chain.told(*ROTATE, "databricks")
    value = chain.secret("DatabricksSecretName")
    assert len(value) == 48
    assert value.isalnum()
    assert value != PASSWORD
    assert chain.secret("DatabricksSecretName", "AWSPREVIOUS") == PASSWORD
    assert told["next"] == "modelrelay webhook update"


def test_people_are_told_what_comes_next(chain: Chain) -> None:
    """A person learns that the sender needs the new value, and how it gets it."""
    found = chain.run(*ROTATE, "events")
    assert chain.secret("EventsSecretName") not in found.output
    assert "show-webhook events --reveal" in found.output
    assert "The old one stays valid" in found.output


def test_a_login_keeps_its_name(chain: Chain) -> None:
    """Of a login, only the password changes."""
    chain.told(*ROTATE, "databricks-jobs")
    login = json.loads(chain.secret("DatabricksJobsSecretName"))
    assert login["username"] == "databricks"
    assert login["password"] != PASSWORD
    assert len(login["password"]) == 48


@pytest.mark.parametrize("name", SENDERS)
def test_every_new_value_is_one_that_ingest_takes(name: str) -> None:
    """A value is made so that the sender's own code can use it, also where there was none before."""
    assert secrets.is_usable(SENDERS[name], secrets.renewed(SENDERS[name], ""))


def test_rotating_twice_is_refused(chain: Chain) -> None:
    """Another rotation within the hour would end the value that the sender still uses."""
    chain.told(*ROTATE, "mlflow")
    current = chain.secret("MlflowSecretName")
    assert "was rotated 0 minutes ago" in chain.refused(*ROTATE, "mlflow")
    assert chain.secret("MlflowSecretName") == current
    chain.told(*ROTATE, "mlflow", "--force")
    assert chain.secret("MlflowSecretName") != current


def test_rotating_again_after_an_hour_is_not_refused(
    chain: Chain, cloud: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour the sender has had its time."""
    for name, value in cloud.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    session = Session(stack=chain.name)
    chain.told(*ROTATE, "mlflow")
    with pytest.raises(CommandError):
        secrets.rotate(session, SENDERS["mlflow"], now=time.time() + 3590, force=False)
    secrets.rotate(session, SENDERS["mlflow"], now=time.time() + 3610, force=False)


@pytest.mark.parametrize("command", [ROTATE, (*SHOW, "--reveal", "--yes")])
def test_a_sender_that_is_not_there_is_said(cloud: Emulator, command: tuple[str, ...]) -> None:
    """Unknown senders and such as are not enabled are told apart."""
    with deployed(cloud, senders=["databricks"]) as chain:
        assert "not enabled in this stack" in chain.refused(*command, "mlflow")
        assert "There is no sender 'slack'" in chain.refused(*command, "slack")


def test_a_secret_is_shown_only_if_that_is_meant(chain: Chain) -> None:
    """Printing a secret takes --reveal, and --yes where it would go into a file."""
    assert "--reveal" in chain.refused(*SHOW, "databricks")
    assert "--yes" in chain.refused(*SHOW, "databricks", "--reveal")
    chain.hidden.clear()
    said = chain.run(*SHOW, "databricks", "--reveal", "--yes")
    assert said.stdout == f"{PASSWORD}\n"


def test_a_login_is_shown_in_its_parts(chain: Chain) -> None:
    """Databricks asks for a user name and a password, each in a field of its own."""
    login = json.loads(LOGIN)
    chain.hidden.clear()
    command = (*SHOW, "databricks-jobs", "--reveal", "--yes")
    assert chain.told(*command) == {"sender": "databricks-jobs", **login}
    said = chain.run(*command).stdout
    assert said == f"username: {login['username']}\npassword: {login['password']}\n"


def test_a_secret_without_use_is_not_shown(chain: Chain) -> None:
    """A value that ingest can't use is nothing to give to a sender."""
    chain.fill("DatabricksJobsSecretName", PASSWORD)
    assert "another form" in chain.refused(*SHOW, "databricks-jobs", "--reveal", "--yes")
