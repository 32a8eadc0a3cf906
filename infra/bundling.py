"""Bundles: the folder that becomes a function's code, put together without Docker.

A bundle holds the function's own package, what the functions share, the settings, and the locked
dependencies for the machine that runs it; nothing else. The same input gives the same bytes, so CDK sees a
change only where there is one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from functions.core.settings import FILE_NAME, RelaySettings

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / ".build"

PYTHON: Final = "3.13"


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs a bundle: packages with compiled parts differ from machine to machine.

    Attributes:
        name: What tells it from another one.
        wheels: What makes pip choose its wheels; without it, pip chooses those of the interpreter it runs on.
    """

    name: str
    wheels: tuple[str, ...] = ()


LAMBDA: Final = Machine(
    f"Lambda, arm64, Python {PYTHON}",
    wheels=("--platform", "manylinux2014_aarch64", "--python-version", PYTHON),
)
HERE: Final = Machine(f"{sysconfig.get_platform()} {sys.implementation.cache_tag}")
"""The embedded AWS runs functions with the interpreter that runs it, which is the one that bundles."""

HERE_KEY: Final = "modelrelay:bundle-for-this-machine"
"""The context key with which a local run asks for it; not for users."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one function needs.

    Attributes:
        name: The function's package, `functions/<name>`, and its lock file, `requirements/<name>.txt`.
        services: The AWS services that it calls: of botocore's 30 MB of service models, it gets these.
        shared: The packages of `functions` that it shares with others.
        lock: Whose lock file names its dependencies, where it needs what another function needs.
    """

    name: str
    services: tuple[str, ...]
    shared: tuple[str, ...] = ("core",)
    lock: str = ""


INGEST: Final = Bundle("ingest", services=("secretsmanager", "sqs"))
DISPATCH: Final = Bundle("dispatch", services=("dynamodb", "secretsmanager", "sqs"))
CONSOLE: Final = Bundle("console", services=("dynamodb", "sqs"), shared=("core", "operate"), lock="ingest")

# Parts of botocore's data that belong to no service.
_BOTOCORE_COMMON: Final = (
    "_retry.json",
    "endpoints.json",
    "partitions.json",
    "sdk-default-configuration.json",
)

# Large parts of packages that nothing of ours can reach: a web page of Powertools' HTTP resolver, and what
# compiles bindings, of which cryptography needs the compiled ones alone (`_cffi_backend`).
_UNUSED: Final = (
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.css",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.js",
    "cffi",
    "pycparser",
)


_MARKER: Final = re.compile(r"^(\S+==\S+) ;.*?(?= \\$)", re.MULTILINE)


class BundlingError(Exception):
    """A bundle could not be made. The text says what pip said."""


def make(
    bundle: Bundle,
    settings: RelaySettings,
    folder: Path,
    machine: Machine = LAMBDA,
) -> None:
    """Put a bundle together.

    Args:
        bundle: Which one.
        settings: What the function is told; written to the bundle's root.
        folder: Where to make it; must not exist yet.
        machine: What runs it.

    Raises:
        BundlingError: The dependencies could not be installed.
    """
    shutil.copytree(_dependencies(bundle, machine), folder)
    for package in (*bundle.shared, bundle.name):
        shutil.copytree(ROOT / "functions" / package, folder / "functions" / package, ignore=_caches)
    shutil.copy2(ROOT / "functions" / "__init__.py", folder / "functions")
    (folder / FILE_NAME).write_text(settings.to_json(), encoding="utf-8")


def _dependencies(bundle: Bundle, machine: Machine) -> Path:
    """Install what the lock file names, once for each lock file and machine."""
    lock = ROOT / "requirements" / f"{bundle.lock or bundle.name}.txt"
    recipe = [lock.read_text(encoding="utf-8"), machine.name, *machine.wheels, *bundle.services, *_UNUSED]
    folder = BUILD / "dependencies" / hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            packages = Path(scratch, "packages")
            _install(lock, packages, machine)
            _strip(packages, bundle.services)
            with contextlib.suppress(OSError):  # Somebody else was faster: as good.
                packages.rename(folder)
    return folder


def _install(lock: Path, folder: Path, machine: Machine) -> None:
    wanted = folder.with_suffix(".txt")
    wanted.write_text(_wanted(lock.read_text(encoding="utf-8"), machine), encoding="utf-8")
    options = ["--target", folder, "--requirement", wanted, "--require-hashes", "--no-deps", "--no-compile"]
    wheels = ["--only-binary", ":all:", *machine.wheels]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    # A user's PIP_TARGET or PIP_USER must not change what is bundled; where packages come from
    # (PIP_INDEX_URL) is theirs to say.
    environment = {key: value for key, value in os.environ.items() if key not in {"PIP_TARGET", "PIP_USER"}}
    command = [sys.executable, "-m", "pip", "install", *quiet, *map(str, options), *wheels]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise BundlingError(f"pip could not install {lock.name}:\n{done.stderr.strip()}")


def _wanted(lock: str, machine: Machine) -> str:
    """Give the lock file's text as pip should read it.

    pip decides a package's marker (`; sys_platform != "darwin"`) by the machine it runs on, even where it
    installs for another. On Lambda every marker that is in our lock files holds.
    """
    return _MARKER.sub(r"\1", lock) if machine.wheels else lock


def _strip(packages: Path, services: Iterable[str]) -> None:
    """Remove what no function uses: scripts, parts of packages, models of other services, pip's own notes.

    The notes differ from pip to pip, and a bundle must not.
    """
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for note in ("RECORD", "INSTALLER", "REQUESTED"):
        for path in packages.glob(f"*.dist-info/{note}"):
            path.unlink()
    for unused in _UNUSED:
        for path in packages.glob(unused):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    data = packages / "botocore" / "data"
    for path in data.iterdir():
        if path.is_dir() and path.name not in services:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in _BOTOCORE_COMMON:
            path.unlink()


def _caches(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or name.endswith(".pyc")}
