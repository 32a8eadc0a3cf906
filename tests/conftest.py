"""How the tests are spread over two processes: `make test` runs the pipeline's beside all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

PIPELINE = Path(__file__).parent / "pipeline"


class Spread(LoadScopeScheduling):  # type: ignore[misc] # ships types that mypy can't follow
    """Keeps the tests of the deployed pipeline together, and those of each other file."""

    def _split_scope(self, nodeid: str) -> str:
        """Name what a test stays together with."""
        file = nodeid.partition("::")[0]
        return "pipeline" if "pipeline" in Path(file).parts else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    """Spread the tests our way."""
    return Spread(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the pipeline's: they share it, take longest, and mostly wait."""
    items.sort(key=lambda item: PIPELINE not in item.path.parents)
