"""What a handler does while Lambda starts it."""

from __future__ import annotations

import gc
import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.core import start


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that nobody has loaded."""
    (tmp_path / "heavy_package").mkdir()
    (tmp_path / "heavy_package" / "__init__.py").write_text("weight = 7\n", encoding="utf-8")
    (tmp_path / "heavy_package" / "part.py").write_text("lead = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "heavy_package"
    for name in [name for name in sys.modules if name.startswith("heavy_package")]:
        del sys.modules[name]


def test_a_module_is_loaded_at_the_first_look(heavy: str) -> None:
    """Importing it loads nothing; its first attribute does, and whoever imports it then has the real one."""
    start._load_when_used(heavy)
    held = importlib.import_module(heavy)
    assert not hasattr(type(held), "weight")
    assert "weight" not in vars(held)
    assert held.weight == 7
    assert vars(sys.modules[heavy])["weight"] == 7
    assert held.weight == 7  # whoever got the first one can go on with it


def test_a_part_of_it_can_be_imported(heavy: str) -> None:
    """A package that was put off still is one."""
    start._load_when_used(heavy)
    assert importlib.import_module(f"{heavy}.part").lead == 1


def test_what_is_loaded_already_stays(heavy: str) -> None:
    """Nothing is put in the place of a module that is in use."""
    real = importlib.import_module(heavy)
    start._load_when_used(heavy)
    assert sys.modules[heavy] is real


def test_a_line_is_logged_without_what_no_line_tells() -> None:
    """A record looks up no task, which would load asyncio, and no thread or process either."""
    told = logging.makeLogRecord({})
    assert (told.processName, told.process, told.threadName) == (None, None, None)
    assert vars(logging)["logAsyncioTasks"] is False


@pytest.mark.parametrize("fails", [True, False])
def test_a_start_ends_with_the_collector_on(fails: bool) -> None:  # noqa: FBT001 - a test's parameter
    """What is built first may fail: the first request tries again. The collector runs from now on."""
    built = []

    def build() -> None:
        built.append(1)
        if fails:
            raise OSError

    gc.disable()
    start.ready(build)
    assert built == [1]
    assert gc.isenabled()
