"""Secrets: which values are in force, how long, and what happens while Secrets Manager fails."""

import pytest

from functions.core import aws as clients
from functions.core.secrets import FAILURE_SECONDS, TTL_SECONDS, Secret, SecretUnavailable

from ..aws import Aws
from ..samples import Clock

NAME = "relay/databricks"


@pytest.fixture
def secret(aws: Aws, clock: Clock) -> Secret:
    """A secret of which two values are in force."""
    aws.keep_secret(NAME, "new")
    aws.keep_secret(NAME, "old", "AWSPREVIOUS")
    return Secret(clients.client("secretsmanager"), NAME, clock)


def test_both_values_are_in_force_during_a_rotation(secret: Secret) -> None:
    """The current value comes first, and the previous one still counts."""
    assert secret.values() == ("new", "old")


def test_only_the_named_stages_count(aws: Aws, clock: Clock, secret: Secret) -> None:
    """A credential that was replaced is not used again where the caller wants the current one alone."""
    current = Secret(clients.client("secretsmanager"), NAME, clock, stages=("AWSCURRENT",))
    assert current.values() == ("new",)


def test_values_are_kept_for_some_minutes(aws: Aws, clock: Clock, secret: Secret) -> None:
    """Within the time to live nobody asks again; after it, each version is asked for once."""
    secret.values()
    clock.now += TTL_SECONDS - 1
    secret.values()
    assert len(aws.calls) == 2
    clock.now += 1
    aws.keep_secret(NAME, "newest")
    assert secret.values() == ("newest", "old")
    assert len(aws.calls) == 4


def test_caller_may_want_younger_values(aws: Aws, clock: Clock, secret: Secret) -> None:
    """With a highest age given, what was read longer ago than that is read again, and nothing sooner."""
    secret.values()
    clock.now += 29
    secret.values(max_age=30)
    assert len(aws.calls) == 2
    clock.now += 1
    aws.keep_secret(NAME, "newest")
    assert secret.values(max_age=30) == ("newest", "old")
    assert len(aws.calls) == 4


def test_values_never_get_older_than_usual(aws: Aws, clock: Clock, secret: Secret) -> None:
    """A caller can't put off the usual look."""
    secret.values()
    clock.now += TTL_SECONDS
    secret.values(max_age=10 * TTL_SECONDS)
    assert len(aws.calls) == 4


def test_outage_is_not_asked_more_often_than_wanted(aws: Aws, clock: Clock, secret: Secret) -> None:
    """While Secrets Manager fails, who wants young values asks as often as it wants them, not more."""
    secret.values()
    aws.fail("GetSecretValue")
    for _ in range(4):
        clock.now += 15
        assert secret.values(max_age=30) == ("new", "old")
    assert len(aws.calls) == 2 + 2


def test_change_is_in_force_within_five_minutes() -> None:
    """The time to live keeps the promise of the documentation."""
    assert TTL_SECONDS < 300


def test_forgotten_value_is_read_anew(aws: Aws, secret: Secret) -> None:
    """After somebody said that the value is wrong, the next use asks again."""
    secret.values()
    aws.keep_secret(NAME, "newest")
    secret.forget()
    assert secret.values() == ("newest", "old")


def test_never_filled_secret_has_no_value(aws: Aws, clock: Clock) -> None:
    """A secret without versions gives nothing, and that is remembered like a value."""
    empty = Secret(clients.client("secretsmanager"), "relay/empty", clock)
    assert empty.values() == ()
    assert empty.values() == ()
    assert len(aws.calls) == 2


@pytest.mark.parametrize("value", ["", b"binary"])
def test_empty_value_is_no_value(aws: Aws, secret: Secret, value: str | bytes) -> None:
    """An empty or a binary version is left out, so that nothing is ever checked against it."""
    aws.keep_secret(NAME, value)
    assert secret.values() == ("old",)


def test_known_values_outlast_an_outage(aws: Aws, clock: Clock, secret: Secret) -> None:
    """While Secrets Manager fails, the last values hold, and it is asked once in a time to live."""
    secret.values()
    aws.fail("GetSecretValue")
    for _ in range(5):
        clock.now += TTL_SECONDS / 2
        assert secret.values() == ("new", "old")
    assert len(aws.calls) == 2 + 2


def test_half_an_answer_changes_nothing(aws: Aws, clock: Clock, secret: Secret) -> None:
    """Values are replaced together: a failure between two versions leaves both as they were."""
    secret.values()
    aws.keep_secret(NAME, "newest")
    aws.fail("GetSecretValue", after=1)
    clock.now += TTL_SECONDS
    assert secret.values() == ("new", "old")


def test_outage_with_nothing_known_is_told(aws: Aws, clock: Clock, secret: Secret) -> None:
    """With no value at all the caller learns the kind of error, and it is tried again after some seconds."""
    aws.fail("GetSecretValue")
    with pytest.raises(SecretUnavailable, match=r"^ClientError$") as caught:
        secret.values()
    assert caught.value.__cause__ is None
    aws.mend()
    with pytest.raises(SecretUnavailable, match=r"^ClientError$"):
        secret.values()
    assert len(aws.calls) == 1
    clock.now += FAILURE_SECONDS
    assert secret.values() == ("new", "old")


def test_unreachable_service_is_an_outage(aws: Aws, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails is told like an error that was answered."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    unreachable = Secret(clients.client("secretsmanager"), NAME, clock)
    with pytest.raises(SecretUnavailable, match="EndpointConnectionError"):
        unreachable.values()
