"""Advisories: found where there are any, none where there are none, and never taken for the other."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scripts import advisories, advisories_npm, locks
from scripts.findings import Package
from tests.audit.advisory_server import Service, serving

NOTHING: Mapping[str, str] = {}
HASH = f"    --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that knows what everybody knows."""
    with serving(Service()) as running:
        yield running


@pytest.fixture
def nowhere() -> str:
    """An address where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def lock(folder: Path, *entries: str, name: str = "some.txt") -> Path:
    """Write a lock file."""
    file = folder / name
    file.write_text("".join(f"{entry} \\\n{HASH}" for entry in entries), encoding="utf-8")
    return file


def check(
    capsys: pytest.CaptureFixture[str],
    osv: str,
    npm: str,
    *files: Path,
    accepted: Mapping[str, str] = NOTHING,
) -> tuple[int, str]:
    """Run the script and give its exit code and what it printed."""
    arguments = ["--osv-url", f"{osv}/v1/query", "--registry", npm]
    arguments += [part for file in files for part in ("--lock", str(file))]
    code = advisories.main(arguments, accepted)
    return code, capsys.readouterr().out


def test_all_that_is_locked_is_asked_about(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Each version of each package of each lock file is asked about, wherever it would be installed."""
    code, _told = check(capsys, service.url, service.url)
    files = [locks.REQUIREMENTS / f"{name}.txt" for name in locks.names()]
    locked = {(each.name, each.version) for file in files for each in locks.read(file)}
    npm = {(each.name, each.version) for each in advisories_npm.packages(locks.PACKAGE_LOCK).values()}
    assert len(files) >= 7
    assert service.asked == locked | npm | {("django", "2.2"), ("minimist", "0.0.8")}
    assert code == advisories.CLEAN


def test_a_vulnerable_package_is_named_with_its_locks(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is vulnerable is told with its version, its advisory, what mends it and which locks have it."""
    service.vulnerable["bad"] = "1.0"
    files = [lock(tmp_path, "bad==1.0", "good==1.0"), lock(tmp_path, "bad==1.1", name="other.txt")]
    code, told = check(capsys, service.url, service.url, *files)
    assert code == advisories.VULNERABLE
    assert "  bad 1.0: PYSEC-1-bad, mended in 99.1 (some.txt)\n" in told
    assert "other.txt               1 packages  clean\n" in told
    assert "django" not in told


def test_a_package_for_other_machines_is_found_too(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone, pip-audit leaves out what isn't for this machine, and refuses two versions of one package."""
    service.vulnerable["bad"] = "1.0"
    file = lock(tmp_path, "bad==1.0 ; sys_platform == 'nowhere'", "bad==2.0 ; sys_platform != 'nowhere'")
    code, told = check(capsys, service.url, service.url, file)
    assert code == advisories.VULNERABLE
    assert "  bad 1.0: PYSEC-1-bad, mended in 99.1 (some.txt)\n" in told


def test_a_vulnerable_npm_package_is_named(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has the package that has the advisory, without the one that everybody knows."""
    versions = {each.name: each.version for each in advisories_npm.packages(locks.PACKAGE_LOCK).values()}
    service.vulnerable["tar-fs"] = versions["tar-fs"]
    code, told = check(capsys, service.url, service.url, lock(tmp_path, "good==1.0"))
    assert code == advisories.VULNERABLE
    assert f"  tar-fs {versions['tar-fs']}: GHSA-tar-fs (package-lock.json)\n" in told
    assert "minimist" not in told


def test_an_unreachable_service_is_not_a_clean_bill(
    nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody answers, each lock is "not checked", with an exit code of its own."""
    code, told = check(capsys, nowhere, nowhere, lock(tmp_path, "good==1.0"))
    assert code == advisories.UNCHECKED
    assert told.count("packages  not checked\n") == 2
    assert "clean" not in told
    assert "  not checked: no connection (Connection refused) (some.txt)\n" in told


def test_a_service_that_breaks_off_has_not_answered(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer about half of the packages is none."""
    service.broken = 2
    file = lock(tmp_path, *(f"good-{number}==1.0" for number in range(5)))
    code, told = check(capsys, service.url, service.url, file)
    assert code == advisories.UNCHECKED
    assert "some.txt                5 packages  not checked\n" in told
    assert re.search(r"^package-lock\.json +\d+ packages  clean$", told, re.MULTILINE)


def test_a_service_that_knows_nothing_is_not_believed(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mirror without advisories answers that all is well, even of what everybody knows is not."""
    service.vulnerable.clear()
    code, told = check(capsys, service.url, service.url, lock(tmp_path, "good==1.0"))
    assert code == advisories.UNCHECKED
    assert "not checked: the service knows nothing against django 2.2" in told
    assert "not checked: the registry knows nothing against minimist 0.0.8" in told


def test_what_was_found_stands_beside_what_could_not_be_checked(
    service: Service, nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A vulnerability is one, whether or not the other service answers."""
    service.vulnerable["bad"] = "1.0"
    code, told = check(capsys, service.url, nowhere, lock(tmp_path, "bad==1.0"))
    assert code == advisories.VULNERABLE
    assert "some.txt                1 packages  vulnerable\n" in told
    assert "not checked\n" in told


def test_an_accepted_advisory_is_told_and_fails_nothing(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody has accepted with a reason stays visible; another advisory still fails."""
    service.vulnerable["bad"] = "1.0"
    one, two = lock(tmp_path, "bad==1.0"), lock(tmp_path, "bad==1.0", "worse==1.0", name="other.txt")
    accepted = {"PYSEC-1-bad": "We never call it."}
    code, told = check(capsys, service.url, service.url, one, accepted=accepted)
    assert code == advisories.CLEAN
    assert "  bad 1.0: PYSEC-1-bad" in told
    assert "  accepted: PYSEC-1-bad: We never call it.\n" in told
    service.vulnerable["worse"] = "1.0"
    assert check(capsys, service.url, service.url, two, accepted=accepted)[0] == advisories.VULNERABLE


def test_an_acceptance_does_not_outlive_its_advisory(
    service: Service, nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody finds any longer has to leave the list, once somebody could look for it."""
    file, accepted = lock(tmp_path, "good==1.0"), {"PYSEC-1-bad": "We never call it."}
    code, told = check(capsys, service.url, service.url, file, accepted=accepted)
    assert code == advisories.VULNERABLE
    assert "  found no longer, so not to be accepted: PYSEC-1-bad\n" in told
    assert check(capsys, nowhere, service.url, file, accepted=accepted)[0] == advisories.UNCHECKED


def test_a_lock_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    """A package without an exact version or without a hash can't be asked about."""
    file = tmp_path / "loose.txt"
    file.write_text("loose>=1.0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"loose\.txt names a package without"):
        locks.read(file)
    assert locks.read(lock(tmp_path, "good==1.0"))[0].hashes == ("0" * 64,)


def test_npm_packages_are_named_by_where_they_are(tmp_path: Path) -> None:
    """A package within a package, and one with a scope, keep their own names."""
    places = {
        "": {},
        "node_modules/@a/b": {"version": "1"},
        "node_modules/c/node_modules/d": {"version": "2"},
    }
    file = tmp_path / "package-lock.json"
    file.write_text(str({"packages": places}).replace("'", '"'), encoding="utf-8")
    assert set(advisories_npm.packages(file).values()) == {Package("@a/b", "1"), Package("d", "2")}
