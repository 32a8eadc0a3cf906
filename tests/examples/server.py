"""A Model Relay that answers what a test tells it to, and remembers what it was sent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Sent:
    """A request: its headers have lower-case names, `at` is in epoch seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        """The event."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. With no status, the connection is closed without one."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


STORED = Reply(202, {"deliveries": [{"id": "d" * 32, "route": "default"}]})


class Relay:
    """The server: it gives the replies in their order, and the last one for good."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.sent: list[Sent] = []
        self.url = ""
        self._replies = list(replies)

    def next_reply(self) -> Reply:
        """Give the reply that is due."""
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


@contextmanager
def relay(*replies: Reply) -> Iterator[Relay]:
    """Run a server on a port of its own."""
    state = Relay(replies or (STORED,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.sent.append(Sent(self.path, headers, body, time.time()))
            reply = state.next_reply()
            if reply.status:
                self._write(reply)

        def _write(self, reply: Reply) -> None:
            content = json.dumps(reply.content).encode()
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(content)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
