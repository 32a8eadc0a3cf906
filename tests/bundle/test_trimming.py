"""Which modules a bundle keeps."""

from __future__ import annotations

import importlib.metadata
import ssl
from pathlib import Path

import botocore

from infra import bundling, instead, trimming

from .conftest import MakeBundle


def lay(folder: Path, **modules: str) -> Path:
    """Lay out modules; two underscores are a dot."""
    for name, source in modules.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder


def test_a_module_is_reached_by_way_of_others(tmp_path: Path) -> None:
    """Imports count wherever they stand, relative ones too, and a module brings its packages along."""
    folder = lay(
        tmp_path,
        a="import b.c\ndef late():\n    from d import e\n",
        b__init="",
        b__c="from .g import x\nfrom .. import nothing\n",
        b__g="x = 1\n",
        d__e="",
        f="",
    )
    (folder / "b" / "init.py").rename(folder / "b" / "__init__.py")
    assert set(trimming.reachable(folder, ["a"])) == {"a", "b", "b.c", "b.g", "d.e"}


def test_what_type_checkers_read_is_not_reached(tmp_path: Path) -> None:
    """The other branch is."""
    source = "import typing\nif typing.TYPE_CHECKING:\n    import b\nelse:\n    import c\n"
    assert set(trimming.reachable(lay(tmp_path, a=source, b="", c=""), ["a"])) == {"a", "c"}


def test_our_code_wants_what_it_names(tmp_path: Path) -> None:
    """What our modules import from elsewhere is told with the names that they take from it."""
    folder = lay(tmp_path, functions__one__handler="import os\nfrom x.y import z\nimport functions.two\n")
    lay(folder, functions__two="import w\n")
    assert trimming.wanted(folder, "functions.one.handler") == {"os", "x.y", "x.y.z", "w"}


def test_what_is_left_out_or_replaced_is_there_in_the_packages() -> None:
    """A package that renames a module is noticed: nothing here speaks of what is no more."""
    packages = bundling._packages(bundling.DISPATCH, bundling.LAMBDA)
    for name in trimming.UNREACHED:
        assert trimming._file(packages, name), name
    for name in instead.MODULES:
        assert (packages / name).is_file(), name
    assert all((packages / name).is_dir() for name in trimming.WHOLE)


def test_prose_goes_and_fields_of_that_name_stay() -> None:
    """A member that is called `documentation` is a shape, and no text."""
    model = {"documentation": "prose", "members": {"documentation": {"shape": "S", "documentation": "prose"}}}
    assert trimming._without_prose([model]) == [{"members": {"documentation": {"shape": "S"}}}]


def test_a_function_takes_of_our_modules_what_it_reaches() -> None:
    """Ingest keeps no ledger, so it takes none along; dispatch does."""
    ingest, dispatch = (
        trimming.own(bundling.ROOT, bundle.start) for bundle in (bundling.INGEST, bundling.DISPATCH)
    )
    assert "functions.core.ledger" not in ingest
    assert {"functions.core.ledger", "functions.core", "functions"} <= set(dispatch)
    assert {name.split(".")[1] for name in [*ingest, *dispatch] if "." in name} == {
        "core",
        "dispatch",
        "ingest",
    }


def test_no_certificate_is_lost(made: MakeBundle) -> None:
    """What botocore trusts is trusted, every one: what went is what was written about them."""
    name = "botocore/cacert.pem"
    whole = ssl.create_default_context(cafile=Path(botocore.__file__).with_name("cacert.pem"))
    ours = ssl.create_default_context(cafile=made(bundling.INGEST) / name)
    assert ours.get_ca_certs(binary_form=True) == whole.get_ca_certs(binary_form=True)
    assert len(ours.get_ca_certs()) > 100
    assert b"#" not in (made(bundling.INGEST) / name).read_bytes()


def test_a_package_keeps_its_name_version_and_licence(made: MakeBundle) -> None:
    """A scanner finds what is there, and whoever gets a bundle the licences; the index's pages are gone."""
    found = [*importlib.metadata.distributions(path=[str(made(bundling.DISPATCH))])]
    assert len(found) > 7
    for each in found:
        assert each.metadata["Name"]
        assert each.version
        assert [path for path in each._path.rglob("*") if "LICENSE" in path.name], each  # type: ignore[attr-defined]
        assert not each.metadata.get_payload()  # type: ignore[attr-defined]
