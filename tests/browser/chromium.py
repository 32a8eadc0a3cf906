"""The program that shows the pages: npm's Chromium, or this machine's where npm has none.

The npm package holds a Chromium without windows for Linux on x86-64, compressed, with the libraries and the
fonts that it needs. So it runs on a machine without any of these, and text is equally wide everywhere.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from modelrelay.cdk import ROOT

PACKAGE = ROOT / "node_modules" / "@sparticuz" / "chromium"
BUILD = ROOT / ".build"
STOP_SECONDS = 5
INSTALLED = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# The package unpacks into the folder for temporary files, whichever that is.
_UNPACK = """
import { inflate } from "@sparticuz/chromium";
await Promise.all(process.argv.slice(1).map((archive) => inflate(archive)));
"""
_ARCHIVES = ("chromium.br", "al2023.tar.br", "fonts.tar.br")
# The package's own names folders of Lambda.
_FONTS = (
    '<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>'
)


class NoBrowserError(Exception):
    """Raised when there is no browser to test with; the message says what to install."""


@dataclass(frozen=True)
class Program:
    """A browser's file, and the environment variables that it needs."""

    path: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without what concerns AWS and GitHub, and with the browser's own."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GITHUB_"))}
        return kept | self.variables


def find() -> Program:
    """Find the browser for this machine, and unpack it when that has not been done.

    Raises:
        NoBrowserError: There is none.
    """
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        return installed(system, machine)
    description = PACKAGE / "package.json"
    if not description.exists():
        raise NoBrowserError("The browser is not installed here. Run: make node_modules/dev.stamp")
    version = json.loads(description.read_text())["version"]
    return unpacked(BUILD / f"chromium-{version}")


def installed(system: str, machine: str, which: Callable[[str], str | None] = shutil.which) -> Program:
    """Take the first browser of the Chromium family that is installed on this machine.

    Raises:
        NoBrowserError: There is none.
    """
    found = next(filter(None, map(which, INSTALLED)), None)
    if found is None:
        raise NoBrowserError(
            f"npm has no Chromium for {system} on {machine}. "
            "Install Google Chrome or Chromium, then run the tests again."
        )
    return Program(Path(found))


def unpacked(home: Path) -> Program:
    """Give npm's Chromium, unpacked into a folder that later runs use again."""
    if not home.exists():
        _unpack(home)
    variables = {
        "LD_LIBRARY_PATH": str(home / "al2023" / "lib"),
        "FONTCONFIG_FILE": str(home / "fonts.conf"),
        "XDG_CACHE_HOME": str(home),
    }
    return Program(home / "chromium", variables)


def _unpack(home: Path) -> None:
    """Unpack beside the folder, then rename: it is whole or absent, also if two processes begin at once."""
    home.parent.mkdir(exist_ok=True)
    node = Path(sys.prefix, "bin", "node")
    with TemporaryDirectory(dir=home.parent, prefix="chromium-") as folder:
        subprocess.run(
            [node, "--input-type=module", "--eval", _UNPACK, *(PACKAGE / "bin" / name for name in _ARCHIVES)],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": folder},
            check=True,
        )
        Path(folder, "fonts.conf").write_text(_FONTS)
        # The other process may have been faster; a folder that is there is then as good as ours.
        with suppress(OSError):
            Path(folder).rename(home)
    assert home.exists()


def children() -> set[psutil.Process]:
    """Give the processes that this one has started itself."""
    return set(psutil.Process().children())


def with_descendants(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Add to processes all that they have started."""
    return {member for process in processes for member in (process, *process.children(recursive=True))}


def end(processes: Iterable[psutil.Process]) -> None:
    """Wait until these processes have ended, and kill those that don't."""
    _, left = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)
