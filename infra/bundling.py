"""Bundles: the folder that becomes a function's code, put together without Docker.

A bundle holds what the function can reach of our own modules and of the locked dependencies (`trimming`),
for the machine that runs it, with bytecode (`bytecode`), and the settings; nothing else. The same input gives
the same bytes, so CDK sees a change only where there is one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from functions.core.settings import FILE_NAME, RelaySettings
from infra import trimming
from infra.bytecode import Compiler, CompilingError

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / ".build"

PYTHON: Final = "3.13"


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs a bundle: packages with compiled parts differ from machine to machine.

    Attributes:
        name: What tells it from another one.
        wheels: What makes pip choose its wheels; without it, pip chooses those of the interpreter it runs on.
        python: Its Python's minor version.
    """

    name: str
    wheels: tuple[str, ...] = ()
    python: str = PYTHON


LAMBDA: Final = Machine(
    f"Lambda, arm64, Python {PYTHON}",
    wheels=("--platform", "manylinux2014_aarch64", "--python-version", PYTHON),
)
HERE: Final = Machine(
    f"{sysconfig.get_platform()} {sys.implementation.cache_tag}", python=sysconfig.get_python_version()
)
"""The embedded AWS runs functions with the interpreter that runs it, which is the one that bundles."""

HERE_KEY: Final = "modelrelay:bundle-for-this-machine"
"""The context key with which a local run asks for it; not for users."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one function needs.

    Attributes:
        name: The function's package, `functions/<name>`, and its lock file, `requirements/<name>.txt`.
        services: The AWS services that it calls: of botocore's 30 MB of service models, it gets these.
        lock: Whose lock file names its dependencies, where it needs what another function needs.
        without: Packages that it imports only for what it never does as it is configured.
    """

    name: str
    services: tuple[str, ...]
    lock: str = ""
    without: tuple[str, ...] = ()

    @property
    def start(self) -> str:
        """The module that Lambda loads."""
        return f"functions.{self.name}.handler"

    @property
    def requirements(self) -> Path:
        """The file that names and locks the dependencies."""
        return ROOT / "requirements" / f"{self.lock or self.name}.txt"


INGEST: Final = Bundle("ingest", services=("secretsmanager", "sqs"))
DISPATCH: Final = Bundle("dispatch", services=("dynamodb", "secretsmanager", "sqs"))
DISPATCH_WITH_A_TOKEN: Final = replace(DISPATCH, without=("cryptography", "jwt"))
"""For who promises that the GitHub secret never holds an App: what signs for one is most of the bundle."""

CONSOLE: Final = Bundle("console", services=("dynamodb", "sqs"), lock="ingest")

_MARKER: Final = re.compile(r"^(\S+==\S+) ;.*?(?= \\$)", re.MULTILINE)


class BundlingError(Exception):
    """A bundle could not be made. The text says what pip or the compiler said."""


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
        BundlingError: The dependencies could not be installed, or the modules not be compiled.
    """
    with _alone():
        _put_together(bundle, settings, folder, machine)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time make bundles: others then find what the first has installed."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "bundling.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Until it is closed, by whatever end.
        yield


def _put_together(bundle: Bundle, settings: RelaySettings, folder: Path, machine: Machine) -> None:
    shutil.copytree(_dependencies(bundle, machine), folder)
    for path in trimming.own(ROOT, bundle.start).values():
        place = folder / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    (folder / FILE_NAME).write_text(settings.to_json(), encoding="utf-8")
    try:
        _compiler(machine).add(folder)
    except CompilingError as error:
        raise BundlingError(str(error)) from None


def _compiler(machine: Machine) -> Compiler:
    pyodide = ROOT / "node_modules" / "pyodide" if machine.wheels else None
    return Compiler(machine.name, machine.python, BUILD / "bytecode", pyodide)


def _dependencies(bundle: Bundle, machine: Machine) -> Path:
    """Keep what the function can reach of its packages; made once for each bundle and machine."""
    reached = trimming.wanted(ROOT, bundle.start)
    wanted = {name for name in reached if name.partition(".")[0] not in bundle.without}
    recipe = [_recipe(bundle, machine), *bundle.services, *sorted(wanted), trimming.RECIPE]
    folder = BUILD / "dependencies" / _digest(recipe)
    if not folder.exists():
        packages = _packages(bundle, machine)
        with tempfile.TemporaryDirectory(dir=packages.parent) as scratch:
            copy = shutil.copytree(packages, Path(scratch, "packages"))
            trimming.trim(copy, wanted, bundle.services)
            _keep(copy, folder)
    return folder


def _packages(bundle: Bundle, machine: Machine) -> Path:
    """Install what the lock file names, once for each lock file and machine."""
    folder = BUILD / "dependencies" / _digest([_recipe(bundle, machine), "whole"])
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            packages = Path(scratch, "packages")
            _install(bundle.requirements, packages, machine)
            _keep(packages, folder)
    return folder


def _recipe(bundle: Bundle, machine: Machine) -> str:
    return "\0".join([bundle.requirements.read_text(encoding="utf-8"), machine.name, *machine.wheels])


def _digest(recipe: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]


def _keep(made: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):  # Somebody else was faster: as good.
        made.rename(folder)


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
