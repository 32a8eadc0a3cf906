"""Asks npm's registry about npm packages, by `npm audit`."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from scripts.findings import Finding, Package, Unchecked

KNOWN: Final = Package("minimist", "0.0.8")
"""Vulnerable since 2020 (CVE-2020-7598); a registry without advisories answers that all is well."""

_SECONDS: Final = 180


def packages(lock: Path) -> dict[str, Package]:
    """Give what npm's lock file names, by where it is installed."""
    entries = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {
        place: Package(place.rpartition("node_modules/")[2], entry["version"])
        for place, entry in entries.items()
        if place
    }


def ask(lock: Path, registry: str | None = None) -> list[Finding]:
    """Give the vulnerable packages of npm's lock file.

    Args:
        lock: The file.
        registry: Whom to ask; otherwise whom npm is set to ask.

    Raises:
        Unchecked: The registry can't be reached, takes no such question, or knows nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_project(Path(folder), json.loads(lock.read_text(encoding="utf-8")))
        vulnerable = _npm_audit(Path(folder), registry)
    if not vulnerable.pop(KNOWN.name, None):
        raise Unchecked(f"the registry knows nothing against {KNOWN}, so it can't be asked about others")
    named = packages(lock)
    return [
        Finding(named[place], ids)
        for entry in vulnerable.values()
        if (ids := _advisories(entry))
        for place in entry["nodes"]
    ]


def _write_project(folder: Path, lock: Any) -> None:
    """Write a project that has what the lock file has, and the known one as well."""
    root = lock["packages"][""]
    root["dependencies"] = {**root.get("dependencies", {}), KNOWN.name: KNOWN.version}
    lock["packages"][f"node_modules/{KNOWN.name}"] = {"version": KNOWN.version}
    (folder / "package.json").write_text(json.dumps(root), encoding="utf-8")
    (folder / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")


def _npm_audit(folder: Path, registry: str | None) -> dict[str, Any]:
    """Run npm and give the vulnerable packages by name; its exit code tells nothing."""
    line = ["npm", "audit", "--json", "--package-lock-only", "--fetch-retry-mintimeout=1000"]
    line += ["--registry", registry] if registry else []
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            line, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Unchecked(f"npm gave no report ({type(error).__name__})") from None
    if "vulnerabilities" not in answer:
        raise Unchecked(str(answer.get("message") or answer.get("error") or "npm gave no report")[:200])
    return dict(answer["vulnerabilities"])


def _advisories(entry: Any) -> tuple[str, ...]:
    """Give the advisories against a package itself; a name among them is a dependency's trouble."""
    own = [advisory for advisory in entry["via"] if isinstance(advisory, dict)]
    return tuple(sorted({advisory["url"].rpartition("/")[2] for advisory in own}))
