"""Marks that must not be seen again, and how they are found, as they are or encoded."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_BEGIN: Final = "ca7a"
_MARK: Final = re.compile(rf"{_BEGIN}[0-9a-f]{{12}}", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{20,}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){20,}")


@dataclass
class Marks:
    """Marks by where each was put; each is put in one place only.

    Attributes:
        places: Mark → what it stands in (`databricks text`).
        secrets: What must not be seen either, and is no mark of ours: its name → its value.
    """

    places: dict[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def code(self, place: str) -> str:
        """Give a new mark: 16 hex digits, so that it can be part of a signature, too."""
        code = _BEGIN + secrets.token_hex(6)
        self.places[code] = place
        return code

    def words(self, place: str) -> str:
        """Give prose with what looks like a secret, a token and somebody's address, all with one mark."""
        code = self.code(place)
        return (
            f"Please tell {code}@people.example that ghp_{code}{code}AbCd and the password "
            f"hunter2-{code} are out, says {code}"
        )

    def found_in(self, text: str) -> set[str]:
        """Give the places whose marks, and the names of the secrets that, occur in a text."""
        found: set[str] = set()
        for view in _views(text):
            codes = {code.lower() for code in _MARK.findall(view)}
            found |= {self.places[code] for code in codes & self.places.keys()}
            found |= {name for name, value in self.secrets.items() if value in view}
        return found


def _views(text: str) -> Iterator[str]:
    """Give a text as it is, and whatever in it may be encoded, decoded from every beginning that counts."""
    yield text
    for run in _BASE64.findall(text):
        for start in range(4):
            part = run[start:] if len(run[start:]) % 4 != 1 else run[start:-1]
            yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
    for run in _HEX.findall(text):
        yield binascii.unhexlify(run).decode("latin-1")
