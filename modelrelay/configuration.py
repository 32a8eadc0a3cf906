"""The configuration of this checkout: what a deployment from here would be told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.context import ENVIRONMENT_KEY, SETTINGS
from infra.environments import overlaid
from infra.mistakes import SettingsError
from infra.settings import StackSettings, from_context
from modelrelay.cdk import ROOT
from modelrelay.errors import CommandError


def settings(given: Mapping[str, Any]) -> StackSettings:
    """Read the settings from `cdk.json`'s context, with what was given in its place.

    Raises:
        CommandError: They can't be used; a line for each mistake.
    """
    with _explained():
        return from_context(_context(given))


def chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give our keys of the context, as the chosen environment has them; none is chosen any more.

    Raises:
        CommandError: The environment can't be used.
    """
    with _explained():
        _, context = overlaid(_context(given))
    return {ENVIRONMENT_KEY: ""} | {key: context[key] for key in SETTINGS if key in context}


def _context(given: Mapping[str, Any]) -> dict[str, Any]:
    written = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return {**written, **given}


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        raise CommandError(f"The configuration can't be used:\n{error}") from None
