"""Bundles: the folder that becomes a function's code, put together without Docker.

A bundle holds the function's own package, what the functions share, the settings, and the locked
dependencies for Lambda's architecture and Python; nothing else. The same input gives the same bytes, so
CDK sees a change only where there is one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from functions.core.settings import FILE_NAME, RelaySettings

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / ".build"

PYTHON: Final = "3.13"
PLATFORMS: Final = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one function needs.

    Attributes:
        name: The function's package, `functions/<name>`, and its lock file, `requirements/<name>.txt`.
        services: The AWS services that it calls: of botocore's 30 MB of service models, it gets these.
    """

    name: str
    services: tuple[str, ...]


INGEST: Final = Bundle("ingest", services=("secretsmanager", "sqs"))
DISPATCH: Final = Bundle("dispatch", services=("dynamodb", "secretsmanager", "sqs"))

# Parts of botocore's data that belong to no service.
_BOTOCORE_COMMON: Final = (
    "_retry.json",
    "endpoints.json",
    "partitions.json",
    "sdk-default-configuration.json",
)


class BundlingError(Exception):
    """A bundle could not be made. The text says what pip said."""


def make(
    bundle: Bundle,
    settings: RelaySettings,
    folder: Path,
    *,
    architecture: str = "arm64",
    python: str = PYTHON,
) -> None:
    """Put a bundle together.

    Args:
        bundle: Which one.
        settings: What the function is told; written to the bundle's root.
        folder: Where to make it; must not exist yet.
        architecture: `arm64` or `x86_64`.
        python: The runtime's version, `3.13`.

    Raises:
        BundlingError: The dependencies could not be installed.
    """
    shutil.copytree(_dependencies(bundle, architecture, python), folder)
    for package in ("core", bundle.name):
        shutil.copytree(ROOT / "functions" / package, folder / "functions" / package, ignore=_caches)
    shutil.copy2(ROOT / "functions" / "__init__.py", folder / "functions")
    (folder / FILE_NAME).write_text(settings.to_json(), encoding="utf-8")


def _dependencies(bundle: Bundle, architecture: str, python: str) -> Path:
    """Install what the lock file names, once for each lock file, architecture and Python."""
    lock = ROOT / "requirements" / f"{bundle.name}.txt"
    recipe = [lock.read_text(encoding="utf-8"), architecture, python, *bundle.services]
    folder = BUILD / "dependencies" / hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            packages = Path(scratch, "packages")
            _install(lock, packages, architecture, python)
            _strip(packages, bundle.services)
            with contextlib.suppress(OSError):  # Somebody else was faster: as good.
                packages.rename(folder)
    return folder


def _install(lock: Path, folder: Path, architecture: str, python: str) -> None:
    options = ["--target", folder, "--requirement", lock, "--require-hashes", "--no-deps", "--no-compile"]
    wheels = ["--only-binary", ":all:", "--platform", PLATFORMS[architecture], "--python-version", python]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    # A user's PIP_TARGET or PIP_USER must not change what is bundled; where packages come from
    # (PIP_INDEX_URL) is theirs to say.
    environment = {key: value for key, value in os.environ.items() if key not in {"PIP_TARGET", "PIP_USER"}}
    command = [sys.executable, "-m", "pip", "install", *quiet, *map(str, options), *wheels]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise BundlingError(f"pip could not install {lock.name}:\n{done.stderr.strip()}")


def _strip(packages: Path, services: Iterable[str]) -> None:
    """Remove what no function can use: scripts, botocore's models of other services, pip's own notes.

    The notes differ from pip to pip, and a bundle must not.
    """
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for note in ("RECORD", "INSTALLER", "REQUESTED"):
        for path in packages.glob(f"*.dist-info/{note}"):
            path.unlink()
    data = packages / "botocore" / "data"
    for path in data.iterdir():
        if path.is_dir() and path.name not in services:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in _BOTOCORE_COMMON:
            path.unlink()


def _caches(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or name.endswith(".pyc")}
