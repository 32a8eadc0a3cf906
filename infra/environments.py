"""Several deployments from one checkout: `-c environment=staging` chooses one of `environments`.

What an environment says lies over `account_setings` and `relay`, key by key; a list takes a list's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra import STACK, fields
from infra.context import (
    ACCOUNT_ALIAS,
    ACCOUNT_KEY,
    ENVIRONMENT_KEY,
    ENVIRONMENTS_KEY,
    SETTINGS,
    Strict,
    decode,
    parse,
)
from infra.mistakes import SettingsError


class Environment(Strict):
    """Which deployment a stack is, and where it belongs.

    Attributes:
        name: Of the environment; empty where there is only one.
        account: The AWS account that it may be deployed to, and no other; any, if none is named.
        region: The same for the region.
    """

    name: fields.EnvironmentName = ""
    account: fields.AccountId | None = None
    region: fields.Region | None = None

    @property
    def stack(self) -> str:
        """The stack's name."""
        return stack_name(self.name)


def stack_name(environment: str) -> str:
    """Give the name of an environment's stack: names in an account differ, so environments can share one."""
    return f"{STACK}-{environment}" if environment else STACK


def overlaid(context: Mapping[str, Any]) -> tuple[Environment, dict[str, Any]]:
    """Choose the environment, and lay what it says over the rest.

    Raises:
        SettingsError: It is named and not described, or the other way round.
    """
    described = decode(ENVIRONMENTS_KEY, context.get(ENVIRONMENTS_KEY))
    name = context.get(ENVIRONMENT_KEY) or ""
    if not isinstance(described, Mapping) or not isinstance(name, str):
        raise SettingsError(f"{ENVIRONMENTS_KEY} should be an object, and {ENVIRONMENT_KEY} one of its keys.")
    if not name:
        return Environment(), dict(context)
    if name not in described:
        hint = fields.did_you_mean(name, described)
        known = ", ".join(described) or "none"
        raise SettingsError(f"{ENVIRONMENT_KEY} '{name}' is not in {ENVIRONMENTS_KEY}{hint}; known: {known}.")
    return _chosen(name, described[name], context)


def _chosen(name: str, described: Any, context: Mapping[str, Any]) -> tuple[Environment, dict[str, Any]]:
    key = f"{ENVIRONMENTS_KEY}.{name}"
    if not isinstance(described, Mapping):
        raise SettingsError(f"{key} should be an object, like {{…}}, but is a {type(described).__name__}.")
    ours = {part: value for part, value in described.items() if part not in SETTINGS}
    environment = parse(Environment, key, {"name": name, **ours})
    over = {part: decode(f"{key}.{part}", value) for part, value in described.items() if part in SETTINGS}
    for spelling in (ACCOUNT_KEY, ACCOUNT_ALIAS):
        if spelling in over:
            over[_account_key(context)] = over.pop(spelling)
    whole = {part: laid_over(decode(part, context.get(part)), value) for part, value in over.items()}
    return environment, {**context, **whole}


def _account_key(context: Mapping[str, Any]) -> str:
    return ACCOUNT_ALIAS if context.get(ACCOUNT_ALIAS) is not None else ACCOUNT_KEY


def laid_over(below: Any, above: Any) -> Any:
    """Lay one value over another: objects key by key, everything else as a whole."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}
