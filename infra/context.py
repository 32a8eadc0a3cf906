"""CDK context: the keys that are ours, and how their values are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from infra import fields
from infra.mistakes import SettingsError, describe

ACCOUNT_KEY: Final = "account_setings"
ACCOUNT_ALIAS: Final = "account_settings"
RELAY_KEY: Final = "relay"
ENVIRONMENT_KEY: Final = "environment"
ENVIRONMENTS_KEY: Final = "environments"

SETTINGS: Final = (ACCOUNT_KEY, ACCOUNT_ALIAS, RELAY_KEY)
"""What an environment may say otherwise."""

_OURS: Final = (*SETTINGS, ENVIRONMENT_KEY, ENVIRONMENTS_KEY)

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """A part of the settings: no value is bent until it fits, and no unknown key is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def parse(model: type[Model], key: str, value: Any) -> Model:
    """Read a value by its model.

    Args:
        model: What the value should be.
        key: Where it stands, for messages.
        value: An object, or a string of JSON.

    Raises:
        SettingsError: A line for each mistake.
    """
    value = decode(key, value)
    if not isinstance(value, Mapping):
        raise SettingsError(f"{key} should be an object, like {{…}}, but is a {type(value).__name__}.")
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise SettingsError(describe(error, model, key)) from None


def decode(key: str, value: Any) -> Any:
    """Give an object as it is, nothing as an empty one, and a string as the JSON that it holds.

    Raises:
        SettingsError: It isn't JSON.
    """
    if value is None:
        return {}
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise SettingsError(
            f'{key} is not JSON ({error}). On the command line: -c {key}=\'{{"…": "…"}}\''
        ) from None


def refuse_stray_keys(context: Mapping[str, Any]) -> None:
    """Refuse keys that are meant for us and would be passed over; CDK itself takes any.

    Raises:
        SettingsError: One of them is there.
    """
    for key in context:
        if key not in _OURS and (hint := fields.did_you_mean(key, _OURS, closeness=0.8)):
            raise SettingsError(f"{key} is not a known key{hint}; known: {', '.join(_OURS)}.")
        root, dot, rest = key.partition(".")
        if dot and root in SETTINGS:
            raise SettingsError(
                f"{key} is not read: give '{rest}' inside {root}, as -c {root}='{{…}}' or in cdk.json."
            )
