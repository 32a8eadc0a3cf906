"""The simulated GitHub behind a real HTTP server on this machine."""

import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from modelrelay.local.github.control import control, is_control
from modelrelay.local.github.exchange import Exchange, Line, Outcome
from modelrelay.local.github.faults import Fault, Faults
from modelrelay.local.github.model import Answer, Request, Run
from modelrelay.local.github.state import GitHub

_MAX_BODY = 10_000_000
_BODYLESS = {204, 304}
# How often the accepting thread looks whether it shall end.
_POLL_SECONDS = 0.01


class GitHubServer:
    """Serves a GitHub until it is closed; port 0 takes a free one. Usable as a context manager."""

    def __init__(
        self, github: GitHub, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._line = Line(github, faults)
        # Guards all state and wakes those who wait for runs.
        self._changed = threading.Condition()
        self._http = _HTTPServer((host, port), self)
        self.url = f"http://{host}:{self._http.server_port}"
        github.place(self.url)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cut all connections and wait until every thread has ended; closing twice is harmless."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
            self._http.cut()
            self._http.server_close()

    def runs(self) -> list[Run]:
        """Return the runs, newest first."""
        with self._changed:
            return self._line.github.runs

    def requests(self) -> list[Exchange]:
        """Return the API requests and what became of them, newest first."""
        with self._changed:
            return self._line.exchanges

    def inject(self, *faults: Fault) -> None:
        """Switch faults on."""
        with self._changed:
            self._line.faults.inject(*faults)

    def clear_faults(self, name: str | None = None) -> None:
        """Switch off the faults of this name, or all."""
        with self._changed:
            self._line.faults.clear(name)

    def reset(self) -> None:
        """Forget the runs, the faults and the log."""
        with self._changed:
            self._line.reset()

    @property
    def violations(self) -> int:
        """How many calls came while an earlier answer had asked for silence."""
        with self._changed:
            return self._line.github.violations

    def wait_for_runs(self, count: int, timeout: float) -> list[Run]:
        """Wait until at least `count` runs are there and return all, newest first.

        Raises:
            TimeoutError: when they have not come after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._line.github.runs) >= count, timeout):
                raise TimeoutError(f"{len(self._line.github.runs)} of {count} runs came in {timeout} s")
            return self._line.github.runs

    def respond(self, request: Request) -> Outcome:
        """Answer one request, of the API or of the simulator itself."""
        with self._changed:
            if is_control(request):
                outcome = Outcome(control(self._line, request))
            else:
                outcome = self._line.send(request)
            self._changed.notify_all()
            return outcome


class _HTTPServer(ThreadingHTTPServer):
    """Knows its connections, so that closing leaves no thread behind that waits for a next request."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], simulator: GitHubServer) -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator
        self.closing = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}

    def server_bind(self) -> None:
        """Bind without the base class's look-up of this machine's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections = {
            known: connection for known, connection in self._connections.items() if known.is_alive()
        }
        self._connections[thread] = request
        thread.start()

    def cut(self) -> None:
        """End every connection and its thread."""
        self.closing.set()
        for thread, connection in self._connections.items():
            _shut(connection)
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that went away or were cut off; anything else is our fault."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Turns HTTP into requests and answers back into HTTP."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "GitHubSimulator", ""
    disable_nagle_algorithm = True
    server: _HTTPServer

    def answer(self) -> None:
        body = self._read_body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, dict(self.headers.items()), body)
        outcome = self.server.simulator.respond(request)
        if outcome.delay:
            self.server.closing.wait(outcome.delay)
        if outcome.answer is None:
            self.close_connection = True
        else:
            self._write(outcome.answer)

    # The base class looks its methods up by these names.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Stay quiet: the exchanges are kept as data."""

    def _read_body(self) -> bytes | None:
        length = self.headers.get("content-length", "0")
        if self.headers.get("transfer-encoding") or not length.isdecimal() or int(length) > _MAX_BODY:
            # What follows can't be told apart from a next request, so the connection ends here.
            self.close_connection = True
            self._write(Answer(411, {"connection": "close"}))
            return None
        return self.rfile.read(int(length))

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in _BODYLESS:
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if answer.status not in _BODYLESS:
            self.wfile.write(answer.body)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
