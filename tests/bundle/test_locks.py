"""What a lock file must hold before anybody installs from it."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def _canonical(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(text: str) -> set[str]:
    """The packages at the beginnings of lines, whatever follows them."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)", text, flags=re.MULTILINE)
    return {_canonical(name) for name in found}


@pytest.mark.parametrize("name", sorted(path.stem for path in REQUIREMENTS.glob("*.in")))
def test_a_lock_holds_what_is_asked_for(name: str) -> None:
    """Every package that a list asks for is locked: a fresh machine installs nothing else."""
    asked = _names((REQUIREMENTS / f"{name}.in").read_text())
    locked = _names((REQUIREMENTS / f"{name}.txt").read_text())
    assert asked
    assert asked - locked == set()


@pytest.mark.parametrize("name", sorted(path.stem for path in REQUIREMENTS.glob("*.in")))
def test_a_lock_names_no_index(name: str) -> None:
    """A lock names packages and hashes, never where they were downloaded from."""
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
