"""What those who know advisories answer, in one form."""

from __future__ import annotations

from dataclasses import dataclass


class Unchecked(Exception):
    """Nobody could say whether anything is vulnerable. The text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A package in one version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A vulnerable package.

    Attributes:
        package: Which one.
        advisories: The advisories' ids.
        mended: The versions that have it no more, as far as the advisory names any.
    """

    package: Package
    advisories: tuple[str, ...]
    mended: tuple[str, ...] = ()

    def __str__(self) -> str:
        mended = f", mended in {', '.join(self.mended)}" if self.mended else ""
        return f"{self.package}: {', '.join(self.advisories)}{mended}"
