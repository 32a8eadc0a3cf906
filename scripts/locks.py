"""The lock files, read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "requirements"
PACKAGE_LOCK: Final = ROOT / "package-lock.json"

_ENTRY: Final = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\\n]+?))? \\\n"
    r"(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, order=True)
class Locked:
    """A package of a lock file.

    Attributes:
        name: As package indexes compare it.
        version: The one version that may be installed.
        marker: On which machines, as PEP 508 writes it; empty for all.
        hashes: SHA-256, in hexadecimal, of each file that may be installed.
    """

    name: str
    version: str
    marker: str = ""
    hashes: tuple[str, ...] = ()


def read(lock: Path) -> list[Locked]:
    """Give what a lock file names, in its order.

    Raises:
        ValueError: A package in it has no exact version or no hash.
    """
    text = lock.read_text(encoding="utf-8")
    found = [
        Locked(entry["name"], entry["version"], entry["marker"] or "", _hashes(entry["hashes"]))
        for entry in _ENTRY.finditer(text)
    ]
    if len(found) != len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)):
        raise ValueError(f"{lock.name} names a package without an exact version or without a hash")
    return found


def names() -> list[str]:
    """Give the names of the sets that are locked."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.in"))


def _hashes(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"sha256:([0-9a-f]{64})", text))
