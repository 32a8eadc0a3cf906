"""The way to a GitHub inside a company: its own certificate authority, and a proxy on the way."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from functions.core.settings import GitHubSettings
from functions.dispatch.transport import Answer, NoAnswer, Transport, pool
from modelrelay.local import certificate


class GitHub(BaseHTTPRequestHandler):
    """Answers every request."""

    def do_POST(self) -> None:
        """Answer that it is done."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Tunnels(BaseHTTPRequestHandler):
    """A proxy as companies have them: it opens tunnels, or refuses to, and remembers where to."""

    asked: list[str]
    refuses: bool

    def do_CONNECT(self) -> None:
        """Open a tunnel, and carry bytes both ways until one side ends."""
        self.asked.append(self.path)
        if self.refuses:
            self.send_error(407)
            return
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=carry, args=(there, self.connection))
            back.start()
            carry(self.connection, there)
            back.join()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes from one to the other until either has gone."""
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port until the test is over, and give the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> certificate.Certificate:
    """A certificate that no public authority knows."""
    return certificate.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def github(issued: certificate.Certificate) -> Iterator[int]:
    """A GitHub with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.bundle, issued.key)
    yield from serving(GitHub, context)


class Proxy(Tunnels):
    """A proxy that opens tunnels."""

    asked: list[str] = []  # noqa: RUF012 - the one of this class, for the one test at a time
    refuses = False


@pytest.fixture
def proxy() -> Iterator[int]:
    """A proxy that has been asked for nothing yet."""
    Proxy.asked.clear()
    Proxy.refuses = False
    yield from serving(Proxy)


def call(github: int, *, proxy: str = "", trusted: Path | None = None) -> Answer:
    """Call that GitHub once."""
    certificates = trusted.read_text() if trusted else ""
    settings = GitHubSettings("https://127.0.0.1", "2026-03-10", proxy=proxy, certificates=certificates)
    transport = Transport(pool(settings))
    return transport.send("POST", f"https://127.0.0.1:{github}/x", {}, b"{}", transport.now() + 10)


def test_a_company_authority_vouches_for_github(github: int, issued: certificate.Certificate) -> None:
    """With the company's certificates in the settings, its GitHub is called like any other."""
    assert call(github, trusted=issued.bundle).status == 204


def test_an_unknown_authority_is_refused_before_anything_is_sent(github: int) -> None:
    """Without them nothing is sent to it, the credential included, and it is known that nothing was."""
    with pytest.raises(NoAnswer) as caught:
        call(github)
    assert caught.value.sent is False


def test_a_proxy_opens_a_tunnel(github: int, proxy: int, issued: certificate.Certificate) -> None:
    """The proxy carries bytes that it can't read, and GitHub answers through it."""
    assert call(github, proxy=f"http://127.0.0.1:{proxy}", trusted=issued.bundle).status == 204
    assert Proxy.asked == [f"127.0.0.1:{github}"]


def test_a_proxy_that_refuses_has_passed_nothing_on(
    github: int, proxy: int, issued: certificate.Certificate
) -> None:
    """A tunnel that was not opened leaves no doubt whether GitHub got the call."""
    Proxy.refuses = True
    with pytest.raises(NoAnswer) as caught:
        call(github, proxy=f"http://127.0.0.1:{proxy}", trusted=issued.bundle)
    assert (caught.value.sent, len(Proxy.asked)) == (False, 1)


def test_a_proxy_that_is_gone_has_passed_nothing_on(github: int, issued: certificate.Certificate) -> None:
    """Nor does a proxy that can't be reached."""
    with pytest.raises(NoAnswer) as caught:
        call(github, proxy="http://127.0.0.1:9", trusted=issued.bundle)
    assert caught.value.sent is False


def test_the_bytes_in_a_tunnel_are_secret(github: int, proxy: int) -> None:
    """A proxy does not vouch for who is behind it: an unknown authority is refused there, too."""
    with pytest.raises(NoAnswer) as caught:
        call(github, proxy=f"http://127.0.0.1:{proxy}")
    assert caught.value.sent is False
