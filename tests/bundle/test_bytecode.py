"""The compiler of bundles."""

from __future__ import annotations

import marshal
import sys
from pathlib import Path
from types import CodeType

import pytest

from infra.bundling import PYTHON, ROOT
from infra.bytecode import Compiler, CompilingError

PYODIDE = ROOT / "node_modules" / "pyodide"
OWN = "functions/one.py"
OTHER = "package/two.py"
SOURCE = '"""What it is for."""\n\n\ndef f():\n    """Give a set."""\n    return {"a", "b"} | {"c"}\n'


def sources(folder: Path, *names: str) -> Path:
    """Lay out modules."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE, encoding="utf-8")
    return folder


def here(cache: Path) -> Compiler:
    """Compile with the Python that runs the tests."""
    return Compiler("here", f"{sys.version_info[0]}.{sys.version_info[1]}", cache)


def test_our_modules_keep_their_sources_and_others_do_not(tmp_path: Path) -> None:
    """Bytecode stands beside our own modules, and in the place of all others."""
    folder = sources(tmp_path / "bundle", OWN, OTHER)
    here(tmp_path / "cache").add(folder)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {OWN, f"functions/__pycache__/one.{sys.implementation.cache_tag}.pyc", f"{OTHER}c"}


def test_packages_lose_their_docstrings_and_keep_their_lines(tmp_path: Path) -> None:
    """A traceback tells the same file and line as before; `__doc__` is empty."""
    folder = sources(tmp_path / "bundle", OTHER)
    here(tmp_path / "cache").add(folder)
    code = marshal.loads((folder / f"{OTHER}c").read_bytes()[16:])
    assert code.co_filename == OTHER
    [function] = [part for part in code.co_consts if isinstance(part, CodeType)]
    assert "Give a set." not in function.co_consts
    assert {line for _, _, line in function.co_lines()} >= {6}
    assert function.co_firstlineno == 4


def test_bytecode_has_no_columns(tmp_path: Path) -> None:
    """It tells the line of each instruction, and not where in the line."""
    folder = sources(tmp_path / "bundle", OTHER)
    here(tmp_path / "cache").add(folder)
    code = marshal.loads((folder / f"{OTHER}c").read_bytes()[16:])
    assert {place[2:] for place in code.co_positions()} == {(None, None)}


@pytest.mark.parametrize("pyodide", [None, PYODIDE], ids=["here", "lambda"])
def test_a_long_line_costs_its_instructions_alone(tmp_path: Path, pyodide: Path | None) -> None:
    """A term of a sum takes ten bytes, its line's number included; with columns it would take nineteen."""
    folder = sources(tmp_path / "bundle", OTHER)
    (folder / OTHER).write_text("a = 1\nb = " + " + ".join(["a"] * 500), encoding="utf-8")
    version = PYTHON if pyodide else f"{sys.version_info[0]}.{sys.version_info[1]}"
    Compiler("one", version, tmp_path / "cache", pyodide).add(folder)
    assert len((folder / f"{OTHER}c").read_bytes()) < 500 * 12


def test_a_module_is_compiled_the_same_alone_and_with_others(tmp_path: Path) -> None:
    """What else is compiled in the same run does not show: the cache can keep each module by itself."""
    alone = sources(tmp_path / "alone", OTHER)
    both = sources(tmp_path / "both", OWN, OTHER, "package/__init__.py")
    for number, folder in enumerate((alone, both)):
        Compiler("lambda", PYTHON, tmp_path / f"cache-{number}", PYODIDE).add(folder)
    assert (alone / f"{OTHER}c").read_bytes() == (both / f"{OTHER}c").read_bytes()


def test_what_was_compiled_before_is_not_compiled_again(tmp_path: Path) -> None:
    """The second time, no compiler is needed."""
    here(tmp_path / "cache").add(sources(tmp_path / "one", OTHER))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    here(tmp_path / "cache").add(sources(tmp_path / "two", OTHER))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == kept
    assert (tmp_path / "two" / f"{OTHER}c").exists()


def test_a_compiler_that_is_not_installed_is_told(tmp_path: Path) -> None:
    """Without it there is no bundle: one without bytecode would differ from everybody else's."""
    folder = sources(tmp_path / "bundle", OTHER)
    with pytest.raises(CompilingError, match="make setup"):
        Compiler("lambda", PYTHON, tmp_path / "cache", tmp_path / "nothing").add(folder)


def test_a_compiler_of_another_python_is_refused(tmp_path: Path) -> None:
    """Bytecode of another minor version would not be read, or worse."""
    folder = sources(tmp_path / "bundle", OTHER)
    with pytest.raises(CompilingError, match="this is Python 3"):
        Compiler("lambda", "3.99", tmp_path / "cache").add(folder)


def test_a_module_that_is_no_python_is_told(tmp_path: Path) -> None:
    """Its name is in the error, and nothing of it is kept."""
    folder = sources(tmp_path / "bundle", OTHER)
    (folder / OTHER).write_text("def (", encoding="utf-8")
    with pytest.raises(CompilingError, match=r"package/two\.py"):
        here(tmp_path / "cache").add(folder)
    assert list((tmp_path / "cache").iterdir()) == []
