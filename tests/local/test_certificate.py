"""A strict run's certificate: good for this machine's own names, for strict clients, and for a while."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509

from modelrelay.local import certificate

NAMES = ["127.0.0.1", "localhost", "1a2b3c4d.execute-api.localhost"]
DAYS = 7


def shown_to(client: ssl.SSLContext, name: str, made: certificate.Certificate) -> None:
    """Show a certificate to a client that asks for a name; raises what the client says."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.bundle, made.key)
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)

    def answer() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    answering = threading.Thread(target=answer)
    answering.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as connection:
            assert connection.version()
    finally:
        ours.close()
        answering.join()


def strict(made: certificate.Certificate) -> ssl.SSLContext:
    """Give a client as strict as Python 3.13 is by default."""
    client = ssl.create_default_context(cafile=str(made.bundle))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    return client


@pytest.mark.parametrize("name", NAMES)
def test_clients_that_trust_it_accept_it(tmp_path: Path, name: str) -> None:
    """Whatever name of this machine a client calls, the certificate has it."""
    made = certificate.make(tmp_path)
    shown_to(strict(made), name, made)
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        shown_to(ssl.create_default_context(), name, made)


@pytest.mark.parametrize("name", ["example.com", "127.0.0.2", "a.b.localhost"])
def test_it_is_good_for_no_other_name(tmp_path: Path, name: str) -> None:
    """Who trusts it trusts nobody else by it."""
    made = certificate.make(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        shown_to(strict(made), name, made)


def test_it_signs_nothing_and_ends_soon(tmp_path: Path) -> None:
    """It is no authority, and of no use to whoever finds it later."""
    made = x509.load_pem_x509_certificate(certificate.make(tmp_path).bundle.read_bytes())
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == DAYS


def test_its_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else may read the key, and no file that was there before is written over."""
    made = certificate.make(tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        certificate.make(tmp_path)
