"""How the tests are spread over processes, and which of them are measured.

`make test` runs the pipelines' tests beside all others.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from xdist.scheduler import LoadScopeScheduling

import functions

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


MEASURED = (
    "tests/unit/*/*.py",
    "tests/operate/test_console.py",
    "tests/operate/test_deliveries_reasons.py",
    "tests/operate/test_dlq_[!i]*.py",
)
"""Whose examples count for coverage. What runs functions as a whole runs faster unmeasured."""


class Measuring:
    """Coverage, measured or not."""

    def __init__(self, coverage: Coverage | None) -> None:
        self._coverage = coverage
        self._runs = True

    def switch(self, *, on: bool) -> None:
        """Measure from now on, or do not; where nobody asked for coverage, nothing happens."""
        if self._coverage and on != self._runs:
            (self._coverage.start if on else self._coverage.stop)()
            self._runs = on


MEASURING = pytest.StashKey[Measuring]()


def is_measured(item: pytest.Item) -> bool:
    """Tell whether a test counts: no line's coverage shall depend on what Hypothesis happens to try."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return False
    return any(item.path.match(pattern) for pattern in MEASURED)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Measure how the functions' modules are imported, and not how the tests' are."""
    coverage = Coverage.current()
    measuring = session.config.stash[MEASURING] = Measuring(coverage)
    for module in pkgutil.walk_packages(functions.__path__, "functions.") if coverage else ():
        import_module(module.name)
    measuring.switch(on=False)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test that counts, with its fixtures."""
    item.config.stash[MEASURING].switch(on=is_measured(item))
    return (yield)
