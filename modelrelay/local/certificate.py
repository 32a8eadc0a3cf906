"""The embedded AWS's certificate in a strict run: made at its start, and good for this machine alone."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# The emulator's HTTP APIs have names below the second; OpenSSL takes no wildcard right below `localhost`.
_NAMES: Final = ("localhost", "*.execute-api.localhost")
_ADDRESS: Final = "127.0.0.1"
_LIFETIME: Final = dt.timedelta(days=7)
_CLOCKS_DIFFER: Final = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate and its key, as PEM files.

    Attributes:
        bundle: The certificate, which is also all that its clients need to trust.
        key: The private key; nobody but its owner may read it.
    """

    bundle: Path
    key: Path


def make(folder: Path) -> Certificate:
    """Make a certificate for this machine's own names, good for a week, and write it into `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = Certificate(bundle=folder / "ca-bundle.pem", key=folder / "tls-key.pem")
    _write(made.bundle, _signed(key).public_bytes(serialization.Encoding.PEM))
    _write(
        made.key,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    return made


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Model Relay, local run")])
    now = dt.datetime.now(dt.UTC)
    # What strict clients (Python 3.13 and newer) look for: whose key it is, and that it signs no others.
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    addresses = [x509.IPAddress(ipaddress.ip_address(_ADDRESS))]
    return (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, _NAMES), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, pem: bytes) -> None:
    """Write a file that was never readable to others, not even while it was empty."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
