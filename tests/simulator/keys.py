"""An App's key pair, made once for all tests, and what the App signs with it."""

from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from modelrelay.local.github import App

CLIENT_ID, INSTALLATION_ID = "Iv23liSimulatedClient", 41


@cache
def key() -> rsa.RSAPrivateKey:
    """The App's key."""
    return rsa.generate_private_key(65_537, 2_048)


@cache
def private_pem() -> str:
    """The file that GitHub gives to the owner of the App."""
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return pem.decode()


@cache
def public_pem() -> str:
    """What GitHub keeps of it."""
    return key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def app(**changes: Any) -> App:
    """Give the App as GitHub knows it."""
    return App(CLIENT_ID, INSTALLATION_ID, public_pem(), **changes)


def signed(now: float, **changes: Any) -> str:
    """Sign claims; each that is given replaces one, and None leaves it out."""
    claims = {"iat": int(now) - 60, "exp": int(now) + 540, "iss": CLIENT_ID, **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key(), "RS256")
