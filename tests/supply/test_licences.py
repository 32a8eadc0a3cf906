"""Licences: what is in the bundles may be passed on, with its notices."""

from __future__ import annotations

import importlib.metadata
from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from infra import bundling
from scripts import licences

BUNDLES = [bundling.INGEST, bundling.DISPATCH, bundling.CONSOLE]


class Described(Distribution):
    """A package of which nothing but its metadata is known."""

    def __init__(self, *fields: tuple[str, str]) -> None:
        self._text = Message()
        for name, value in (("Name", "made_up"), ("Version", "1.0"), *fields):
            self._text[name] = value

    def read_text(self, filename: str) -> str | None:
        """Give the metadata; there are no other files."""
        return self._text.as_string() if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        """Find a file: there are none."""
        raise FileNotFoundError(path)


@pytest.fixture(scope="module", params=BUNDLES, ids=lambda bundle: bundle.name)
def packages(request: pytest.FixtureRequest) -> dict[Path, Distribution]:
    """A bundle's packages for Lambda, by the folder of their metadata."""
    folder = bundling._dependencies(request.param, bundling.LAMBDA)
    found = {path: importlib.metadata.PathDistribution(path) for path in folder.glob("*.dist-info")}
    return dict(found)


def test_what_is_bundled_may_be_passed_on(packages: dict[Path, Distribution]) -> None:
    """Each package in a bundle has a licence that only asks for its notice."""
    assert packages
    stated = {package.name: licences.of(package) for package in packages.values()}
    accepted = licences.BUNDLED.keys()
    assert {name: text for name, text in stated.items() if not licences.allowed(text, accepted)} == {}


def test_a_notice_stays_in_the_bundle(packages: dict[Path, Distribution]) -> None:
    """Each licence file that a package names is in the bundle, and each package names at least one."""
    for folder, package in packages.items():
        names = package.metadata.get_all("License-File") or []
        assert names, package.name
        kept = [
            path for name in names for path in (folder / name, folder / "licenses" / name) if path.is_file()
        ]
        assert len(kept) == len(names), package.name
        assert [path for path in kept if not path.stat().st_size] == []


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND MIT OR Apache-2.0", True),
        ("(MIT OR Apache-2.0) AND MIT", False),
        ("MPL-2.0", False),
        ("", False),
    ],
)
def test_an_expression_is_accepted_by_its_parts(expression: str, accepted: bool) -> None:  # noqa: FBT001 - a table
    """Of `OR` one part is enough, of `AND` all are needed; what isn't understood is refused."""
    assert licences.allowed(expression, licences.BUNDLED.keys()) is accepted


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT AND PSF-2.0"), ("License", "GPL-3.0-only")], "MIT AND PSF-2.0"),
        ([("License", "apache-2.0")], "Apache-2.0"),
        ([("License", "The MIT License"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
    ],
)
def test_a_licence_is_taken_from_where_it_is_stated(fields: list[tuple[str, str]], licence: str) -> None:
    """The newest of the three places counts, and only words that say one thing."""
    assert licences.of(Described(*fields)) == licence


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("License", "BSD")],
        [("Classifier", "License :: OSI Approved :: BSD License")],
        [
            ("Classifier", "License :: OSI Approved :: MIT License"),
            ("Classifier", "License :: OSI Approved :: BSD License"),
        ],
    ],
)
def test_an_unclear_licence_is_not_guessed(fields: list[tuple[str, str]]) -> None:
    """Words that several licences go by, two classifiers at once, or nothing: somebody has to read it."""
    with pytest.raises(licences.UnclearLicence, match=r"made-up 1\.0"):
        licences.of(Described(*fields))
