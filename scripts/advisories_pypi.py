"""Asks OSV about Python packages, by pip-audit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from scripts.findings import Finding, Package, Unchecked

OSV: Final = "https://api.osv.dev/v1/query"
KNOWN: Final = Package("django", "2.2")
"""Vulnerable since 2019 (CVE-2019-14232 and others); whoever doesn't know that knows nothing."""

_SECONDS: Final = 600


def ask(packages: Iterable[Package], url: str = OSV) -> list[Finding]:
    """Give the vulnerable ones of some packages.

    pip-audit leaves out a lock file's packages for other machines, and refuses one with two versions of a
    package. So it gets lists of its own, without markers, each with one version of a package.

    Raises:
        Unchecked: The service can't be reached, fails, or doesn't know what everybody knows.
    """
    return [finding for group in _groups(packages) for finding in _ask([*group, KNOWN], url)]


def _groups(packages: Iterable[Package]) -> Iterator[list[Package]]:
    """Part the packages into lists that have no name twice."""
    left = sorted(set(packages))
    while left:
        group = list({package.name: package for package in left}.values())
        yield group
        left = sorted(set(left) - set(group))


def _ask(packages: Sequence[Package], url: str) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "packages.txt")
        wanted.write_text("".join(f"{each.name}=={each.version}\n" for each in packages), encoding="utf-8")
        answers = _pip_audit(wanted, url)
    found = {each.package: each for each in map(_finding, answers)}
    if missing := set(packages) - found.keys():
        raise Unchecked(f"no answer about {', '.join(map(str, sorted(missing)))}")
    if not found.pop(KNOWN).advisories:
        raise Unchecked(f"the service knows nothing against {KNOWN}, so it can't be asked about others")
    return [each for each in found.values() if each.advisories]


def _pip_audit(wanted: Path, url: str) -> list[Any]:
    """Run pip-audit and give its answers; its exit code tells nothing."""
    line = [sys.executable, "-m", "pip_audit", "--requirement", str(wanted), "--no-deps", "--disable-pip"]
    line += ["--vulnerability-service", "osv", "--osv-url", url]
    line += ["--format", "json", "--desc", "off", "--progress-spinner", "off"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - ours
        return list(json.loads(done.stdout)["dependencies"])
    except subprocess.TimeoutExpired:
        raise Unchecked(f"the advisory service took more than {_SECONDS} s") from None
    except (ValueError, KeyError):
        raise Unchecked(_complaint(done.stderr)) from None


def _finding(answer: Any) -> Finding:
    """Read one of pip-audit's answers; one without advisories is a clean package."""
    package = Package(answer["name"], answer.get("version", ""))
    advisories = {advisory["id"]: advisory for advisory in answer.get("vulns", [])}
    mended = {version for advisory in advisories.values() for version in advisory["fix_versions"]}
    return Finding(package, tuple(sorted(advisories)), tuple(sorted(mended)))


def _complaint(text: str) -> str:
    """Give what a program said last: the system's own words where it quotes them, otherwise shortened."""
    last = (text.strip().splitlines() or ["pip-audit gave no report"])[-1]
    system = re.search(r"\[Errno -?\d+\] ([^'\")]+)", last)
    return f"no connection ({system.group(1)})" if system else last[:200]
