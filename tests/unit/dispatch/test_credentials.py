"""The credential: which secrets hold a token, and what a person is told about those that don't."""

import pytest

from functions.core import aws as clients
from functions.core.secrets import Secret
from functions.dispatch.credentials import Credentials, NoCredential

from ..aws import Aws
from ..samples import Clock

FORM = '{"token": "…"}'


@pytest.fixture
def credentials(aws: Aws, clock: Clock) -> Credentials:
    """The credential in a secret that a test fills in."""
    return Credentials(Secret(clients.client("secretsmanager"), "github", clock, stages=("AWSCURRENT",)))


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ('{"token": "ghp_x"}', "ghp_x"),
        ('{"token": " ghp_x\\n"}', "ghp_x"),
        ('{"token": "a", "note": 1}', "a"),
        ('{"token": "ghs_' + "x" * 600 + '"}', "ghs_" + "x" * 600),
    ],
)
def test_token_is_read(aws: Aws, credentials: Credentials, value: str, token: str) -> None:
    """A token of any length is taken, without white space that was pasted along."""
    aws.keep_secret("github", value)
    assert credentials.token() == token


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "credential-missing"),
        ('{"token": ""}', "credential-missing"),
        ('{"token": " "}', "credential-missing"),
        ("ghp_x", "credential-malformed"),
        ("{", "credential-malformed"),
        ("null", "credential-malformed"),
        ('["ghp_x"]', "credential-malformed"),
        ("{}", "credential-malformed"),
        ('{"token": null}', "credential-malformed"),
        ('{"token": 5}', "credential-malformed"),
        ('{"Token": "ghp_x"}', "credential-malformed"),
        ('{"token": "ghp_ä"}', "credential-malformed"),
        ('{"token": "a\\r\\nX-Header: b"}', "credential-malformed"),
        ('{"token": "a\\u0000b"}', "credential-malformed"),
    ],
)
def test_secret_without_token_is_explained(
    aws: Aws, credentials: Credentials, value: str, reason: str
) -> None:
    """A person is told what form the secret must have, and nothing of what is in it."""
    aws.keep_secret("github", value)
    with pytest.raises(NoCredential) as caught:
        credentials.token()
    assert caught.value.reason == reason
    assert "ghp_" not in caught.value.detail
    assert "secret" in caught.value.detail


def test_secret_that_was_never_filled_is_missing(credentials: Credentials) -> None:
    """The secret as the stack makes it says how to fill it."""
    with pytest.raises(NoCredential) as caught:
        credentials.token()
    assert caught.value.reason == "credential-missing"
    assert FORM in caught.value.detail


def test_outage_of_secrets_manager_is_told_apart(aws: Aws, credentials: Credentials) -> None:
    """A secret that can't be read now needs no person."""
    aws.fail("GetSecretValue")
    with pytest.raises(NoCredential) as caught:
        credentials.token()
    assert caught.value.reason == "secret-unavailable"
    assert "ClientError" in caught.value.detail


def test_rejected_token_is_read_anew(aws: Aws, credentials: Credentials) -> None:
    """A token is kept until GitHub rejects it."""
    aws.keep_secret("github", '{"token": "old"}')
    assert credentials.token() == "old"
    aws.keep_secret("github", '{"token": "new"}')
    assert credentials.token() == "old"
    credentials.forget()
    assert credentials.token() == "new"
