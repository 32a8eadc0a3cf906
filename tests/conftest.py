"""How the tests are spread over two processes: `make test` runs the pipeline's beside all others."""

from __future__ import annotations

from pathlib import Path

import pytest

PIPELINE = Path(__file__).parent / "pipeline"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the deployed pipeline together: they share it, and mostly wait."""
    for item in items:
        if PIPELINE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("pipeline"))
