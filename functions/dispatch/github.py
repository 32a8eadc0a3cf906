"""GitHub's REST API, as far as starting a workflow and finding its run need it.

What an answer means is `outcome`'s business, and for a listing of runs `lookup`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

from functions.core.settings import GitHubSettings, Target
from functions.dispatch.request import DispatchRequest
from functions.dispatch.transport import Answer, Transport

TIMEOUT_SECONDS: Final = 15.0
"""GitHub itself cuts a request at 10 s, so whatever is later than this will not come."""

PAGE_SIZE: Final = 100
"""The most runs that GitHub lists at once."""

_REDIRECTS: Final = frozenset({301, 302, 307, 308})


class GitHub:
    """Calls GitHub. Each call follows one redirect on the same host: a repository may have been renamed.

    Args:
        settings: Base URL and API version.
        transport: Sends a request.
    """

    def __init__(self, settings: GitHubSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    def dispatch(self, request: DispatchRequest, token: str, seconds: float = TIMEOUT_SECONDS) -> Answer:
        """Ask once for a workflow run, within some seconds, a redirect included.

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        path, body = wire(request, self._settings)
        return self._call("POST", path, token, seconds, body)

    def runs(
        self, target: Target, token: str, between: tuple[float, float], seconds: float = TIMEOUT_SECONDS
    ) -> Answer:
        """List the newest runs of a target that were dispatched between two moments (epoch seconds).

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        created = "..".join(_timestamp(moment) for moment in between)
        event, path = (
            ("repository_dispatch", "actions")
            if target.event_type
            else ("workflow_dispatch", _workflow(target))
        )
        query = urlencode({"event": event, "created": created, "per_page": PAGE_SIZE})
        return self._call("GET", f"{_repository(target)}/{path}/runs?{query}", token, seconds)

    def installation_token(
        self, installation_id: str, jwt: str, target: Target, seconds: float = TIMEOUT_SECONDS
    ) -> Answer:
        """Mint a token of an App's installation that may do what the target needs, in its repository only.

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        path = f"/app/installations/{quote(installation_id, safe='')}/access_tokens"
        needed = {"contents": "write", "actions": "read"} if target.event_type else {"actions": "write"}
        scope = {"repositories": [target.repository], "permissions": needed}
        return self._call("POST", path, jwt, seconds, scope)

    def _call(
        self, method: str, path: str, token: str, seconds: float, content: Mapping[str, Any] | None = None
    ) -> Answer:
        body = None if content is None else json.dumps(content).encode()
        headers = self._headers(token, body)
        deadline = self._transport.now() + seconds
        url = self._settings.api_url + path
        answer = self._transport.send(method, url, headers, body, deadline)
        moved_to = _same_host(url, answer)
        if not moved_to:
            return replace(answer, credential=token)
        again = self._transport.send(method, moved_to, headers, body, deadline)
        return replace(again, credential=token, redirected=True)

    def _headers(self, token: str, body: bytes | None) -> dict[str, str]:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "model-relay",
            "X-GitHub-Api-Version": self._settings.api_version,
        }
        return headers if body is None else {**headers, "Content-Type": "application/json"}


def wire(request: DispatchRequest, settings: GitHubSettings) -> tuple[str, dict[str, Any]]:
    """Give the path and the body with which GitHub is asked."""
    target = request.target
    if target.event_type:
        content = {"event_type": target.event_type, "client_payload": request.content}
        return f"{_repository(target)}/dispatches", content
    body: dict[str, Any] = {"ref": target.ref, "inputs": request.content}
    if settings.api_version < "2026-03-10" and not settings.api_url.endswith("/api/v3"):
        # Later versions always do; GitHub Enterprise Server refuses it.
        body["return_run_details"] = True
    return f"{_repository(target)}/{_workflow(target)}/dispatches", body


def _repository(target: Target) -> str:
    return f"/repos/{quote(target.owner, safe='')}/{quote(target.repository, safe='')}"


def _workflow(target: Target) -> str:
    return f"actions/workflows/{quote(target.workflow_id, safe='')}"


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _same_host(url: str, answer: Answer) -> str:
    """Give where a redirect leads; empty where it leads nowhere: the credential goes to nobody else."""
    location = answer.headers.get("location")
    if answer.status not in _REDIRECTS or not location:
        return ""
    try:
        moved_to = urljoin(url, location)
    except ValueError:
        return ""
    return moved_to if _origin(moved_to) == _origin(url) else ""


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
