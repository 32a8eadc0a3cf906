"""What is measured: our bundles, those of another commit, the usual way, the floor; and what runs them."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from infra import bundling
from infra.bundling import BUILD, ROOT

WORK: Final = BUILD / "benchmarks"

_LOCKED: Final = re.compile(r"^([\w.-]+)==\S+(?: ; .*?)? \\\n(?:    .*\n)+", re.MULTILINE)
_FLOOR: Final = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
_USUAL: Final = (
    *_FLOOR,
    "annotated-types",
    "aws-lambda-powertools",
    "certifi",
    "charset-normalizer",
    "idna",
    "pydantic",
    "pydantic-core",
    "requests",
    "typing-extensions",
    "typing-inspection",
)
_RUNTIME_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")


@cache
def python() -> str:
    """Find the Python of the bundles; where there is none, the one that runs this, whose figures differ."""
    wanted = f"python{bundling.PYTHON}"
    places = [shutil.which(wanted), *Path.home().glob(f".pyenv/versions/{bundling.PYTHON}.*/bin/{wanted}")]
    for place in filter(None, places):
        done = subprocess.run(  # noqa: S603 - an interpreter that is asked who it is
            [str(place), "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.strip()
    return sys.executable


@cache
def version() -> str:
    """Give the version of the Python that is measured (`3.13.0`)."""
    line = [python(), "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - see above


def machine() -> bundling.Machine:
    """Give what makes a bundle's wheels fit this machine and the measured Python."""
    if python() == sys.executable:
        return bundling.HERE
    short, there = version().rpartition(".")[0], platform.machine()
    wheels = ("--platform", f"manylinux2014_{there}", "--platform", f"manylinux_2_28_{there}")
    return bundling.Machine(f"{there} Python {short}", wheels=(*wheels, "--python-version", short))


def zipped(folder: Path, paths: Iterable[Path]) -> int:
    """Give the size of a zip file of some of a folder's files, in bytes; the same for the same content."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in paths:
            name = zipfile.ZipInfo(str(path.relative_to(folder)))
            archive.writestr(name, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return len(buffer.getvalue())


def files(folder: Path) -> list[Path]:
    """Give every file in a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def compiled(folder: Path) -> Path:
    """Give a folder's copy in which every module has bytecode that is not checked against its source."""
    copy = folder.with_name(f"{folder.name}-bytecode")
    if not copy.exists():
        shutil.copytree(folder, copy)
        line = [python(), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(copy)]
        subprocess.run(line, check=True)  # noqa: S603 - our own words
    return copy


def stripped(folder: Path) -> Path:
    """Give a folder's copy without any bytecode."""
    copy = folder.with_name(f"{folder.name}-source")
    if not copy.exists():
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def runtime_client() -> Path:
    """Install awslambdaric for the measured Python, with bytecode, as Lambda's image has it."""
    return compiled(_installed(_RUNTIME_CLIENT, "bench.txt"))


@cache
def floor() -> Path:
    """Make the floor's folder, without bytecode."""
    return _with_module("floor", _installed(_FLOOR, "dev.txt"))


@cache
def usual(name: str) -> Path:
    """Make the folder of a function written the usual way, without bytecode."""
    return _with_module(name, _installed(_USUAL, "dev.txt"))


def other(commit: str) -> Path:
    """Lay out another commit's files, so that its own code makes its bundles.

    Raises:
        CalledProcessError: Git knows no such commit.
    """
    folder = WORK / f"commit-{commit}"
    if not folder.exists():
        line = ["git", "archive", commit, "functions", "infra", "requirements", "modelrelay"]
        packed = subprocess.run(line, cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603 - our own words
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        (folder / "node_modules").symlink_to(ROOT / "node_modules")  # the bytecode's compiler
    return folder


MAKE: Final = """
import json, sys
from pathlib import Path
from functions.core.settings import GitHubSettings, IngestSettings, RelaySettings
from infra import bundling
name, text, folder, machine, *wheels = sys.argv[1:]
told = json.loads(text)
for key, kind in (("github", GitHubSettings), ("ingest", IngestSettings)):  # another commit knows fewer
    told[key] = {name: value for name, value in told[key].items() if name in kind.__dataclass_fields__}
settings = json.dumps(told)
bundle = {"ingest": bundling.INGEST, "dispatch": bundling.DISPATCH, "console": bundling.CONSOLE}[name]
there = bundling.Machine(machine, wheels=tuple(wheels)) if wheels else bundling.HERE
bundling.make(bundle, RelaySettings.from_json(settings), Path(folder), there)
"""


def ours(name: str, settings: str, tree: Path = ROOT, there: bundling.Machine | None = None) -> Path:
    """Make one of our bundles by the code of a tree of files.

    Args:
        name: The function.
        settings: What the function is told, as JSON.
        tree: This work tree, or what `other` gives.
        there: What runs it, if not this machine with the measured Python.
    """
    folder = WORK / "bundles" / f"{tree.name}-{name}"
    for old in folder.parent.glob(f"{folder.name}*"):
        shutil.rmtree(old)
    folder.parent.mkdir(parents=True, exist_ok=True)
    there = there or machine()
    line = [sys.executable, "-c", MAKE, name, settings, str(folder), there.name, *there.wheels]
    subprocess.run(line, cwd=tree, check=True)  # noqa: S603 - our own words
    return folder


def _with_module(name: str, packages: Path) -> Path:
    folder = WORK / "bundles" / f"usual-{name}"
    for old in folder.parent.glob(f"{folder.name}*"):
        shutil.rmtree(old)
    shutil.copytree(packages, folder)
    shutil.copy2(Path(__file__).parent / "usual" / f"{name}.py", folder / f"usual_{name}.py")
    return folder


def _installed(names: Iterable[str], lock: str) -> Path:
    """Install locked packages for the measured Python, once."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    blocks = {found[1]: found[0] for found in _LOCKED.finditer(text)}
    wanted = "".join(blocks[name] for name in names)
    there = machine()
    recipe = "\0".join([wanted, there.name, *there.wheels])
    folder = WORK / "packages" / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        asked = folder.with_suffix(".txt")
        asked.write_text(wanted, encoding="utf-8")
        options = ["--target", str(folder), "--requirement", str(asked), "--require-hashes", "--no-deps"]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
        line = [sys.executable, "-m", "pip", "install", *options, *quiet, "--only-binary", ":all:"]
        subprocess.run([*line, *there.wheels], check=True, capture_output=True)  # noqa: S603 - our own words
    return folder
