"""Fixtures: the embedded AWS, whose DynamoDB the simulated one is compared with."""

from collections.abc import Iterator

import pytest

from modelrelay.local.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running embedded AWS."""
    started = Emulator(tmp_path_factory.mktemp("emulator"))
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()
