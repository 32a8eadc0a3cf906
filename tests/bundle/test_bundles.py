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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jwt
import pytest
from aws_cdk.assertions import Template
from packaging.markers import Marker

from benchmarks.bundles import files, zipped
from functions.core.settings import RelaySettings
from infra import bundling
from infra.function import RelayFunction, Surroundings
from infra.settings import from_context
from modelrelay.cdk import ROOT
from modelrelay.local.deployment import Deployment
from modelrelay.local.signals import Signals
from tests.infra.conftest import built
from tests.infra.test_settings import context
from tests.simulator import keys

from .conftest import MakeBundle

BUNDLES = [bundling.INGEST, bundling.DISPATCH, bundling.CONSOLE]


THERE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{bundling.PYTHON}.0",
    "python_version": bundling.PYTHON,
    "sys_platform": "linux",
}
"""Lambda, as the markers of a lock file see it."""


def runs() -> list[tuple[bundling.Machine, str]]:
    """Give the bundles that can run here, each with its Python: Lambda's where that Python is at hand."""
    there = shutil.which(f"python{bundling.PYTHON}") or sys.executable
    line = [there, "-c", f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{bundling.PYTHON}')"]
    starts = subprocess.run(line, capture_output=True, check=False).returncode == 0
    return [(bundling.HERE, sys.executable), *([(bundling.LAMBDA, there)] if starts else [])]


def digest(folder: Path) -> str:
    """Digest the names and bytes of all that is in a folder."""
    state = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        state.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return state.hexdigest()


@pytest.mark.parametrize(("machine", "python"), runs(), ids=lambda part: getattr(part, "name", ""))
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_imports_with_nothing_but_itself(
    made: MakeBundle, bundle: bundling.Bundle, machine: bundling.Machine, python: str, tmp_path: Path
) -> None:
    """The handler's module imports where only the standard library and the bundle can be found."""
    code = f"import sys; sys.path.insert(0, {str(made(bundle, machine))!r})\n"
    code += f"import functions.{bundle.name}.handler as handler\nprint(callable(handler.handler))"
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1"}
    line = [python, "-I", "-S", "-B", "-W", "error", "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_holds_its_own_code_and_what_is_shared(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """Of our code, a bundle has its function's package and those it shares; of the stack's, nothing."""
    folder = made(bundle)
    assert {path.name for path in (folder / "functions").iterdir()} == {
        "__init__.py",
        "__pycache__",
        *({"core", "operate"} if bundle is bundling.CONSOLE else {"core"}),
        bundle.name,
    }
    assert not (folder / "infra").exists()


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_holds_what_its_lock_file_names(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """The dependencies in a bundle are those of the lock file, in the locked versions, and no others."""
    lock = (ROOT / "requirements" / f"{bundle.lock or bundle.name}.txt").read_text(encoding="utf-8")
    locked = {
        name.replace("-", "_"): version
        for name, version in re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE)
    }
    found = {
        str(found.metadata["Name"]).lower().replace("-", "_"): found.version
        for found in importlib.metadata.distributions(path=[str(made(bundle))])
    }
    assert found == locked


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_holds_nothing_that_it_cannot_use(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """No scripts, no sources of packages, no service models but those of the services that are called."""
    folder = made(bundle)
    assert not (folder / "bin").exists()
    assert not [*folder.glob("cffi"), *folder.glob("pycparser"), *folder.rglob("swagger*.js")]
    assert {path.relative_to(folder).parts[0] for path in folder.rglob("*.py")} == {"functions"}
    assert [*folder.rglob("*.pyi"), *folder.rglob("*.gz"), *folder.rglob("examples-*.json")] == []
    models = {path.name for path in (folder / "botocore" / "data").iterdir() if path.is_dir()}
    assert models == set(bundle.services)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_every_module_has_bytecode_of_lambdas_python(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """The bytecode is of Python 3.13 (3571 is its mark), and never looks for a source (PEP 552)."""
    folder = made(bundle)
    own = {path for path in folder.rglob("*.py") if path.parts[-2] != "__pycache__"}
    missing = [
        path for path in own if not (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").exists()
    ]
    assert missing == []
    heads = {path.read_bytes()[:8] for path in folder.rglob("*.pyc")}
    assert heads == {(3571).to_bytes(2, "little") + b"\r\n" + (1).to_bytes(4, "little")}
    assert len(list(folder.rglob("*.pyc"))) > 130


SIZES = {"ingest": (7, 0.78), "dispatch": (11, 5.88), "console": (7, 0.80)}
"""Packages, and megabytes as a zip file."""


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_bundle_stays_small(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """Every byte is paid for at a cold start, so a package that grows or comes in is noticed."""
    packages, megabytes = SIZES[bundle.name]
    folder = made(bundle)
    assert len(list(folder.glob("*.dist-info"))) == packages
    assert zipped(folder, files(folder)) / 1e6 == pytest.approx(megabytes, rel=0.02)


def test_what_signs_for_an_app_is_most_of_dispatch(made: MakeBundle, tmp_path: Path) -> None:
    """A bundle for a token alone has nothing compiled, a sixth of the size, and a handler that imports."""
    folder = made(bundling.DISPATCH_WITH_A_TOKEN)
    assert not {"cryptography", "jwt", "_cffi_backend"} & {
        path.stem.split(".")[0] for path in folder.iterdir()
    }
    assert compiled(folder) == []
    assert zipped(folder, files(folder)) / 1e6 == pytest.approx(0.97, rel=0.02)
    here = made(bundling.DISPATCH_WITH_A_TOKEN, bundling.HERE)
    code = f"import sys; sys.path.insert(0, {str(here)!r}); import functions.dispatch.handler"
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1"}
    line = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("credential", "bundle"),
    [("any", bundling.DISPATCH), ("token", bundling.DISPATCH_WITH_A_TOKEN)],
)
def test_a_setting_chooses_the_bundle(
    monkeypatch: pytest.MonkeyPatch, credential: str, bundle: bundling.Bundle
) -> None:
    """Who promises a token gets the small bundle, and the function is told that it can sign for no App."""
    asked: dict[str, tuple[bundling.Bundle, str]] = {}

    def make(bundle: bundling.Bundle, settings: RelaySettings, folder: Path, _: bundling.Machine) -> None:
        asked[bundle.name] = (bundle, settings.github.credential)
        folder.mkdir()
        (folder / "empty.py").touch()

    monkeypatch.setattr(bundling, "make", make)
    built({"github": {"credential": credential}})
    assert asked["dispatch"] == (bundle, credential)


def compiled(folder: Path) -> list[Path]:
    """Give what is compiled in a bundle."""
    return sorted(folder.rglob("*.so"))


def test_a_bundle_for_lambda_is_compiled_for_arm64(made: MakeBundle) -> None:
    """What signs for a GitHub App is compiled for Lambda's architecture and Python, whatever bundles it."""
    libraries = compiled(made(bundling.DISPATCH))
    assert [path.name for path in libraries] == [
        "_cffi_backend.cpython-313-aarch64-linux-gnu.so",
        "_rust.abi3.so",
    ]
    # The machine in the header of an ELF file, at byte 18; 183 is AArch64.
    assert [int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries] == [183, 183]
    assert compiled(made(bundling.INGEST)) == []


SIGN = """
import sys
sys.path.insert(0, sys.argv[1])
from functions.dispatch.app import App, sign
sys.stdout.write(sign(App("client", "41", sys.stdin.read()), 1_790_000_000))
"""


def test_a_bundle_for_this_machine_signs_for_an_app(made: MakeBundle, tmp_path: Path) -> None:
    """A local run's function can sign, with nothing but the bundle and the standard library."""
    line = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", SIGN]
    line.append(str(made(bundling.DISPATCH, bundling.HERE)))
    done = subprocess.run(
        line, cwd=tmp_path, input=keys.private_pem(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    lenient: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(done.stdout, keys.public_pem(), algorithms=["RS256"], options=lenient)
    assert claims["iss"] == "client"


def test_bundles_differ_in_what_is_compiled_alone(made: MakeBundle) -> None:
    """What is tested on this machine is what Lambda runs, but for compiled code and notes about it."""

    def plain(machine: bundling.Machine) -> dict[str, bytes]:
        folder = made(bundling.DISPATCH, machine)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix not in {".so", ".pyc"} and ".dist-info" not in str(path)
        }

    here, there = plain(bundling.HERE), plain(bundling.LAMBDA)
    assert {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)} == set()


@pytest.mark.parametrize(
    ("given", "machine"),
    [
        ({}, bundling.LAMBDA),
        ({bundling.HERE_KEY: "false"}, bundling.LAMBDA),
        ({bundling.HERE_KEY: "true"}, bundling.HERE),
        ({bundling.HERE_KEY: True}, bundling.HERE),
    ],
)
def test_a_context_key_bundles_for_this_machine(
    settings: RelaySettings,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    machine: bundling.Machine,
) -> None:
    """The key changes what is in the bundle, and neither the runtime nor the architecture in the template."""
    asked: list[bundling.Machine] = []

    def make(bundle: bundling.Bundle, _: RelaySettings, folder: Path, machine: bundling.Machine) -> None:
        asked.append(machine)
        folder.mkdir()
        (folder / "empty.py").touch()

    monkeypatch.setattr(bundling, "make", make)
    stack = cdk.Stack(cdk.App(context=given), "Stack")
    RelayFunction(
        stack,
        "Dispatch",
        bundle=bundling.DISPATCH,
        surroundings=Surroundings(settings),
        environment={},
        timeout=cdk.Duration.seconds(1),
    )
    assert asked == [machine]
    properties = {"Runtime": "python3.13", "Architectures": ["arm64"]}
    Template.from_stack(stack).has_resource_properties("AWS::Lambda::Function", properties)


def test_a_local_run_asks_for_bundles_for_this_machine(tmp_path: Path) -> None:
    """The local deployment gives the key besides the context of the run, and the settings let it pass."""
    with ExitStack() as running, Signals() as signals:
        deployment = Deployment(tmp_path, {}, {"relay": {"retain_data": False}}, running, signals)
    assert deployment._context == ["-c", 'relay={"retain_data": false}', "-c", f"{bundling.HERE_KEY}=true"]
    assert from_context(context() | {bundling.HERE_KEY: "true"}) == from_context(context())


def test_the_same_input_makes_the_same_bundle(
    made: MakeBundle,
    settings: RelaySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bundle made again, installed and compiled anew, is the same to the byte."""
    monkeypatch.setattr(bundling, "BUILD", tmp_path / "build")
    bundling.make(bundling.INGEST, settings, tmp_path / "again")
    assert digest(tmp_path / "again") == digest(made(bundling.INGEST))


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


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_every_locked_package_is_for_lambda(bundle: bundling.Bundle) -> None:
    """Each package that a lock file wants on some machines only, it wants on Lambda."""
    lock = (ROOT / "requirements" / f"{bundle.lock or bundle.name}.txt").read_text(encoding="utf-8")
    markers = re.findall(r"^\S+==\S+ ; (.*?) \\$", lock, re.MULTILINE)
    assert [marker for marker in markers if not Marker(marker).evaluate(THERE)] == []
    assert len(markers) == lock.count(" ; ")


def test_markers_are_read_for_the_machine_that_runs_the_bundle() -> None:
    """For Lambda a package is wanted whatever machine bundles it; for this machine pip decides."""
    lock = (
        "a==1 ; sys_platform == 'none' \\\n    --hash=sha256:0\n    # via ; b\nb==2 \\\n    --hash=sha256:1\n"
    )
    assert bundling._wanted(lock, bundling.HERE) == lock
    assert bundling._wanted(lock, bundling.LAMBDA) == lock.replace(" ; sys_platform == 'none'", "")


def test_every_lock_file_agrees_on_every_version() -> None:
    """What is tested is what is deployed: where Lambda's wheels are, a package has one version in all locks.

    A Mac with Intel's processor may have an older one, the last that was made for it.
    """
    versions: dict[str, set[str]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        lines = re.findall(
            r"^([\w.-]+)==(\S+)(?: ; (.*?))? \\$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        for name, version, marker in lines:
            if not marker or Marker(marker).evaluate(THERE):
                versions.setdefault(name, set()).add(version)
    assert len(versions) > 50
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_no_lock_file_names_an_address() -> None:
    """Where packages come from is the machine's business: no lock file names an index or a download."""
    locks = [*(ROOT / "requirements").glob("*.txt"), ROOT / "package-lock.json"]
    assert [path.name for path in locks if "://" in path.read_text(encoding="utf-8")] == []
