"""The pages' figures: they are those of the last run, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import pages


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_pages_state_what_was_measured(page: Path) -> None:
    """No figure in a table differs from the files of results: `python -m benchmarks.pages` writes it."""
    text = page.read_text(encoding="utf-8")
    assert pages.written(text, pages.read()) == text


def test_every_table_is_on_a_page() -> None:
    """What is measured is told."""
    text = "".join(page.read_text(encoding="utf-8") for page in pages.PAGES)
    assert [name for name in pages.BLOCKS if f"<!-- figures: {name} -->" not in text] == []


def test_figures_that_nobody_makes_are_refused() -> None:
    """A page that asks for an unknown table is not left as it is."""
    with pytest.raises(KeyError):
        pages.written("<!-- figures: dreams -->\n<!-- end -->", {})


def test_what_stands_between_the_marks_is_replaced() -> None:
    """The rest of a page stays."""
    found = {
        "size": {
            "commit": "abc",
            "date": "2026-11-23",
            "machine": "one",
            "python": "3.13",
            "rows": {"ingest": {"zipped": 1000.0, "unpacked": 2500.0, "packages": 7}},
        }
    }
    page = pages.written("before\n<!-- figures: size -->\nold\n<!-- end -->\nafter", found)
    assert page.splitlines() == [
        "before",
        "<!-- figures: size -->",
        "*Commit abc, 2026-11-23: one, Python 3.13.*",
        "",
        "| bundle | zipped, MB | unpacked, MB | packages |",
        "|---|---:|---:|---:|",
        "| ingest | 1.00 | 2.50 | 7 |",
        "<!-- end -->",
        "after",
    ]
