"""Bundles: complete by themselves, with nothing else in them, the same each time."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from functions.core.settings import RelaySettings
from infra import bundling
from infra.settings import from_context
from modelrelay.cdk import ROOT
from tests.infra.test_settings import context

BUNDLES = [bundling.INGEST, bundling.DISPATCH]


def pythons() -> list[str]:
    """Give the Pythons at hand: the one that runs the tests, and each newer one that starts."""
    found = filter(None, map(shutil.which, ("python3.12", "python3.13", "python3.14")))
    starts = [
        path
        for path in found
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    ]
    return [sys.executable, *starts]


MakeBundle = Callable[[bundling.Bundle], Path]


@pytest.fixture(scope="session")
def settings() -> RelaySettings:
    """What the functions are told."""
    return from_context(context()).functions


@pytest.fixture(scope="session")
def made(settings: RelaySettings, tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """Give a bundle's folder, made once."""
    folders: dict[str, Path] = {}

    def make(bundle: bundling.Bundle) -> Path:
        if bundle.name not in folders:
            folders[bundle.name] = tmp_path_factory.mktemp("bundles") / bundle.name
            bundling.make(bundle, settings, folders[bundle.name])
        return folders[bundle.name]

    return make


def digest(folder: Path) -> str:
    """Digest the names and bytes of all that is in a folder."""
    state = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        state.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return state.hexdigest()


@pytest.mark.parametrize("python", pythons())
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_imports_with_nothing_but_itself(
    made: MakeBundle, bundle: bundling.Bundle, python: str, tmp_path: Path
) -> None:
    """The handler's module imports where only the standard library and the bundle can be found."""
    code = f"import sys; sys.path.insert(0, {str(made(bundle))!r})\n"
    code += f"import functions.{bundle.name}.handler as handler\nprint(callable(handler.handler))"
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1"}
    line = [python, "-I", "-S", "-B", "-W", "error", "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_holds_its_own_code_and_what_is_shared(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """Of our code, a bundle has its function's package and the shared one; of the stack's, nothing."""
    folder = made(bundle)
    assert {path.name for path in (folder / "functions").iterdir()} == {"__init__.py", "core", bundle.name}
    assert not (folder / "infra").exists()


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_holds_what_its_lock_file_names(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """The dependencies in a bundle are those of the lock file, in the locked versions, and no others."""
    lock = (ROOT / "requirements" / f"{bundle.name}.txt").read_text(encoding="utf-8")
    locked = {
        name.replace("-", "_"): version
        for name, version in re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE)
    }
    found = {
        str(found.metadata["Name"]).replace("-", "_"): found.version
        for found in importlib.metadata.distributions(path=[str(made(bundle))])
    }
    assert found == locked


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_holds_nothing_that_it_cannot_use(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """No caches, no scripts, no service models but those of the services that the function calls."""
    folder = made(bundle)
    assert not [path for path in folder.rglob("*") if path.name == "__pycache__" or path.suffix == ".pyc"]
    assert not (folder / "bin").exists()
    models = {path.name for path in (folder / "botocore" / "data").iterdir() if path.is_dir()}
    assert models == set(bundle.services)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_same_input_makes_the_same_bundle(
    made: MakeBundle,
    bundle: bundling.Bundle,
    settings: RelaySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bundle made again, with its dependencies installed anew, is the same to the byte."""
    monkeypatch.setattr(bundling, "BUILD", tmp_path / "build")
    bundling.make(bundle, settings, tmp_path / "again")
    assert digest(tmp_path / "again") == digest(made(bundle))


def test_the_settings_are_in_the_bundle(made: MakeBundle, settings: RelaySettings) -> None:
    """The function finds at its root what the stack was told."""
    text = (made(bundling.DISPATCH) / "relay.json").read_text(encoding="utf-8")
    assert RelaySettings.from_json(text) == settings
    assert json.loads(text)["routes"][0]["name"] == "default"


def test_a_dependency_with_the_wrong_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: RelaySettings
) -> None:
    """A package that is not the locked one stops the bundling with pip's own words."""
    (tmp_path / "requirements").mkdir()
    wrong = "six==1.17.0 --hash=sha256:" + "0" * 64
    (tmp_path / "requirements" / "ingest.txt").write_text(wrong, encoding="utf-8")
    monkeypatch.setattr(bundling, "ROOT", tmp_path)
    monkeypatch.setattr(bundling, "BUILD", tmp_path / "build")
    with pytest.raises(bundling.BundlingError, match="pip could not install ingest"):
        bundling.make(bundling.INGEST, settings, tmp_path / "bundle")


def test_every_lock_file_agrees_on_every_version() -> None:
    """What is tested is what is deployed: a package has one version in all lock files."""
    versions: dict[str, set[str]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_no_lock_file_names_an_address() -> None:
    """Where packages come from is the machine's business: no lock file names an index or a download."""
    locks = [*(ROOT / "requirements").glob("*.txt"), ROOT / "package-lock.json"]
    assert [path.name for path in locks if "://" in path.read_text(encoding="utf-8")] == []
