"""The credential with which GitHub is called: a token, or an App that mints tokens."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

from functions.core.secrets import TTL_SECONDS, Secret, SecretUnavailable
from functions.core.settings import Target
from functions.dispatch.app import App, Installation, TokenRefused, UnreadableKey
from functions.dispatch.github import GitHub

__all__ = ["Credentials", "NoCredential", "TokenRefused"]

_APP_KEYS: Final = ("client_id", "installation_id", "private_key")
_NUMBERS: Final = frozenset({"client_id", "installation_id"})
"""What a person may write as a JSON number: an App's own id serves in place of its client id."""

_FORMS: Final = '{"token": "…"} or {"client_id": "…", "installation_id": "…", "private_key": "-----BEGIN…"}'
_PEM: Final = re.compile(r"(-----BEGIN [A-Z ]+-----)(.*)(-----END [A-Z ]+-----)", re.DOTALL)
_FINGERPRINT_DIGITS: Final = 16


class NoCredential(Exception):
    """There is nothing to call GitHub with. Raised until a person mends the secret; `reason` says how."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Credentials:
    """Gives what the GitHub secret leads to: its token, or tokens minted for its App.

    Args:
        secret: `{"token": "…"}`, or an App's `client_id`, `installation_id` and `private_key`.
        github: Where an App's tokens are minted.
        clock: Seconds since the epoch.
        apps: Whether there is anything to sign with for an App.
    """

    def __init__(
        self, secret: Secret, github: GitHub, clock: Callable[[], float], *, apps: bool = True
    ) -> None:
        self._apps = apps
        self._secret = secret
        self._github = github
        self._clock = clock
        self._installation: Installation | None = None

    def fingerprint(self, max_age: float = TTL_SECONDS) -> str:
        """Tell one content of the secret from another without telling it; empty while the secret is.

        Args:
            max_age: How many seconds ago the secret may have been read.

        Raises:
            NoCredential: The secret can't be read.
        """
        value = self._value(max_age)
        return hashlib.sha256(value.encode()).hexdigest()[:_FINGERPRINT_DIGITS] if value else ""

    def token(self, target: Target) -> str:
        """Give a token that starts the target's workflow.

        Raises:
            NoCredential: The secret is empty, of another form, or can't be read.
            NoAnswer: A token had to be minted, and GitHub did not answer. No workflow was asked for.
            TokenRefused: A token had to be minted, and GitHub minted none.
        """
        credential = parse(self._value(TTL_SECONDS))
        if isinstance(credential, str):
            self._installation = None
            return credential
        if not self._apps:
            raise _malformed(
                "holds a GitHub App's keys, and this deployment was made for a token alone: set "
                "relay.github.credential to 'any' and deploy, or put a token into it."
            )
        if self._installation is None or self._installation.app != credential:
            self._installation = Installation(credential, self._github, self._clock)
        try:
            return self._installation.token(target)
        except UnreadableKey as error:
            raise _malformed(
                f"holds a 'private_key' that is {error}: paste all of the file that GitHub gave, from "
                f"-----BEGIN RSA PRIVATE KEY----- to -----END RSA PRIVATE KEY-----."
            ) from None

    def forget(self, target: Target) -> None:
        """Read the secret and mint anew at the next use: GitHub rejected the token."""
        self._secret.forget()
        if self._installation:
            self._installation.forget(target)

    def fresh(self, target: Target) -> bool:
        """Tell whether the token was minted so lately that a 401 may only mean that it isn't known yet."""
        return self._installation is not None and self._installation.fresh(target)

    def _value(self, max_age: float) -> str:
        try:
            values = self._secret.values(max_age)
        except SecretUnavailable as error:
            raise NoCredential(
                "secret-unavailable", f"Secrets Manager did not give the GitHub secret ({error})."
            ) from None
        return "".join(values[:1]).strip()


def parse(value: str) -> str | App:
    """Read the secret's content: a token or an App.

    Raises:
        NoCredential: It is empty or of another form; the text says what is wrong with it.
    """
    if not value:
        raise NoCredential("credential-missing", f"The GitHub secret is empty: put {_FORMS} into it.")
    content = _decode(value)
    given = {key: _text(key, content[key]) for key in ("token", *_APP_KEYS) if content.get(key) is not None}
    filled = {key: text for key, text in given.items() if text}
    if given and not filled:
        raise NoCredential("credential-missing", f"The GitHub secret's {_names(given)} is empty: fill it in.")
    if "token" not in filled:
        return _app(filled)
    if len(filled) > 1:
        raise _malformed("holds a token and an App's keys: keep the one that shall be used.")
    return filled["token"]


def _decode(value: str) -> dict[str, Any]:
    try:
        content = json.loads(value, strict=False)  # A key that was pasted with its line ends will do.
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _malformed("is not a JSON object.")
    return content


def _text(key: str, value: object) -> str:
    """Give a value as text, without white space that was pasted along."""
    if isinstance(value, int) and not isinstance(value, bool) and key in _NUMBERS:
        return str(value)
    if not isinstance(value, str):
        raise _malformed(f"holds a '{key}' that is not written as text, in quotation marks.")
    text = value.strip()
    if key != "private_key" and not (text.isascii() and text.isprintable()):
        raise _malformed(f"holds a '{key}' with characters that none has.")
    return text


def _app(filled: dict[str, str]) -> App:
    if not filled:
        raise _malformed(f"has neither 'token' nor {_names(_APP_KEYS)}.")
    if missing := [key for key in _APP_KEYS if key not in filled]:
        raise _malformed(f"names a GitHub App, but lacks {_names(missing)}.")
    if not filled["installation_id"].isdecimal():
        raise _malformed(
            "holds an 'installation_id' that is no number: it is the last part of the address of the "
            "installation's settings."
        )
    return App(filled["client_id"], filled["installation_id"], _pem(filled["private_key"]))


def _pem(text: str) -> str:
    r"""Mend the line ends of a key: `\n` for each, or spaces, are what forms make of them."""
    found = _PEM.search(text)
    if not found:
        return text
    begin, body, end = found.groups()
    return "\n".join([begin, *body.replace("\\r", " ").replace("\\n", " ").split(), end, ""])


def _names(keys: Any) -> str:
    return ", ".join(f"'{key}'" for key in keys)


def _malformed(what: str) -> NoCredential:
    return NoCredential("credential-malformed", f"The GitHub secret {what} It must be {_FORMS}.")
