"""The local console: the dashboard's own widget beside the simulator's runs, in a browser on this machine.

It plays the part of CloudWatch: it calls the deployed console function and shows the HTML that comes back.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

_PAGE: Final = Path(__file__).with_name("console.html")
_MAX_BODY: Final = 10_000
_POLICY: Final = (
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)

Widget = Callable[[dict[str, Any]], str]
"""Calls the console function with the parameters of a button, if one was pressed, and gives its HTML."""

Runs = Callable[[], list[dict[str, Any]]]
"""Gives the simulator's runs, the newest first."""


class ConsoleServer:
    """Serves the console until it is closed.

    Args:
        widget: Draws the widget.
        runs: Lists the simulator's runs; none where the real GitHub is called.
        links: What the page links to: names and addresses.
    """

    def __init__(self, widget: Widget, runs: Runs, links: dict[str, str]) -> None:
        self._http = _HTTPServer(widget, runs, links)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving; closing twice is harmless."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, widget: Widget, runs: Runs, links: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.widget, self.runs, self.links = widget, runs, links

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about browsers that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve the page, and the runs as JSON."""
        match self.path:
            case "/":
                self._page()
            case "/runs":
                self._answer(json.dumps(self.server.runs()), "application/json")
            case _:
                self._answer("There is nothing here.", "text/plain", HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Call the widget's function with a button's parameters."""
        length = self.headers.get("content-length", "")
        # A page from elsewhere could press Replay: only our own may call.
        if self.headers.get("origin", self._origin) != self._origin or self.path != "/widget":
            self.close_connection = True
            self._answer("Only the console's own page may call this.", "text/plain", HTTPStatus.FORBIDDEN)
        elif not length.isdecimal() or int(length) > _MAX_BODY:
            self.close_connection = True
            self._answer("The parameters are missing or too long.", "text/plain", HTTPStatus.BAD_REQUEST)
        else:
            self._widget(self.rfile.read(int(length)))

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _widget(self, body: bytes) -> None:
        try:
            parameters = json.loads(body)
        except ValueError:
            parameters = None
        if not isinstance(parameters, dict):
            self._answer("The parameters are no JSON object.", "text/plain", HTTPStatus.BAD_REQUEST)
            return
        self._answer(self.server.widget(parameters), "text/html; charset=utf-8")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        links = json.dumps(self.server.links).replace("<", "\\u003c")
        page = _PAGE.read_text(encoding="utf-8").replace("{{nonce}}", nonce).replace("{{links}}", links)
        self._answer(page, "text/html; charset=utf-8", nonce=nonce)

    def _answer(
        self, text: str, content_type: str, status: HTTPStatus = HTTPStatus.OK, nonce: str = ""
    ) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.send_header("x-content-type-options", "nosniff")
        # The widget brings its style along, as in CloudWatch, and may bring no script.
        script = f"'nonce-{nonce}'" if nonce else "'none'"
        policy = [*_POLICY, f"script-src {script}"]
        self.send_header("content-security-policy", "; ".join(policy))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Stay quiet."""


def widget_of(client: Any, function: str) -> Widget:
    """Give what calls a deployed console function, as CloudWatch does.

    Args:
        client: Lambda.
        function: The function's name.
    """

    def call(parameters: dict[str, Any]) -> str:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(parameters).encode())
        html = json.loads(answer["Payload"].read())
        if answer.get("FunctionError") or not isinstance(html, str):
            return "<p>The console function failed; its log says more.</p>"
        return html

    return call
