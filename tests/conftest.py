"""How the tests are spread over processes: `make test` runs the pipelines' beside all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

PIPELINE = Path(__file__).parent / "pipeline"
ALONE = frozenset({"test_under_fire.py"})
"""What has a pipeline of its own."""

STRICT = "first pipeline"
"""What evaluates IAM policies and demands TLS, as AWS does; the others run as users have it."""

SECOND = frozenset(
    {
        "test_canaries.py",
        "test_console.py",
        "test_deploy.py",
        "test_dlq.py",
        "test_doctor.py",
        "test_drill.py",
        "test_local_up.py",
        "test_mlflow.py",
        "test_webhook_mlflow.py",
    }
)
"""What shares a second pipeline, so that half of the waiting is done beside the other half."""


class Spread(LoadScopeScheduling):  # type: ignore[misc] # ships types that mypy can't follow
    """Keeps the tests together that share a pipeline, and those of each other file."""

    def _split_scope(self, nodeid: str) -> str:
        """Name what a test stays together with."""
        file = nodeid.partition("::")[0]
        return pipeline_of(Path(file)) if "pipeline" in Path(file).parts else file


def pipeline_of(file: Path) -> str:
    """Name the pipeline that a file's tests share."""
    if file.name in ALONE:
        return file.name
    return "second pipeline" if file.name in SECOND else STRICT


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    """Spread the tests our way."""
    return Spread(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the pipelines': they take longest, and mostly wait."""
    items.sort(key=lambda item: (PIPELINE not in item.path.parents, item.path.name not in ALONE))
