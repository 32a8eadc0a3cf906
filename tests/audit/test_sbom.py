"""Bills of materials: valid, complete, the same each time, and silent about where packages come from."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pip_requirements_parser import RequirementsFile

from scripts import locks, sbom

BILLS = [*sbom.PYTHON, "npm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all bills, written once."""
    folder = tmp_path_factory.mktemp("sbom")
    sbom.write(folder)
    return folder


def text(folder: Path, name: str) -> str:
    """Give a bill's bytes as text."""
    return (folder / f"{name}.cdx.json").read_text(encoding="utf-8")


def bill(folder: Path, name: str) -> Any:
    """Give a bill."""
    return json.loads(text(folder, name))


def hashes(component: Any) -> set[str]:
    """Give the digests of the files that a Python component may have come from."""
    return {digest["content"] for found in component["externalReferences"] for digest in found["hashes"]}


def test_there_is_a_bill_of_each_part(folder: Path) -> None:
    """The three bundles, what operators install, and npm's packages, each named after its part."""
    assert {path.name for path in folder.iterdir()} == {f"{name}.cdx.json" for name in BILLS}
    named = [bill(folder, name)["metadata"]["component"] for name in BILLS]
    assert [each["name"] for each in named] == [f"model-relay-{name}" for name in BILLS]
    assert {each["version"] for each in named} == {sbom.version()}


@pytest.mark.parametrize("name", BILLS)
def test_a_bill_is_valid(folder: Path, name: str) -> None:
    """CycloneDX's own schema, in its strict form, finds nothing wrong."""
    version = SchemaVersion.from_version(bill(folder, name)["specVersion"])
    assert JsonStrictValidator(version).validate_str(text(folder, name)) is None


@pytest.mark.parametrize("name", sbom.PYTHON)
def test_a_bill_has_what_is_locked(folder: Path, name: str) -> None:
    """Names, versions and digests are the lock file's, as pip itself reads it: none missing, none more."""
    lock = locks.REQUIREMENTS / f"{sbom.PYTHON[name]}.txt"
    locked = {
        (each.name, str(each.specifier).removeprefix("==")): {
            digest[len("sha256:") :] for digest in each.hash_options
        }
        for each in RequirementsFile.from_file(str(lock)).requirements
    }
    found = {(each["name"], each["version"]): hashes(each) for each in bill(folder, name)["components"]}
    assert found == locked


def test_the_bill_of_npm_has_what_is_locked(folder: Path) -> None:
    """Names, versions and digests are those of npm's lock file."""
    packages = json.loads(locks.PACKAGE_LOCK.read_text(encoding="utf-8"))["packages"]
    locked = {
        (place.rpartition("node_modules/")[2], package["version"]): _digest(package["integrity"])
        for place, package in packages.items()
        if place
    }
    found = {
        (each["name"], each["version"]): each["hashes"][0]["content"]
        for each in bill(folder, "npm")["components"]
    }
    assert found == locked


@pytest.mark.parametrize("name", ["ingest", "dispatch", "console", "npm"])
def test_what_is_passed_on_has_its_licence(folder: Path, name: str) -> None:
    """Each component says what licence it has."""
    assert [each["name"] for each in bill(folder, name)["components"] if not each.get("licenses")] == []


def test_a_package_for_some_machines_says_for_which(folder: Path) -> None:
    """A lock file's marker is kept, so that nobody looks for the package where it never is."""
    components = bill(folder, "operate")["components"]
    marked = {each["name"]: each["properties"][0] for each in components if "properties" in each}
    assert marked["colorama"] == {"name": "model-relay:marker", "value": "sys_platform == 'win32'"}
    assert "boto3" not in marked


@pytest.mark.parametrize("name", BILLS)
def test_a_bill_names_no_index(folder: Path, name: str) -> None:
    """Of addresses, a bill has the schema's alone."""
    rest = text(folder, name).replace(bill(folder, name)["$schema"], "")
    assert "://" not in rest
    assert "simple/" not in rest


@pytest.mark.parametrize("name", ["ingest", "npm"])
def test_the_same_locks_give_the_same_bill(folder: Path, name: str) -> None:
    """Nothing in a bill is of its own day: made again, it is the same."""
    again = sbom.npm_bill() if name == "npm" else sbom.python_bill(name, sbom.PYTHON[name])
    assert again == bill(folder, name)
    assert "timestamp" not in text(folder, name)
    assert "serialNumber" not in text(folder, name)


def _digest(integrity: str) -> str:
    """Give npm's digest as CycloneDX writes it."""
    return base64.b64decode(integrity.removeprefix("sha512-")).hex()
