"""The credential with which GitHub is called."""

from __future__ import annotations

import json

from functions.core.secrets import Secret, SecretUnavailable


class NoCredential(Exception):
    """There is nothing to call GitHub with. Raised until a person mends the secret; `reason` says how."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Credentials:
    """Reads the token from the GitHub secret, `{"token": "…"}`."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def token(self) -> str:
        """Give the token.

        Raises:
            NoCredential: The secret is empty, unreadable, or of another form.
        """
        try:
            values = self._secret.values()
        except SecretUnavailable as error:
            raise NoCredential(
                "secret-unavailable", f"Secrets Manager did not give the GitHub secret ({error})."
            ) from None
        if not values:
            raise NoCredential(
                "credential-missing", 'The GitHub secret is empty: put {"token": "…"} into it.'
            )
        return _token(values[0])

    def forget(self) -> None:
        """Read the secret anew at the next use: GitHub rejected the token."""
        self._secret.forget()


def _token(value: str) -> str:
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    token = content.get("token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not token.strip().isascii() or not token.strip().isprintable():
        raise NoCredential(
            "credential-malformed", 'The GitHub secret must be JSON of the form {"token": "…"}.'
        )
    if not token.strip():
        raise NoCredential("credential-missing", "The GitHub secret's token is empty.")
    return token.strip()
