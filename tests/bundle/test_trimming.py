"""Which modules a bundle keeps."""

from __future__ import annotations

from pathlib import Path

from infra import bundling, trimming


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
    for name in trimming._INSTEAD:
        assert (packages / name).is_file(), name
    assert all((packages / name).is_dir() for name in trimming.WHOLE)


def test_prose_goes_and_fields_of_that_name_stay() -> None:
    """A member that is called `documentation` is a shape, and no text."""
    model = {"documentation": "prose", "members": {"documentation": {"shape": "S", "documentation": "prose"}}}
    assert trimming._without_prose([model]) == [{"members": {"documentation": {"shape": "S"}}}]
