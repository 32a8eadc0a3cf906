"""The configuration of this checkout: what a deployment from here would be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.mistakes import SettingsError
from infra.settings import StackSettings, from_context
from modelrelay.cdk import ROOT
from modelrelay.errors import CommandError


def settings(given: Mapping[str, Any]) -> StackSettings:
    """Read the settings from `cdk.json`'s context, with what was given in its place.

    Raises:
        CommandError: They can't be used; a line for each mistake.
    """
    written = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    try:
        return from_context(written | dict(given))
    except SettingsError as error:
        raise CommandError(f"The configuration can't be used:\n{error}") from None
