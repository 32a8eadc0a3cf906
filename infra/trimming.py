"""What of the locked packages a function can reach; the rest does not go into its bundle.

Each byte of a bundle is downloaded at a cold start, and each module that is loaded is paid for again. So a
bundle holds the modules that its handler can import, directly or by way of others (imports within functions
count, those for type checkers don't), and botocore's data of the services that the function calls.

Some modules of packages are put in place of their originals (`instead`). tests/bundle runs every call to AWS
that the product makes on what is left.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from infra import instead

UNREACHED: Final = (
    "aws_lambda_powertools.event_handler",  # named where models of pydantic are written, which is not here
    "aws_lambda_powertools.utilities.parser",  # needs pydantic, which is not here
    "botocore.crt.auth",  # needs awscrt, which is not here
    "urllib3.contrib.emscripten",  # for browsers
    "urllib3.contrib.pyopenssl",  # needs OpenSSL's bindings, which are not here
)
"""Modules that a reachable one names, in a branch that is never run."""

WHOLE: Final = ("cryptography",)
"""Packages whose compiled part imports modules that no source names."""

_OWN: Final = "functions"

# Parts of botocore's data that belong to no service.
_COMMON: Final = ("_retry.json", "partitions.json", "sdk-default-configuration.json")
_ENDPOINTS: Final = "endpoints.json"

_CERTIFICATES: Final = "botocore/cacert.pem"
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", re.DOTALL)

RECIPE: Final = json.dumps([instead.MODULES, Path(__file__).read_text(encoding="utf-8")])
"""What the result depends on besides its input."""


def wanted(sources: Path, start: str) -> frozenset[str]:
    """Give the names that our own code imports from elsewhere.

    Args:
        sources: What holds our own package, `functions`.
        start: The module in which the function starts.
    """
    named = {name for module, path in own(sources, start).items() for name in _imports(path, module)}
    return frozenset(name for name in named if not _is(name, [_OWN]))


def own(sources: Path, start: str) -> dict[str, Path]:
    """Give our own modules that a function can reach, each with its file.

    Args:
        sources: What holds our own package, `functions`.
        start: The module in which the function starts.
    """
    found = reachable(sources, [start])
    return {name: path for name, path in found.items() if _is(name, [_OWN])}


def trim(packages: Path, names: Iterable[str], services: Iterable[str]) -> None:
    """Remove what can't be reached, and what installers leave behind.

    Args:
        packages: The folder into which the locked packages were installed.
        names: What our own code imports.
        services: The AWS services that it calls.
    """
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for name, text in instead.MODULES.items():
        if (packages / name).exists():
            (packages / name).write_text(text, encoding="utf-8")
    _trim_modules(packages, set(reachable(packages, names).values()))
    _trim_data(packages / "botocore" / "data", set(services))
    _trim_notes(packages)
    _trim_certificates(packages / _CERTIFICATES)


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


def _trim_notes(packages: Path) -> None:
    """Keep a package's name, version and licence: not its page for the index, nor who installed it how."""
    for note in ("RECORD", "INSTALLER", "REQUESTED"):  # They differ from pip to pip, and a bundle must not.
        for path in packages.glob(f"*.dist-info/{note}"):
            path.unlink()
    for path in packages.glob("*.dist-info/METADATA"):
        head, _, _ = path.read_text(encoding="utf-8").partition("\n\n")
        path.write_text(f"{head}\n", encoding="utf-8")


def _trim_certificates(path: Path) -> None:
    """Keep the certificates, without what is written about each in plain words."""
    path.write_text("".join(_CERTIFICATE.findall(path.read_text(encoding="utf-8"))), encoding="utf-8")


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
