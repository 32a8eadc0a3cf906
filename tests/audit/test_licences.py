"""Licences of everything that is locked, in a bundle or not."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from importlib.metadata import Distribution

import pytest

from scripts import licences, locks

MLFLOW = [str(path) for path in (locks.ROOT / ".build" / "mlflow" / "lib").glob("*/site-packages")]
COPYLEFT = re.compile(
    r"\b[AL]?GPL|Affero|GNU|SSPL|Commons Clause|Business Source|Non-?Commercial", re.IGNORECASE
)


def installed() -> dict[str, Distribution]:
    """Give what is installed here and for the tests with MLflow."""
    found = [*importlib.metadata.distributions(), *importlib.metadata.distributions(path=MLFLOW)]
    return {licences.canonical(each.metadata["Name"]): each for each in found}


def test_everything_installed_has_an_accepted_licence() -> None:
    """Each package that is installed states a licence of the list, or one was read in its licence file."""
    stated = {name: licences.of(package) for name, package in installed().items()}
    accepted = licences.INSTALLED.keys()
    assert {name: text for name, text in stated.items() if not licences.allowed(text, accepted)} == {}


@pytest.mark.parametrize("name", locks.names())
def test_a_locked_package_is_installed_or_read(name: str) -> None:
    """No lock names a package whose licence nobody has looked at, on whatever machine it is for."""
    assert MLFLOW
    locked = {each.name for each in locks.read(locks.REQUIREMENTS / f"{name}.txt")}
    assert locked - installed().keys() - licences.READ.keys() == set()


def test_what_was_read_is_still_needed() -> None:
    """A package that has gone, or states its licence by now, leaves the list of those that were read."""
    locked = {each.name for name in locks.names() for each in locks.read(locks.REQUIREMENTS / f"{name}.txt")}
    assert licences.READ.keys() - locked == set()
    here = installed()
    assert {name for name in licences.READ if name in here and licences.stated(here[name])} == set()


def test_another_judge_finds_no_copyleft() -> None:
    """`pip-licenses`, which reads metadata in its own way, names none that binds what uses it."""
    line = [sys.executable, "-m", "piplicenses", "--format=json", "--from=all"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    judged = {each["Name"]: " / ".join(map(str, each.values())) for each in json.loads(done.stdout)}
    assert len(judged) > 100
    assert {name: text for name, text in judged.items() if COPYLEFT.search(text)} == {}


def test_npm_packages_have_accepted_licences() -> None:
    """The lock file states each package's licence, and all of them are on the list."""
    packages = json.loads(locks.PACKAGE_LOCK.read_text(encoding="utf-8"))["packages"]
    stated = {place: package["license"] for place, package in packages.items()}
    accepted = licences.INSTALLED.keys()
    assert {place: text for place, text in stated.items() if not licences.allowed(text, accepted)} == {}
