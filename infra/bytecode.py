"""Bytecode for bundles, so that no cold start compiles a module.

A function's folder can't be written to, so what comes without bytecode is compiled again at every cold
start; that takes longer than all the rest of it. Bytecode fits one minor version of Python, and another patch
release may write other bytes: a bundle would differ from machine to machine. So bundles for Lambda are
compiled by one and the same interpreter everywhere: Pyodide's, a CPython that runs in Node, locked in
package-lock.json. It must be of the runtime's minor version, which is checked. A bundle for this machine is
compiled by the interpreter that will run it.

The files are of the kind that is never checked against its source (PEP 552): they hold no times, and reading
them costs no look at the source. Our own modules keep theirs beside them. Packages come as bytecode alone and
without docstrings, which is a third of the size: their versions are in the bundle (`*.dist-info`), and a
traceback names file and line as ever. What bytecode has no more is the columns of each instruction, by which
a traceback underlines a part of a line that it shows (PEP 657): they were a quarter of what was left, and
of packages there is no line to show.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_OWN: Final = "functions"

_COMPILE: Final = """
import ast, importlib.util, marshal, pathlib, sys
if "%d.%d" % sys.version_info[:2] != {version!r}:
    raise SystemExit("this is Python %d.%d" % sys.version_info[:2])
def bare(tree):
    for node in ast.walk(tree):
        kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [] if node.body[1:] else [ast.copy_location(ast.Pass(), node.body[0])]
    return tree
for name in {names!r}:
    path = pathlib.Path({folder!r}, name)
    source = path.read_bytes()
    tree = ast.parse(source, name)
    tree = tree if name.startswith({own!r}) else bare(tree)
    code = compile(tree, name, "exec", dont_inherit=True, optimize=0)
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    path.with_suffix(".pyc").write_bytes(head + marshal.dumps(code))
"""

_OPTIONS: Final = ("-I", "-X", "no_debug_ranges")

_NODE: Final = """
const { loadPyodide } = require(process.argv[1]);
(async () => {
  const python = await loadPyodide({ env: { PYTHONHASHSEED: "0", PYTHONNODEBUGRANGES: "1" } });
  python.mountNodeFS("/sources", process.argv[2]);
  python.runPython(require("fs").readFileSync(0, "utf8"));
})().catch((error) => { console.error(String(error)); process.exit(1); });
"""


class CompilingError(Exception):
    """Bytecode could not be made. The text says why."""


class Compiler:
    """Compiles modules for one Python.

    Args:
        name: Tells this compiler's bytecode from another's.
        version: Of the Python that will run it (`3.13`).
        cache: Keeps what was compiled before.
        pyodide: The npm package; without it, the interpreter that runs this compiles.
    """

    def __init__(self, name: str, version: str, cache: Path, pyodide: Path | None = None) -> None:
        self._version = version
        self._cache = cache
        self._pyodide = pyodide
        self._key = f"{name}\0{_COMPILE}\0{_NODE}\0{_OPTIONS}\0{_package(pyodide)}"

    def add(self, folder: Path) -> None:
        """Put bytecode beside our own modules, as Python itself would, and in the place of all others.

        Raises:
            CompilingError: A module can't be compiled, or the compiler is not installed.
        """
        kept = {path: self._cache / self._digest(path, folder) for path in sorted(folder.rglob("*.py"))}
        missing = [path for path, cached in kept.items() if not cached.exists()]
        if missing:
            self._compile(folder, missing, kept)
        for path, cached in kept.items():
            if _is_own(path, folder):
                place = path.parent / "__pycache__"
                place.mkdir(exist_ok=True)
                shutil.copyfile(cached, place / f"{path.stem}.{self._tag}.pyc")
            else:
                shutil.copyfile(cached, path.with_suffix(".pyc"))
                path.unlink()

    @property
    def _tag(self) -> str:
        return f"cpython-{self._version.replace('.', '')}"

    def _digest(self, path: Path, folder: Path) -> str:
        state = hashlib.sha256(f"{self._key}\0{path.relative_to(folder)}\0".encode())
        state.update(path.read_bytes())
        return state.hexdigest()

    def _compile(self, folder: Path, paths: Sequence[Path], kept: dict[Path, Path]) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        names = [str(path.relative_to(folder)) for path in paths]
        with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
            for path, name in zip(paths, names, strict=True):
                Path(scratch, name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, Path(scratch, name))
            self._run(scratch, names)
            for path, name in zip(paths, names, strict=True):
                Path(scratch, f"{name}c").replace(kept[path])

    def _run(self, scratch: str, names: Sequence[str]) -> None:
        place = "/sources" if self._pyodide else scratch
        code = _COMPILE.format(version=self._version, names=names, folder=place, own=f"{_OWN}/")
        line = self._node(scratch) if self._pyodide else [sys.executable, *_OPTIONS, "-"]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}  # The order of sets goes into the bytecode.
        done = subprocess.run(  # noqa: S603 - our own words
            line, input=code, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CompilingError(f"The bundle's modules could not be compiled:\n{done.stderr.strip()}")

    def _node(self, scratch: str) -> list[str]:
        node = shutil.which("node", path=f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ['PATH']}")
        if not node or not self._pyodide or not (self._pyodide / "pyodide.js").exists():
            raise CompilingError("The bundles' compiler is not installed here. Run: make setup")
        return [node, "-e", _NODE, str(self._pyodide), scratch]


def _is_own(path: Path, folder: Path) -> bool:
    return path.relative_to(folder).parts[0] == _OWN


def _package(pyodide: Path | None) -> str:
    """Give what tells one version of a compiler from another."""
    if pyodide is None:
        return sys.version
    try:
        return (pyodide / "package.json").read_text(encoding="utf-8")
    except OSError:
        return ""
