"""A plain client of the simulator, and a clock that only moves when it is told to."""

import json
from collections.abc import Mapping
from typing import Any

import urllib3

from modelrelay.local.github import GitHubServer, Workflow

TOKEN = "github_pat_simulated"
OLD, NEW = "2022-11-28", "2026-03-10"
DISPATCHES = "/repos/acme/models/actions/workflows/deploy.yml/dispatches"
RUNS = "/repos/acme/models/actions/workflows/deploy.yml/runs"

WORKFLOWS = (
    Workflow("acme", "models", 7, "deploy.yml", "Deploy", inputs=("model", "delivery_id")),
    Workflow("acme", "models", 8, "paused.yml", "Paused", state="disabled_manually"),
    Workflow("acme", "models", 9, "push.yml", "On push", has_dispatch_trigger=False),
    Workflow("acme", "models", 10, "open.yml", "Open", refs=("main", "v1")),
    Workflow("acme", "others", 11, "deploy.yml", "Deploy others"),
    Workflow("elsewhere", "models", 12, "deploy.yml", "Deploy elsewhere"),
)


class Clock:
    """A clock in epoch seconds that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Client:
    """Sends requests as a dispatcher should; nothing is retried or followed."""

    def __init__(self, server: GitHubServer) -> None:
        self.server = server
        self.pool = urllib3.PoolManager(retries=False, timeout=20)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str | None = NEW,
        headers: Mapping[str, str | None] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; a header given as None is left out, a body that isn't bytes is sent as JSON."""
        wanted: dict[str, str | None] = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {TOKEN}",
            "User-Agent": "simulator-test",
            "X-GitHub-Api-Version": version,
            **(headers or {}),
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        if wanted["User-Agent"] is None:
            given["User-Agent"] = urllib3.util.SKIP_HEADER
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.pool.request(method, self.server.url + path, body=encoded, headers=given, redirect=False)

    def dispatch(
        self, inputs: Mapping[str, Any] | None = None, *, ref: str = "main", version: str = NEW
    ) -> urllib3.BaseHTTPResponse:
        """Dispatch the workflow `deploy.yml`."""
        return self.send("POST", DISPATCHES, {"ref": ref, "inputs": inputs or {}}, version=version)

    def control(
        self, method: str, name: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Call a control endpoint, as curl or the page would."""
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.pool.request(
            method, f"{self.server.url}/_simulator/{name}", body=encoded, headers=dict(headers or {})
        )
