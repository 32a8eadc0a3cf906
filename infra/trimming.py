"""What of the locked packages a function can reach; the rest does not go into its bundle.

Each byte of a bundle is downloaded at a cold start, and each module that is loaded is paid for again. So a
bundle holds the modules that its handler can import, directly or by way of others (imports within functions
count, those for type checkers don't), and botocore's data of the services that the function calls.

Four modules of packages are put in place of their originals (`_INSTEAD`): what these load at once is loaded
for nothing. tests/bundle runs every call to AWS that the product makes on what is left.
"""

from __future__ import annotations

import ast
import gzip
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

UNREACHED: Final = (
    "aws_lambda_powertools.event_handler",  # named where models of pydantic are written, which is not here
    "aws_lambda_powertools.utilities.parser",  # needs pydantic, which is not here
    "botocore.crt.auth",  # needs awscrt, which is not here
    "dateutil.rrule",  # calendars' rules for repetition
    "dateutil.tz.win",  # for Windows
    "dateutil.zoneinfo",  # 150 kB of time zones by name; AWS writes times in UTC
    "urllib3.contrib.emscripten",  # for browsers
    "urllib3.contrib.pyopenssl",  # needs OpenSSL's bindings, which are not here
)
"""Modules that a reachable one names, in a branch that is never run."""

WHOLE: Final = ("cryptography",)
"""Packages whose compiled part imports modules that no source names."""

_NO_DOCSTRINGS: Final = '''\
"""In place of botocore's own: the methods of its clients have no docstrings here.

The original can write one from a service's model, and loads a writer of reStructuredText for it.
"""


class _NoDocstring(str):
    def __new__(cls, *_args, **_options):
        return super().__new__(cls)


ClientMethodDocstring = PaginatorDocstring = WaiterDocstring = _NoDocstring
'''

_INSTEAD: Final = {
    "aws_lambda_powertools/utilities/data_classes/__init__.py": (
        '"""In place of Powertools\' own, which loads the events of thirty services. Name the module."""\n\n'
        "from .s3_event import S3Event  # what its own modules want from here\n"
    ),
    "botocore/docs/__init__.py": '"""In place of botocore\'s own, which loads a writer of documents."""\n',
    "botocore/docs/docstring.py": _NO_DOCSTRINGS,
    "urllib3/http2/__init__.py": '"""In place of urllib3\'s own: HTTP/2 can\'t be switched on here."""\n',
}

# Parts of botocore's data that belong to no service.
_COMMON: Final = ("_retry.json", "partitions.json", "sdk-default-configuration.json")
_ENDPOINTS: Final = "endpoints.json"

RECIPE: Final = json.dumps([UNREACHED, WHOLE, _INSTEAD, _COMMON, Path(__file__).read_text(encoding="utf-8")])
"""What the result depends on besides its input."""


def wanted(sources: Path, start: str) -> frozenset[str]:
    """Give the names that our own code imports from elsewhere.

    Args:
        sources: What holds our own package, `functions`.
        start: The module in which the function starts.
    """
    own = reachable(sources, [start])
    named = {name for module, path in own.items() for name in _imports(path, module)}
    return frozenset(name for name in named if not _is(name, ["functions"]))


def trim(packages: Path, names: Iterable[str], services: Iterable[str]) -> None:
    """Remove what can't be reached, and what installers leave behind.

    Args:
        packages: The folder into which the locked packages were installed.
        names: What our own code imports.
        services: The AWS services that it calls.
    """
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for note in ("RECORD", "INSTALLER", "REQUESTED"):  # They differ from pip to pip, and a bundle must not.
        for path in packages.glob(f"*.dist-info/{note}"):
            path.unlink()
    for name, text in _INSTEAD.items():
        if (packages / name).exists():
            (packages / name).write_text(text, encoding="utf-8")
    _trim_modules(packages, set(reachable(packages, names).values()))
    _trim_data(packages / "botocore" / "data", set(services))


def reachable(root: Path, names: Iterable[str]) -> dict[str, Path]:
    """Give every module in a folder that can be imported by way of some names, with its file.

    Args:
        root: Where modules are looked for; those that are not there belong to somebody else.
        names: Modules, or what is in one.
    """
    found: dict[str, Path] = {}
    left = [*names]
    while left:
        for name in _with_parents(left.pop()):
            path = None if name in found or _is(name, UNREACHED) else _file(root, name)
            if path:
                found[name] = path
                left.extend(_imports(path, name))
    return found


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _is(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _file(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    places = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in places if path.is_file()), None)


def _imports(path: Path, name: str) -> Iterator[str]:
    """Give the names that a module may import; some of them are no modules but what is in one."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _run(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Give all parts of a syntax tree but those that only type checkers read."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        for other in node.orelse:
            yield from _run(other)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _run(child)


def _trim_modules(packages: Path, kept: set[Path]) -> None:
    whole = {packages / name for name in WHOLE if packages / name / "__init__.py" in kept}
    if not whole:
        for compiled in packages.glob("_*.so"):  # What a package that was left out would have loaded.
            compiled.unlink()
    for path in sorted(packages.rglob("*.py")):
        if path not in kept and whole.isdisjoint(path.parents):
            path.unlink()
    for path in [*packages.rglob("*.pyi"), *packages.rglob("py.typed")]:  # for type checkers
        path.unlink()
    for folder in sorted(packages.iterdir()):
        if folder.is_dir() and folder.suffix != ".dist-info" and folder not in whole:
            _trim_folder(folder)


def _trim_folder(folder: Path) -> None:
    """Remove the folders in which no module is left."""
    if folder.name == "data":
        return
    if not any(folder.rglob("*.py")):
        shutil.rmtree(folder)
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            _trim_folder(path)


def _trim_data(data: Path, services: set[str]) -> None:
    """Keep what botocore's clients of some services read, without prose, and fast to read."""
    for path in sorted(data.iterdir()):
        if path.is_dir() and path.name in services:
            _trim_service(path)
        elif path.is_dir():
            shutil.rmtree(path)
        elif path.name not in {*_COMMON, _ENDPOINTS}:
            path.unlink()
    endpoints = json.loads((data / _ENDPOINTS).read_bytes())
    for partition in endpoints["partitions"]:
        known = partition["services"].items()
        partition["services"] = {name: service for name, service in known if name in services}
    _write(data / _ENDPOINTS, endpoints)


def _trim_service(folder: Path) -> None:
    for path in sorted(folder.rglob("*.json*")):
        if path.name.startswith("examples-"):
            path.unlink()
        elif path.suffix == ".gz":
            _write(path.with_suffix(""), _without_prose(json.loads(gzip.decompress(path.read_bytes()))))
            path.unlink()


def _without_prose(content: Any) -> Any:
    """Leave out `documentation` that is text: a field of that name would be an object."""
    if isinstance(content, dict):
        return {
            key: _without_prose(value)
            for key, value in content.items()
            if key != "documentation" or not isinstance(value, str)
        }
    if isinstance(content, list):
        return [_without_prose(value) for value in content]
    return content


def _write(path: Path, content: Any) -> None:
    """Write JSON in the order in which it was read: the order of a model's members has a meaning."""
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
