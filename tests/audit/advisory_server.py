"""A service that knows advisories, as OSV and npm's registry answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KNOWN = {"django": "2.2", "minimist": "0.0.8"}
"""What everybody knows to be vulnerable."""


@dataclass
class Service:
    """What the service knows, and what it was asked.

    Attributes:
        vulnerable: A package's vulnerable version by its name.
        broken: How many questions about Python packages it answers before it fails.
        asked: The packages that it was asked about, with their versions.
        url: Where it answers.
    """

    vulnerable: dict[str, str] = field(default_factory=lambda: dict(KNOWN))
    broken: float = float("inf")
    asked: set[tuple[str, str]] = field(default_factory=set)
    url: str = ""

    def osv(self, question: Any) -> Any:
        """Answer as OSV's `/v1/query`."""
        name, version = question["package"]["name"], question["version"]
        self.asked.add((name, version))
        if self.vulnerable.get(name) != version:
            return {}
        events = [{"introduced": "0"}, {"fixed": "99.1"}]
        affected = [{"package": question["package"], "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
        return {"vulns": [{"id": f"PYSEC-1-{name}", "summary": "Bad.", "aliases": [], "affected": affected}]}

    def npm(self, question: Any) -> Any:
        """Answer as npm's `/-/npm/v1/security/advisories/bulk`."""
        self.asked.update((name, version) for name, versions in question.items() for version in versions)
        bad = {name for name, versions in question.items() if self.vulnerable.get(name) in versions}
        return {name: [self._npm_advisory(name)] for name in bad}

    def packument(self, name: str) -> Any:
        """Describe a package as npm's registry does."""
        version = self.vulnerable[name]
        versions = {version: {"name": name, "version": version}}
        return {"name": name, "dist-tags": {"latest": version}, "versions": versions}

    def _npm_advisory(self, name: str) -> Any:
        url = f"https://github.com/advisories/GHSA-{name}"
        told = {"url": url, "title": "Bad.", "severity": "high", "vulnerable_versions": self.vulnerable[name]}
        return {"id": 1, **told}


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Let a service answer on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands each question to the service."""

        def do_POST(self) -> None:
            """Answer about vulnerabilities."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path.startswith("/-/npm/"):
                self._answer(200, service.npm(json.loads(body)))
            elif len(service.asked) >= service.broken:
                self._answer(500, {"message": "out of order"})
            else:
                self._answer(200, service.osv(json.loads(body)))

        def do_GET(self) -> None:
            """Describe an npm package."""
            self._answer(200, service.packument(self.path.lstrip("/")))

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        def _answer(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
