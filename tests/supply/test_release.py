"""Releases: what the tag names, complete, with digests that hold."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from modelrelay.cdk import ROOT
from scripts import release
from tests.supply import workflows

CHANGELOG = """# Changelog

## Unreleased

- Later.

## 1.2.3 (2026-11-23)

### Added

- Everything.

## 1.2.2 (2026-11-01)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of version 1.2.3 with a bill of materials, and with a file that is not committed."""
    root = tmp_path / "repository"
    (root / ".build" / "sbom").mkdir(parents=True)
    (root / ".build" / "sbom" / "ingest.cdx.json").write_text("{}")
    (root / ".gitignore").write_text(".build/\n")
    (root / "pyproject.toml").write_text('[project]\nname = "model-relay"\nversion = "1.2.3"\n')
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "All")
    (root / "secret.txt").write_text("not committed")
    return root


def git(root: Path, *arguments: str) -> None:
    """Run git as somebody, whoever runs the tests."""
    somebody = [
        "-c",
        "user.name=Somebody",
        "-c",
        "user.email=somebody@example.com",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run(["git", *somebody, *arguments], cwd=root, check=True)


def built(root: Path, name: str = "release") -> Path:
    """Build the release and give its folder."""
    folder = root.parent / name
    release.build("v1.2.3", folder, root)
    return folder


def test_a_release_has_the_source_the_bills_and_their_digests(root: Path) -> None:
    """The files are named after the version."""
    assert {path.name for path in built(root).iterdir()} == {
        "NOTES.md",
        "SHA256SUMS",
        "model-relay-1.2.3.tar.gz",
        "model-relay-1.2.3-ingest.cdx.json",
    }


def test_the_digests_hold(root: Path) -> None:
    """`sha256sum` agrees, and every file but the notes has a digest."""
    folder = built(root)
    line = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK\n") == len(list(folder.iterdir())) - 2


def test_the_archive_has_what_is_committed(root: Path) -> None:
    """One folder, named after the version, with the committed files and no others."""
    with tarfile.open(built(root) / "model-relay-1.2.3.tar.gz") as archive:
        names = {name for name in archive.getnames() if archive.getmember(name).isfile()}
    committed = [".gitignore", "CHANGELOG.md", "pyproject.toml"]
    assert names == {f"model-relay-1.2.3/{name}" for name in committed}


def test_a_commit_gives_the_same_archive_each_time(root: Path) -> None:
    """Whoever packs the commit again can compare the digest."""
    first, second = built(root, "first"), built(root, "second")
    assert (first / "SHA256SUMS").read_text() == (second / "SHA256SUMS").read_text()


def test_the_notes_are_the_section_of_the_changelog(root: Path) -> None:
    """What changed in this version, without the versions around it, and how to verify the files."""
    notes = (built(root) / "NOTES.md").read_text()
    assert notes.startswith("### Added\n\n- Everything.\n")
    assert "Later" not in notes
    assert "1.2.2" not in notes
    assert "gh attestation verify" in notes


def test_a_tag_that_is_not_the_version_makes_no_release(root: Path) -> None:
    """A tag that was mistyped, or set before the version was raised, is told at once."""
    with pytest.raises(release.ReleaseError, match=r"tag is v1\.2\.4, but pyproject\.toml says 1\.2\.3"):
        release.build("v1.2.4", root.parent / "release", root)


def test_a_version_that_the_changelog_lacks_makes_no_release(root: Path) -> None:
    """A heading without a word below it is no section either."""
    (root / "CHANGELOG.md").write_text(CHANGELOG.replace("### Added\n\n- Everything.\n", ""))
    with pytest.raises(release.ReleaseError, match=r"no section ## 1\.2\.3"):
        release.build("v1.2.3", root.parent / "release", root)


def test_no_release_without_bills_of_materials(root: Path) -> None:
    """They are made before, by `make sbom`."""
    (root / ".build" / "sbom" / "ingest.cdx.json").unlink()
    with pytest.raises(release.ReleaseError, match="make sbom"):
        release.build("v1.2.3", root.parent / "release", root)


def test_the_workflow_publishes_what_is_built() -> None:
    """One job makes the bills and calls this script; the other attests to the files and uploads them."""
    jobs = workflows.jobs(ROOT / ".github" / "workflows" / "release.yml")
    built = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert built == [
        "make sbom",
        '.venv/bin/python -m scripts.release "$GITHUB_REF_NAME" "$RUNNER_TEMP/release"',
    ]
    download, attest, publish = jobs["publish"]["steps"]
    assert download["with"] == {"name": "release", "path": "release"}
    assert attest["with"] == {"subject-path": "release/model-relay-*"}
    moved, created = publish["run"].strip().splitlines()
    assert moved == f"mv release/{release.NOTES} ."
    assert created.startswith('gh release create "$GITHUB_REF_NAME" release/* --verify-tag ')
