"""A workspace that speaks the registry-webhooks API as Databricks' own SDK calls it.

Its test of a webhook really posts: signed as Databricks does it, and naming no model.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import urllib3

TOKEN: Final = "dapi-simulated-and-secret"
_ROOT: Final = "/api/2.0/mlflow/registry-webhooks/"
_PAGE: Final = 2


@dataclass
class Workspace:
    """A workspace; `webhooks` are as they are listed, and `secrets` are what it signs with, by webhook."""

    url: str = ""
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def login(self) -> dict[str, str]:
        """The variables by which Databricks' tools find it."""
        return {"DATABRICKS_HOST": self.url, "DATABRICKS_TOKEN": TOKEN}

    def answer(self, method: str, call: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Answer a call."""
        match method, call:
            case "GET", "list":
                return 200, self._list(int(query.get("page_token", ["0"])[0]))
            case "POST", "create":
                return 200, {"webhook": self._create(body)}
        webhook = self._find(query["id"][0] if "id" in query else body["id"])
        if webhook is None:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Webhook not found"}
        return 200, self._change(method, call, webhook, body)

    def _change(self, method: str, call: str, webhook: dict[str, Any], body: Any) -> Any:
        match method, call:
            case "PATCH", "update":
                return {"webhook": self._update(webhook, body)}
            case "POST", "test":
                return self._test(webhook, body.get("event"))
        assert (method, call) == ("DELETE", "delete")
        self.webhooks.remove(webhook)
        return {}

    def _list(self, start: int) -> dict[str, Any]:
        page = {"webhooks": self.webhooks[start : start + _PAGE]}
        more = len(self.webhooks) > start + _PAGE
        return {**page, "next_page_token": str(start + _PAGE)} if more else page

    def _create(self, body: Any) -> dict[str, Any]:
        webhook = {"id": f"{len(self.secrets) + 1:032x}", "status": "ACTIVE"}
        self.webhooks.append(webhook)
        return self._update(webhook, body)

    def _update(self, webhook: dict[str, Any], body: Any) -> dict[str, Any]:
        given = dict(body)
        spec = dict(given.pop("http_url_spec", {}))
        if "secret" in spec:
            self.secrets[webhook["id"]] = spec.pop("secret")
        webhook |= given | {"http_url_spec": webhook.get("http_url_spec", {}) | spec}
        return webhook

    def _find(self, webhook_id: str) -> dict[str, Any] | None:
        return next((each for each in self.webhooks if each["id"] == webhook_id), None)

    def _test(self, webhook: dict[str, Any], event: str | None) -> dict[str, Any]:
        body = json.dumps(
            {
                "event": event or webhook["events"][0],
                "webhook_id": webhook["id"],
                "event_timestamp": 1_589_859_029_343,
                "model_name": "",
                "text": "A test webhook trigger for",
            }
        ).encode()
        digest = hmac.new(self.secrets[webhook["id"]].encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Databricks-Signature": digest}
        url = webhook["http_url_spec"]["url"]
        posted = urllib3.request("POST", url, body=body, headers=headers, timeout=30.0, retries=False)
        return {"status_code": posted.status, "body": posted.data.decode()}


@contextmanager
def workspace() -> Iterator[Workspace]:
    """Run a workspace on a port of its own."""
    state = Workspace()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            content = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            if not parts.path.startswith(_ROOT):
                self._write(404, {"error_code": "NOT_FOUND", "message": parts.path})
            elif self.headers["authorization"] != f"Bearer {TOKEN}":
                self._write(403, {"error_code": "PERMISSION_DENIED", "message": "Invalid access token."})
            else:
                call = parts.path.removeprefix(_ROOT)
                self._write(*state.answer(self.command, call, parse_qs(parts.query), content))

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the base class's names

        def _write(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
