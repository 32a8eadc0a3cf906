"""What tells people how to report, release and deploy names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelrelay.cdk import ROOT
from scripts import advisories
from tests.supply import workflows

DOCUMENTS = [ROOT / name for name in ("SECURITY.md", "docs/releasing.md", "examples/github/README.md")]
RELEASING = ROOT / "docs" / "releasing.md"

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def anchors(document: Path) -> set[str]:
    """Give a document's headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets() -> set[str]:
    """Give the Makefile's targets."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@each_document
def test_a_link_leads_somewhere(document: Path) -> None:
    """Each link within the repository names a file, and a heading of it where it names one."""
    links = re.findall(r"\]\((?!https?://)([^)\s]+)\)", document.read_text(encoding="utf-8"))
    assert links
    for link in links:
        name, _, heading = link.partition("#")
        file = document.parent / name if name else document
        assert file.is_file(), link
        assert not heading or heading in anchors(file), link


@pytest.mark.parametrize("file", [*DOCUMENTS, *workflows.WORKFLOWS], ids=lambda path: path.name)
def test_a_make_target_that_is_named_exists(file: Path) -> None:
    """What people or workflows are told to run, the Makefile has."""
    named = set(re.findall(r"(?:`|run: |^    )make ([a-z]+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - targets() == set()


def test_the_exit_codes_are_those_that_are_documented() -> None:
    """The table in the document says what the script ends with."""
    rows = re.findall(r"^\| `([a-z ]+)` \| (\d) \|", RELEASING.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(code) for name, code in rows} == {
        "clean": advisories.CLEAN,
        "vulnerable": advisories.VULNERABLE,
        "not checked": advisories.UNCHECKED,
    }
