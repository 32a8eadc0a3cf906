"""Asks whether anything that is locked has a known vulnerability, and tells "none" from "nobody could say".

    python -m scripts.advisories

pip-audit and npm end with 1 for a vulnerability and for an unreachable service alike, and a service that
knows nothing looks like a clean bill. So their reports are read, not their exit codes, and a package that is
known to be vulnerable is asked about along with the others: an answer without it is none.

Exit codes: 0 clean, 1 vulnerable, 3 not (or not wholly) checked and nothing found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts import advisories_npm, advisories_pypi, locks
from scripts.findings import Finding, Package, Unchecked

CLEAN: Final = 0
VULNERABLE: Final = 1
UNCHECKED: Final = 3

ACCEPTED: Final[Mapping[str, str]] = {}
"""Advisories that we live with for now, by id, each with its reason."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for one lock file.

    Attributes:
        lock: The file's name.
        packages: How many packages it names.
        findings: The vulnerable ones.
        unchecked: Why nobody could say; empty where somebody could.
    """

    lock: str
    packages: int
    findings: tuple[Finding, ...] = ()
    unchecked: str = ""

    @property
    def outcome(self) -> str:
        """The outcome in a word or two."""
        if self.unchecked:
            return "not checked"
        return "vulnerable" if self.findings else "clean"


def python_results(files: Sequence[Path], osv_url: str) -> list[Result]:
    """Ask about all Python locks at once: most packages are in several."""
    named = {file: {Package(each.name, each.version) for each in locks.read(file)} for file in files}
    everything = sorted(set().union(*named.values()))
    findings, why = _told(lambda: advisories_pypi.ask(everything, osv_url))
    return [
        Result(file.name, len(packages), tuple(each for each in findings if each.package in packages), why)
        for file, packages in named.items()
    ]


def npm_result(lock: Path, registry: str | None) -> Result:
    """Ask about npm's lock."""
    findings, why = _told(lambda: advisories_npm.ask(lock, registry))
    return Result(lock.name, len(advisories_npm.packages(lock)), tuple(findings), why)


def exit_code(results: Sequence[Result], accepted: Mapping[str, str] = ACCEPTED) -> int:
    """Give what the whole comes to. What was found stands, whatever else could not be checked."""
    unchecked = any(result.unchecked for result in results)
    if _found(results) - accepted.keys() or (outdated(results, accepted) and not unchecked):
        return VULNERABLE
    return UNCHECKED if unchecked else CLEAN


def outdated(results: Sequence[Result], accepted: Mapping[str, str]) -> list[str]:
    """Give the accepted advisories that nobody finds any longer."""
    return sorted(accepted.keys() - _found(results))


def report(results: Sequence[Result], accepted: Mapping[str, str] = ACCEPTED) -> str:
    """Write a table of the locks, and below it what was found and what stood in the way."""
    table = [f"{result.lock:<20}{result.packages:>5} packages  {result.outcome}" for result in results]
    below: dict[str, list[str]] = {}
    for result in results:
        for finding in result.findings:
            below.setdefault(str(finding), []).append(result.lock)
        if result.unchecked:
            below.setdefault(f"not checked: {result.unchecked}", []).append(result.lock)
    notes = [f"  {note} ({', '.join(files)})" for note, files in sorted(below.items())]
    notes += [f"  accepted: {identifier}: {reason}" for identifier, reason in accepted.items()]
    notes += [f"  found no longer, so not to be accepted: {each}" for each in outdated(results, accepted)]
    return "\n".join(["Known vulnerabilities:", *table, *notes, ""])


def main(arguments: Sequence[str] | None = None, accepted: Mapping[str, str] = ACCEPTED) -> int:
    """Ask, print, and give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.advisories", description="Look for known vulnerabilities."
    )
    parser.add_argument("--osv-url", default=advisories_pypi.OSV, help="whom to ask about Python packages")
    parser.add_argument("--registry", help="whom to ask about npm packages; otherwise npm's own setting")
    parser.add_argument("--lock", type=Path, action="append", help="a Python lock file; otherwise all")
    parser.add_argument("--package-lock", type=Path, default=locks.PACKAGE_LOCK, help="npm's lock file")
    given = parser.parse_args(arguments)
    files = given.lock or [locks.REQUIREMENTS / f"{name}.txt" for name in locks.names()]
    results = [*python_results(files, given.osv_url), npm_result(given.package_lock, given.registry)]
    sys.stdout.write(report(results, accepted))
    return exit_code(results, accepted)


def _found(results: Sequence[Result]) -> set[str]:
    """Give the ids of all advisories."""
    return {found for result in results for finding in result.findings for found in finding.advisories}


def _told(ask: Callable[[], list[Finding]]) -> tuple[list[Finding], str]:
    """Give the findings, or why there are none to be had."""
    try:
        return ask(), ""
    except Unchecked as why:
        return [], str(why)


if __name__ == "__main__":
    sys.exit(main())
