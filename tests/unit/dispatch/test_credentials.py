"""The credential: which secrets lead to a token, and what a person is told about those that don't."""

import json
import subprocess
import sys
from typing import Any

import pytest

from functions.core import aws as clients
from functions.core.secrets import TTL_SECONDS, Secret
from functions.core.settings import Target
from functions.dispatch.credentials import Credentials, NoCredential, TokenRefused
from functions.dispatch.github import GitHub
from modelrelay.cdk import ROOT
from modelrelay.local.github import App
from tests.simulator import keys

from ..aws import Aws
from ..samples import Clock
from .conftest import Start
from .simulator import Simulator

FORMS = '{"token": "…"} or {"client_id": "…", "installation_id": "…", "private_key": "-----BEGIN…"}'
TARGET = Target("acme", "models", "deploy.yml", "main")


@pytest.fixture
def app() -> App:
    """The App, which a test may change."""
    return keys.app()


@pytest.fixture
def simulator(start: Start, app: App) -> Simulator:
    """A simulator of a GitHub that knows the App."""
    return start(app=app)


@pytest.fixture
def credentials(aws: Aws, github: GitHub, clock: Clock) -> Credentials:
    """The credential in a secret that a test fills in."""
    secret = Secret(clients.client("secretsmanager"), "github", clock, stages=("AWSCURRENT",))
    return Credentials(secret, github, clock)


def app_secret(**changes: Any) -> str:
    """Write the secret of the App; each key that is given replaces one, and ... leaves it out."""
    content = {
        "client_id": keys.CLIENT_ID,
        "installation_id": str(keys.INSTALLATION_ID),
        "private_key": keys.private_pem(),
        **changes,
    }
    return json.dumps({key: value for key, value in content.items() if value is not ...})


def refused(credentials: Credentials) -> NoCredential:
    """Ask for a token in vain."""
    with pytest.raises(NoCredential) as caught:
        credentials.token(TARGET)
    assert str(caught.value) == caught.value.detail
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ('{"token": "ghp_x"}', "ghp_x"),
        ('{"token": " ghp_x\\n"}', "ghp_x"),
        ('{"token": "ghp_x\n"}', "ghp_x"),
        ('\n{"token": "a", "note": 1}', "a"),
        ('{"token": "a", "client_id": "", "installation_id": null, "private_key": " "}', "a"),
        ('{"token": "ghs_' + "x" * 600 + '"}', "ghs_" + "x" * 600),
    ],
)
def test_token_is_read(aws: Aws, credentials: Credentials, value: str, token: str) -> None:
    """A token of any length is taken, without white space that was pasted along."""
    aws.keep_secret("github", value)
    assert credentials.token(TARGET) == token


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        ("", "credential-missing", f"The GitHub secret is empty: put {FORMS} into it."),
        (" \n", "credential-missing", "is empty"),
        ('{"token": ""}', "credential-missing", "'token' is empty"),
        ('{"token": " "}', "credential-missing", "'token' is empty"),
        ('{"client_id": "", "private_key": ""}', "credential-missing", "'client_id', 'private_key' is empty"),
        ("ghp_x", "credential-malformed", "is not a JSON object"),
        ("{", "credential-malformed", "is not a JSON object"),
        ("[" * 100_000, "credential-malformed", "is not a JSON object"),
        ("null", "credential-malformed", "is not a JSON object"),
        ('["ghp_x"]', "credential-malformed", "is not a JSON object"),
        ("{}", "credential-malformed", "has neither 'token' nor 'client_id', 'installation_id'"),
        ('{"token": null}', "credential-malformed", "has neither 'token' nor"),
        ('{"Token": "ghp_x"}', "credential-malformed", "has neither 'token' nor"),
        ('{"token": 5}', "credential-malformed", "'token' that is not written as text"),
        ('{"token": {"ghp_x": 1}}', "credential-malformed", "'token' that is not written as text"),
        ('{"token": "ghp_ä"}', "credential-malformed", "'token' with characters that none has"),
        ('{"token": "a\\r\\nX-Header: b"}', "credential-malformed", "'token' with characters"),
        ('{"token": "a\\u0000b"}', "credential-malformed", "'token' with characters"),
        (app_secret(token="ghp_x"), "credential-malformed", "a token and an App's keys"),
        (app_secret(client_id=...), "credential-malformed", "lacks 'client_id'."),
        (
            app_secret(client_id="", private_key=...),
            "credential-malformed",
            "lacks 'client_id', 'private_key'.",
        ),
        (app_secret(installation_id=""), "credential-malformed", "lacks 'installation_id'."),
        (app_secret(installation_id="acme"), "credential-malformed", "'installation_id' that is no number"),
        (app_secret(installation_id=-1), "credential-malformed", "'installation_id' that is no number"),
        (app_secret(installation_id=4.5), "credential-malformed", "'installation_id' that is not written as"),
        (
            app_secret(installation_id=True),
            "credential-malformed",
            "'installation_id' that is not written as",
        ),
        (app_secret(client_id="Iv\n1"), "credential-malformed", "'client_id' with characters"),
        (app_secret(private_key=5), "credential-malformed", "'private_key' that is not written as text"),
        (app_secret(private_key="ghp_x"), "credential-malformed", "'private_key' that is not a readable key"),
    ],
    ids=lambda text: text[:30],
)
def test_secret_without_token_is_explained(
    aws: Aws, credentials: Credentials, value: str, reason: str, detail: str
) -> None:
    """A person is told what is wrong and what form the secret must have, and nothing of what is in it."""
    aws.keep_secret("github", value)
    error = refused(credentials)
    assert error.reason == reason
    assert detail in error.detail
    assert error.detail.startswith("The GitHub secret")
    assert reason == "credential-missing" or FORMS in error.detail
    assert not any(secret in error.detail for secret in ("ghp_", keys.CLIENT_ID, "MII"))


def test_secret_that_was_never_filled_is_missing(credentials: Credentials) -> None:
    """The secret as the stack makes it says how to fill it."""
    error = refused(credentials)
    assert error.reason == "credential-missing"
    assert FORMS in error.detail


def test_outage_of_secrets_manager_is_told_apart(aws: Aws, credentials: Credentials) -> None:
    """A secret that can't be read now needs no person."""
    aws.fail("GetSecretValue")
    error = refused(credentials)
    assert error.reason == "secret-unavailable"
    assert "ClientError" in error.detail
    with pytest.raises(NoCredential) as caught:
        credentials.fingerprint()
    assert caught.value.reason == "secret-unavailable"


def test_rejected_token_is_read_anew(aws: Aws, credentials: Credentials) -> None:
    """A token is kept until GitHub rejects it."""
    aws.keep_secret("github", '{"token": "old"}')
    assert credentials.token(TARGET) == "old"
    aws.keep_secret("github", '{"token": "new"}')
    assert credentials.token(TARGET) == "old"
    credentials.forget(TARGET)
    assert credentials.token(TARGET) == "new"
    assert not credentials.fresh(TARGET)


def test_fingerprint_tells_contents_apart_and_not_what_they_are(aws: Aws, credentials: Credentials) -> None:
    """Each content has a fingerprint of its own, also a malformed one; an empty secret has none."""
    assert credentials.fingerprint() == ""
    found = []
    for value in ('{"token": "a"}', '{"token": "b"}', "malformed", " "):
        aws.keep_secret("github", value)
        credentials.forget(TARGET)
        found.append(credentials.fingerprint())
        assert credentials.fingerprint() == found[-1]
    assert len(set(found)) == 4
    assert found.pop() == ""
    assert all(len(each) == 16 and int(each, 16) for each in found)


def test_fingerprint_can_be_wanted_younger(aws: Aws, credentials: Credentials, clock: Clock) -> None:
    """While the credential is known to be bad, a mended secret is noticed sooner than usual."""
    aws.keep_secret("github", '{"token": "bad"}')
    bad = credentials.fingerprint()
    aws.keep_secret("github", '{"token": "good"}')
    clock.now += 30
    assert credentials.fingerprint() == bad
    assert credentials.fingerprint(max_age=30) != bad
    assert credentials.token(TARGET) == "good"
    clock.now += TTL_SECONDS
    aws.keep_secret("github", '{"token": "bad"}')
    assert credentials.fingerprint() == bad


@pytest.mark.parametrize(
    "value",
    [
        app_secret(),
        app_secret(installation_id=keys.INSTALLATION_ID),
        app_secret(token=""),
        app_secret(private_key="  \n" + keys.private_pem() + "\n"),
        app_secret(private_key=keys.private_pem().replace("\n", "\\n")),
        app_secret(private_key=keys.private_pem().replace("\n", "\r\n")),
        app_secret(private_key=keys.private_pem().replace("\n", "\\r\\n")),
        app_secret(private_key=keys.private_pem().replace("\n", " ")),
        app_secret().replace("\\n", "\n"),
    ],
    ids=[
        "plain",
        "number",
        "empty-token",
        "spaces",
        "backslash-n",
        "crlf",
        "backslash-r-n",
        "one-line",
        "raw",
    ],
)
def test_app_leads_to_an_installation_token(
    aws: Aws, credentials: Credentials, simulator: Simulator, value: str
) -> None:
    """An App's secret is read however its key was pasted, and a token minted that GitHub accepts."""
    aws.keep_secret("github", value)
    token = credentials.token(TARGET)
    assert token.startswith("ghs_")
    assert credentials.token(TARGET) == token
    assert len(simulator.seen) == 1


def test_app_is_refused_where_nothing_can_sign_for_it(aws: Aws, github: GitHub, clock: Clock) -> None:
    """A deployment for a token alone says what to change, and takes a token as ever."""
    secret = Secret(clients.client("secretsmanager"), "github", clock, stages=("AWSCURRENT",))
    credentials = Credentials(secret, github, clock, apps=False)
    aws.keep_secret("github", app_secret())
    with pytest.raises(NoCredential, match=r"relay\.github\.credential to 'any' and deploy") as caught:
        credentials.token(TARGET)
    assert caught.value.reason == "credential-malformed"
    aws.keep_secret("github", '{"token": "ghp_x"}')
    credentials.forget(TARGET)
    assert credentials.token(TARGET) == "ghp_x"


def test_changed_app_mints_anew(aws: Aws, credentials: Credentials, simulator: Simulator, app: App) -> None:
    """Tokens of an App that is no longer in the secret are not used again."""
    aws.keep_secret("github", app_secret())
    old = credentials.token(TARGET)
    app.installation_id += 1
    aws.keep_secret("github", app_secret(installation_id=app.installation_id))
    assert credentials.token(TARGET) == old
    credentials.fingerprint(max_age=0)
    assert credentials.token(TARGET) != old
    aws.keep_secret("github", '{"token": "plain"}')
    credentials.fingerprint(max_age=0)
    assert credentials.token(TARGET) == "plain"
    assert not credentials.fresh(TARGET)


def test_rejected_installation_token_is_minted_anew(
    aws: Aws, credentials: Credentials, simulator: Simulator
) -> None:
    """After a 401 the secret is read and a token minted, both anew."""
    aws.keep_secret("github", app_secret())
    token = credentials.token(TARGET)
    assert credentials.fresh(TARGET)
    credentials.forget(TARGET)
    assert not credentials.fresh(TARGET)
    assert credentials.token(TARGET) != token
    assert [name for name, _ in aws.calls] == ["GetSecretValue"] * 2


def test_refused_minting_is_passed_on(aws: Aws, credentials: Credentials, app: App) -> None:
    """What GitHub said instead of minting is for the caller to judge."""
    aws.keep_secret("github", app_secret())
    app.suspended = True
    with pytest.raises(TokenRefused) as caught:
        credentials.token(TARGET)
    assert caught.value.answer.status == 403


def test_nothing_quotes_a_secret(aws: Aws, credentials: Credentials, simulator: Simulator) -> None:
    """Neither what is kept nor what goes wrong tells a key or a token."""
    key = "-----BEGIN RSA PRIVATE KEY-----\nbm8ga2V5IGF0IGFsbA==\n-----END RSA PRIVATE KEY-----"
    aws.keep_secret("github", app_secret(private_key=key))
    error = refused(credentials)
    told = [error.detail, repr(error)]
    aws.keep_secret("github", app_secret())
    credentials.forget(TARGET)
    token = credentials.token(TARGET)
    installation = credentials._installation
    assert installation is not None
    told += [repr(installation.app), repr(installation._minted), repr(vars(credentials))]
    for secret in ("bm8ga2V5", "MII", token, keys.private_pem().split()[8]):
        assert not any(secret in each for each in told)


USE_TOKEN = """
import sys
from functions.core.settings import Target
from functions.dispatch.credentials import Credentials
class Secret:
    def values(self, max_age): return ('{"token": "x"}',)
assert Credentials(Secret(), None, None).token(Target("a", "b", "c", "d")) == "x"
"""


@pytest.mark.parametrize("code", ["import functions.dispatch.handler", USE_TOKEN], ids=["import", "token"])
def test_plain_token_pays_nothing_for_apps(code: str) -> None:
    """What signs for an App is imported with the first App, since it takes longer than all of our code."""
    check = "\nimport sys; print({'jwt', 'cryptography', '_cffi_backend'} & sys.modules.keys())"
    line = [sys.executable, "-c", code + check]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
