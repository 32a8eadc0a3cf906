"""Several deployments from one checkout, told apart by name, account and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.environments import laid_over
from infra.settings import from_context
from tests.infra.conftest import synthesise
from tests.infra.test_settings import ACCOUNT, context, mistake

ENVIRONMENTS = {
    "staging": {"relay": {"max_age_hours": 2, "github": {"max_per_hour": 50}}},
    "prod": {
        "account": "111122223333",
        "region": "eu-central-1",
        "account_setings": {"default_branch": "release"},
        "relay": {"termination_protection": True},
    },
}


def given(environment: str, relay: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Give the context with the environments, and one chosen."""
    return {**context(relay or {}), "environments": ENVIRONMENTS, "environment": environment, **more}


def test_without_an_environment_nothing_changes() -> None:
    """Who names no environment has the stack's plain name, and none of what environments say."""
    settings = from_context({**context({}), "environments": ENVIRONMENTS})
    assert settings == from_context(context({}))
    assert settings.environment.stack == "ModelRelay"


def test_an_environment_lies_over_the_rest() -> None:
    """It changes what it names, to the depth of single keys, and keeps the rest."""
    settings = from_context(given("staging", {"github": {"max_per_minute": 7, "max_per_hour": 9}}))
    assert settings.environment.stack == "ModelRelay-staging"
    assert settings.functions.max_age_hours == 2
    assert (settings.functions.github.max_per_minute, settings.functions.github.max_per_hour) == (7, 50)


def test_an_environment_has_its_account_and_its_branch() -> None:
    """It names the account and region that it belongs to, and its own part of `account_setings`."""
    settings = from_context(given("prod"))
    assert (settings.environment.account, settings.environment.region) == ("111122223333", "eu-central-1")
    target = settings.functions.routes[0].target
    assert (target.ref, target.owner) == ("release", "octo-org")
    assert settings.relay.termination_protection


@pytest.mark.parametrize("base", ["account_setings", "account_settings"])
@pytest.mark.parametrize("over", ["account_setings", "account_settings"])
def test_either_spelling_lies_over_either(base: str, over: str) -> None:
    """The two spellings of the account's key are one key here, too."""
    described = {"prod": {over: {"default_branch": "release"}}}
    settings = from_context({base: ACCOUNT, "environments": described, "environment": "prod"})
    assert settings.functions.routes[0].target.ref == "release"


def test_environments_given_as_text_are_read() -> None:
    """On the command line they are JSON, like every other key."""
    told = from_context(
        {**context({}), "environments": '{"a": {"relay": "{\\"max_age_hours\\": 3}"}}', "environment": "a"}
    )
    assert told.functions.max_age_hours == 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (given("stagin"), "environment 'stagin' is not in environments (did you mean 'staging'?)"),
        ({**context({}), "environment": "dev"}, "environment 'dev' is not in environments; known: none."),
        (given("a", environments={"a": 1}), "environments.a should be an object"),
        (given("a", environments=[]), "environments should be an object"),
        (
            given("A B", environments={"A B": {}}),
            "environments.A B.name should be 1 to 30 lower-case letters",
        ),
        (given("a", environments={"a": {"rely": {}}}), "environments.a.rely is not a known key"),
        (
            given("a", environments={"a": {"account": "12"}}),
            "environments.a.account should be an AWS account",
        ),
        (given("a", environments={"a": {"relay": {"x": 1}}}), "relay.x is not a known key"),
        ({**context({}), "enviroment": "dev"}, "enviroment is not a known key (did you mean 'environment'?)"),
    ],
)
def test_a_mistake_is_named(wrong: Mapping[str, Any], told: str) -> None:
    """A wrong environment is refused with a message that says what would be right."""
    assert told in mistake(wrong)


def test_two_environments_share_an_account() -> None:
    """Nothing that has a name of its own has the same name in both."""
    names = []
    for environment in ("staging", "prod"):
        template = synthesise({}, environment=environment, environments={"staging": {}, "prod": {}})
        names.append(
            {
                value
                for item in template["Resources"].values()
                for key, value in item.get("Properties", {}).items()
                if key.endswith("Name") and isinstance(value, str) and item["Type"] not in _NOT_NAMES
            }
        )
    assert all(names)
    assert names[0] & names[1] == set()


_NOT_NAMES = {"AWS::CloudWatch::Alarm", "AWS::ApiGatewayV2::Stage", "AWS::IAM::Policy"}
"""Resources whose properties that end in `Name` name something else: a metric, or a part of one other."""


def test_a_list_takes_the_place_of_a_list() -> None:
    """Objects are laid over key by key, everything else as a whole."""
    assert laid_over({"a": [1], "b": {"c": 1, "d": 2}}, {"a": [2, 3], "b": {"d": 3}}) == {
        "a": [2, 3],
        "b": {"c": 1, "d": 3},
    }
