"""A GitHub App: what it signs, and the tokens of its installation, kept until shortly before they end.

Sources of the rules: GitHub's "Generating a JSON Web Token (JWT) for a GitHub App" and "Create an
installation access token for an app".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from functions.core.settings import Target
from functions.dispatch.github import GitHub
from functions.dispatch.transport import Answer

BACKDATED_SECONDS: Final = 60
"""GitHub's advice against clocks that differ: it refuses what was issued in its future."""

JWT_SECONDS: Final = 540
"""GitHub refuses a JWT that ends more than ten minutes from now, by its own clock."""

REFRESH_SECONDS: Final = 300
"""How long before its end a token is replaced, so that none ends on its way."""

MINT_SECONDS: Final = 6.0
"""The longest that minting may take. It starts no workflow, so it can be asked for again."""

FRESH_SECONDS: Final = 60
"""GitHub may answer 401 to a token that is younger: not all of its databases know it yet."""


class UnreadableKey(Exception):
    """The private key is no RSA key that can be read. The text quotes nothing of it."""


class TokenRefused(Exception):
    """GitHub answered, but minted no token that can be used. A token is not part of the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"GitHub minted no installation token ({answer.status}).")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class App:
    """An App's installation, and the key that speaks for it."""

    client_id: str
    installation_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Minted:
    """An installation token; the times are in seconds since the epoch."""

    token: str = field(repr=False)
    minted_at: float
    expires_at: float


class Installation:
    """Gives an installation's tokens, each for one repository and for what its target needs only.

    Args:
        app: The installation.
        github: Where tokens are minted.
        clock: Seconds since the epoch.
    """

    def __init__(self, app: App, github: GitHub, clock: Callable[[], float]) -> None:
        self.app = app
        self._github = github
        self._clock = clock
        self._minted: dict[tuple[str, str, bool], _Minted] = {}

    def token(self, target: Target) -> str:
        """Give a token for the target's repository, minted now or before.

        Raises:
            UnreadableKey: Nothing can be signed with the App's private key.
            NoAnswer: GitHub did not answer. Whatever `sent` says of it, no workflow was asked for.
            TokenRefused: GitHub minted no token.
        """
        minted = self._minted.get(_scope(target))
        if minted is None or self._clock() >= minted.expires_at - REFRESH_SECONDS:
            minted = self._minted[_scope(target)] = self._mint(target)
        return minted.token

    def forget(self, target: Target) -> None:
        """Mint anew at the next use."""
        self._minted.pop(_scope(target), None)

    def fresh(self, target: Target) -> bool:
        """Tell whether a token was minted so lately that GitHub may not know it everywhere."""
        minted = self._minted.get(_scope(target))
        return minted is not None and self._clock() - minted.minted_at < FRESH_SECONDS

    def _mint(self, target: Target) -> _Minted:
        jwt = sign(self.app, self._clock())
        answer = self._github.installation_token(self.app.installation_id, jwt, target, MINT_SECONDS)
        if answer.status != HTTPStatus.CREATED:
            raise TokenRefused(answer)
        token = answer.content.get("token")
        expires_at = _seconds(answer.content.get("expires_at"))
        if not isinstance(token, str) or not token or expires_at is None:
            raise TokenRefused(replace(answer, body=b""))  # The body may hold a token all the same.
        return _Minted(token, self._clock(), expires_at)


def sign(app: App, now: float) -> str:
    """Give the JSON Web Token with which an App proves itself.

    Raises:
        UnreadableKey: Nothing can be signed with the App's private key.
    """
    # Imported here, because these take longer than all of our own code, and a plain token needs none.
    import jwt  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(app.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a passphrase.
        raise UnreadableKey("not a readable key without a passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnreadableKey("not an RSA key")
    claims = {
        "iat": int(now) - BACKDATED_SECONDS,
        "exp": int(now) + JWT_SECONDS,
        "iss": app.client_id,
        "jti": secrets.token_hex(16),  # Equal ones, minted in the same second, were answered 404.
    }
    return jwt.encode(claims, key, algorithm="RS256")


def _scope(target: Target) -> tuple[str, str, bool]:
    return target.owner, target.repository, bool(target.event_type)


def _seconds(timestamp: object) -> float | None:
    """Read a time as GitHub writes it, into seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
