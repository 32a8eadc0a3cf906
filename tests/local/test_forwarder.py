"""The forwarder: every byte goes through, and clients that go away disturb nobody."""

from __future__ import annotations

import gc
import http.client
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from modelrelay.local import certificate
from modelrelay.local.forwarder import Forwarder


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked: the headers as they came, and the body."""

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = bytes(self.headers) + body
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(params=["http", "https"])
def forwarder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Forwarder]:
    """A forwarder in front of an echo, as the emulator answers by default and in a strict run."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    bundle = encrypt(server, tmp_path) if request.param == "https" else None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"{request.param}://abc.execute-api.localhost:{server.server_port}"
    forwarder = Forwarder(url, ca_bundle=bundle)
    try:
        yield forwarder
    finally:
        forwarder.close()
        server.shutdown()
        thread.join()
        server.server_close()


def encrypt(server: http.server.HTTPServer, folder: Path) -> Path:
    """Let a server answer over TLS alone, and give what its clients trust."""
    made = certificate.make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.bundle, made.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return made.bundle


def connect(forwarder: Forwarder) -> http.client.HTTPConnection:
    """Connect as any HTTP client does."""
    return http.client.HTTPConnection(urlsplit(forwarder.url).netloc, timeout=10)


def ask(forwarder: Forwarder, body: bytes) -> bytes:
    """Post a body and give the echo."""
    connection = connect(forwarder)
    connection.request("POST", "/databricks", body, {"X-Databricks-Signature": "abc", "X-TWICE": "1"})
    answer = connection.getresponse().read()
    connection.close()
    return answer


def test_headers_and_body_go_through_as_they_came(forwarder: Forwarder) -> None:
    """Names keep their case and bodies their bytes; only the host is the API's own."""
    body = bytes(range(256)) * 4096
    echo = ask(forwarder, body)
    assert echo.endswith(body)
    assert b"X-Databricks-Signature: abc\n" in echo
    assert b"X-TWICE: 1\n" in echo
    assert b"Host: abc.execute-api.localhost:" in echo
    assert echo.count(b"Host:") == 1


def test_one_client_after_the_other_is_served(forwarder: Forwarder) -> None:
    """A connection carries one request, and a client that wants more opens another."""
    connection = connect(forwarder)
    for body in (b"one", b"two"):
        connection.request("POST", "/", body)
        assert connection.getresponse().read().endswith(body)
    connection.close()


def test_clients_that_go_away_disturb_nobody(forwarder: Forwarder, capfd: pytest.CaptureFixture[str]) -> None:
    """Half requests, silent clients and garbage leave no word behind, and the next client is served."""
    address = urlsplit(forwarder.url)
    for sent in (
        b"",
        b"POST / HTTP/1.1\r\n",
        b"\x16\x03\x01" * 30_000,
        b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nx",
    ):
        with socket.create_connection((address.hostname, address.port), timeout=10) as client:
            client.sendall(sent)
    gc.collect()
    assert ask(forwarder, b"still here").endswith(b"still here")
    assert capfd.readouterr().err == ""


def test_closing_leaves_no_port_and_no_thread(forwarder: Forwarder) -> None:
    """A closed forwarder has let go of its port and ended its thread, connections in the middle included."""
    other = Forwarder("http://abc.execute-api.localhost:1")
    address = urlsplit(other.url)
    with socket.create_connection((address.hostname, address.port), timeout=10):
        other.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port), timeout=10)
    assert [thread.name for thread in threading.enumerate() if thread.name == "forwarder"] == ["forwarder"]
