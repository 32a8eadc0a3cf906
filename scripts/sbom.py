"""Writes bills of materials, as CycloneDX: one for each bundle, for what operators install, and for npm.

    python -m scripts.sbom [FOLDER]

They are made from the lock files, so they say what is installed wherever it is installed, and the same locks
give the same bytes: there is no time and no serial number in them, nor where packages are downloaded from.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.bundling import BUILD, CONSOLE, DISPATCH, INGEST
from scripts import licences, locks

FOLDER: Final = BUILD / "sbom"
SUFFIX: Final = ".cdx.json"
PYTHON: Final[Mapping[str, str]] = {
    **{bundle.name: bundle.lock or bundle.name for bundle in (INGEST, DISPATCH, CONSOLE)},
    "operate": "operate",
}
"""The lock file of each bill about Python packages, by the bill's name."""

_PROJECT: Final = locks.ROOT / "pyproject.toml"
_SPEC: Final = "1.6"


class SbomError(Exception):
    """A bill could not be made. The text says what the tool said."""


def write(folder: Path) -> list[Path]:
    """Write all bills into a folder, and give the files.

    Raises:
        SbomError: A tool failed, or what came out is not valid CycloneDX.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bills = {name: python_bill(name, lock) for name, lock in PYTHON.items()} | {"npm": npm_bill()}
    files = {folder / f"{name}{SUFFIX}": bill for name, bill in bills.items()}
    for file, bill in files.items():
        text = json.dumps(bill, indent=2, sort_keys=True) + "\n"
        if found := JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(text):
            raise SbomError(f"{file.name} is not valid CycloneDX: {found}")
        file.write_text(text, encoding="utf-8")
    return list(files)


def python_bill(name: str, lock: str) -> dict[str, Any]:
    """Give the bill of a Python lock file."""
    file = locks.REQUIREMENTS / f"{lock}.txt"
    line = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
    line += ["--no-validate", "--spec-version", _SPEC, "--pyproject", str(_PROJECT)]
    bill = _run([*line, str(file)], locks.ROOT)
    locked = {(each.name, each.version): each for each in locks.read(file)}
    bill["components"] = [_component(locked[each["name"], each["version"]]) for each in bill["components"]]
    return _complete(bill, name)


def npm_bill() -> dict[str, Any]:
    """Give the bill of npm's lock file."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "model-relay")  # npm names the whole after the folder
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            content = json.loads((locks.ROOT / name).read_text(encoding="utf-8"))
            # npm refuses to describe what has no version; ours is in pyproject.toml alone.
            for described in (content, content.get("packages", {}).get("", {})):
                described["version"] = version()
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
        bill = _run(["npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"], folder)
    bill.pop("serialNumber")
    bill["metadata"].pop("timestamp")
    return _complete(bill, "npm", dependencies=bill["dependencies"])


def version() -> str:
    """Give the project's version."""
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def _component(locked: locks.Locked) -> dict[str, Any]:
    """Describe a package: any of the locked files may be the one that is installed."""
    purl = f"pkg:pypi/{locked.name}@{locked.version}"
    files = [{"alg": "SHA-256", "content": digest} for digest in locked.hashes]
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": locked.name,
        "version": locked.version,
        "purl": purl,
        "externalReferences": [
            {"type": "distribution", "url": purl, "comment": "one of these files", "hashes": files}
        ],
    }
    if locked.marker:
        component["properties"] = [{"name": "model-relay:marker", "value": locked.marker}]
    if expression := _licence(locked):
        component["licenses"] = [{"expression": expression, "acknowledgement": "declared"}]
    return component


def _licence(locked: locks.Locked) -> str:
    """Give a package's licence, if this very version is installed here or its licence was read."""
    try:
        package = importlib.metadata.distribution(locked.name)
    except importlib.metadata.PackageNotFoundError:
        return licences.READ.get(locked.name, "")
    return licences.of(package) if package.version == locked.version else ""


def _complete(bill: dict[str, Any], name: str, dependencies: Sequence[Any] = ()) -> dict[str, Any]:
    """Name the whole after its part, and leave out what is about the tools' own pages on the web."""
    metadata = bill["metadata"]
    root = metadata["component"]
    root |= {"name": f"model-relay-{name}", "version": version(), "type": "application"}
    for tool in _tools(metadata):
        tool.pop("externalReferences", None)
    parts = sorted(each["bom-ref"] for each in bill["components"])
    bill["dependencies"] = list(dependencies) or [{"ref": root["bom-ref"], "dependsOn": parts}]
    return bill


def _tools(metadata: Any) -> list[dict[str, Any]]:
    """Give the tools that made a bill; npm lists them in an older way."""
    tools = metadata["tools"]
    return list(tools["components"] if isinstance(tools, dict) else tools)


def _run(line: Sequence[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise SbomError(done.stderr.strip())
    return dict(json.loads(done.stdout))


def main(arguments: Sequence[str]) -> None:
    """Write the bills and name them."""
    for file in write(Path(arguments[0]) if arguments else FOLDER):
        sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
