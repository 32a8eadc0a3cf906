"""Puts together what a release consists of: the source to deploy from, bills of materials, digests, notes.

    python -m scripts.release v1.2.3 FOLDER

The tag must be the version of pyproject.toml, and the changelog must have a section of that version.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
NOTES: Final = "NOTES.md"
DIGESTS: Final = "SHA256SUMS"

_VERIFY: Final = """
## Where this comes from

Each file's digest is in `SHA256SUMS`. `gh attestation verify FILE --repo OWNER/REPOSITORY` proves that the
release workflow of that repository built it, and from which commit. The `.cdx.json` files list what each
function's bundle, an operator's environment and npm's part consist of (CycloneDX).
"""


class ReleaseError(Exception):
    """The release can't be made. The text says what is missing."""


def build(tag: str, folder: Path, root: Path = ROOT) -> None:
    """Put a release together.

    Args:
        tag: The version's tag, such as `v1.2.3`, on the commit that is checked out.
        folder: Where to put the files; must not exist yet.
        root: The repository, with its bills of materials in `.build/sbom`.

    Raises:
        ReleaseError: The tag fits neither the project nor its changelog, or there are no bills.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], str(project["version"])
    if tag != f"v{version}":
        raise ReleaseError(f"The tag is {tag}, but pyproject.toml says {version}.")
    notes = _notes(root, version)
    folder.mkdir(parents=True)
    files = [_archive(root, folder, f"{name}-{version}"), *_bills(root, folder, f"{name}-{version}")]
    (folder / DIGESTS).write_text(_digests(files), encoding="utf-8")
    (folder / NOTES).write_text(notes + _VERIFY, encoding="utf-8")


def _notes(root: Path, version: str) -> str:
    """Give the changelog's section of a version, without its heading."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    found = {heading.split()[0]: body for heading, body in zip(sections[1::2], sections[2::2], strict=True)}
    if not found.get(version, "").strip():
        raise ReleaseError(f"CHANGELOG.md has no section ## {version}, or nothing in it.")
    return f"{found[version].strip()}\n"


def _archive(root: Path, folder: Path, name: str) -> Path:
    """Pack what is committed, and nothing else; the same commit gives the same bytes."""
    file = folder / f"{name}.tar.gz"
    line = ["git", "archive", "--format=tar.gz", f"--prefix={name}/", f"--output={file}", "HEAD"]
    subprocess.run(line, cwd=root, check=True)  # noqa: S603 - our own words
    return file


def _bills(root: Path, folder: Path, name: str) -> list[Path]:
    """Copy the bills of materials under names that tell the version."""
    bills = sorted((root / ".build" / "sbom").glob("*.cdx.json"))
    if not bills:
        raise ReleaseError("There are no bills of materials in .build/sbom. Run: make sbom")
    return [Path(shutil.copyfile(bill, folder / f"{name}-{bill.name}")) for bill in bills]


def _digests(files: Iterable[Path]) -> str:
    """Write digests as `sha256sum --check` reads them."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def main(tag: str, folder: str) -> None:
    """Put the release together, or say why not."""
    try:
        build(tag, Path(folder))
    except ReleaseError as why:
        sys.exit(str(why))


if __name__ == "__main__":
    main(*sys.argv[1:])
