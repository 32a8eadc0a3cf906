"""Bundles, made once for each machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from functions.core.settings import RelaySettings
from infra import bundling
from infra.settings import from_context
from tests.infra.test_settings import context

MakeBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def settings() -> RelaySettings:
    """What the functions are told."""
    return from_context(context()).functions


@pytest.fixture(scope="session")
def made(settings: RelaySettings, tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """Give a bundle's folder, made once for each machine."""

    @cache
    def make(bundle: bundling.Bundle, machine: bundling.Machine = bundling.LAMBDA) -> Path:
        folder = tmp_path_factory.mktemp("bundles") / bundle.name
        bundling.make(bundle, settings, folder, machine)
        return folder

    return make
