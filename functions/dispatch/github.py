"""GitHub's REST API, as far as starting a workflow needs it.

The client sends each request once and follows nothing by itself: libraries' own retries start a workflow
twice, and their redirects turn a POST into a GET. What an answer means is `outcome`'s business.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from functions.core.settings import GitHubSettings
from functions.dispatch.request import DispatchRequest

TIMEOUT_SECONDS: Final = 15
"""GitHub itself cuts a request at 10 s, so whatever is later than this will not come."""

_CONNECT_SECONDS: Final = 5
_MAX_ANSWER_BYTES: Final = 65_536
_HANDSHAKE_FAILURES: Final = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "NO_SHARED_CIPHER",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
"""OpenSSL's names for what goes wrong before anything is sent."""

_REDIRECTS: Final = frozenset({301, 302, 307, 308})


class NoAnswer(Exception):
    """GitHub did not answer. `sent` tells whether it may have received the request all the same."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        super().__init__(type(error).__name__)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    redirected: bool = False

    @property
    def content(self) -> Mapping[str, Any]:
        """The decoded JSON object, or nothing where the body is something else."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def request_id(self) -> str:
        """What GitHub's support asks for."""
        return self.headers.get("x-github-request-id", "")


class GitHub:
    """Sends requests.

    Args:
        settings: Base URL and API version.
        pool: A urllib3 pool; time-outs, retries and redirects are set here for each request.
        clock: Seconds since any fixed moment.
    """

    def __init__(
        self, settings: GitHubSettings, pool: urllib3.PoolManager, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock

    def dispatch(self, request: DispatchRequest, token: str) -> Answer:
        """Ask once for a workflow run; a renamed repository is asked for under its new name.

        All of it takes `TIMEOUT_SECONDS` at the most.

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        deadline = self._clock() + TIMEOUT_SECONDS
        url = self._url(request)
        answer = self._post(url, request, token, deadline)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not location:
            return answer
        try:
            moved_to = urljoin(url, location)
        except ValueError:
            return answer  # It leads nowhere.
        if _origin(moved_to) != _origin(url):
            return answer  # The credential goes to nobody else.
        again = self._post(moved_to, request, token, deadline)
        return Answer(again.status, again.headers, again.body, redirected=True)

    def _url(self, request: DispatchRequest) -> str:
        target = request.target
        owner, repository, workflow = (
            quote(part, safe="") for part in (target.owner, target.repository, target.workflow_id)
        )
        return f"{self._settings.api_url}/repos/{owner}/{repository}/actions/workflows/{workflow}/dispatches"

    def _post(self, url: str, request: DispatchRequest, token: str, deadline: float) -> Answer:
        try:
            response = self._pool.request(
                "POST",
                url,
                body=json.dumps(self._body(request)).encode(),
                headers=self._headers(token),
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, total=max(0.1, deadline - self._clock())),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            body = self._read(response, deadline)
        except HTTPError as error:
            raise NoAnswer(error, sent=_sent(error)) from error
        finally:
            # A connection that was frozen together with the function may be dead in a way that shows only
            # after a request was sent on it, and then nobody knows whether GitHub got it. So none is kept.
            self._pool.clear()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, body)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """Read as much as an answer can need, and no longer than until the deadline."""
        body = b""
        while len(body) < _MAX_ANSWER_BYTES and (part := response.read1(_MAX_ANSWER_BYTES - len(body))):
            body += part
            if self._clock() > deadline:
                raise NoAnswer(TimeoutError(), sent=True)
        response.close()
        return body

    def _body(self, request: DispatchRequest) -> dict[str, Any]:
        body: dict[str, Any] = {"ref": request.target.ref, "inputs": request.inputs}
        if self._settings.api_version < "2026-03-10" and not self._settings.api_url.endswith("/api/v3"):
            body["return_run_details"] = (
                True  # Later versions always do; GitHub Enterprise Server refuses it.
            )
        return body

    def _headers(self, token: str) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": "model-relay",
            "X-GitHub-Api-Version": self._settings.api_version,
        }


def _sent(error: HTTPError) -> bool:
    """Tell whether GitHub may have received the request; where that can't be told, it may."""
    if isinstance(error, SSLError):  # From the handshake, or from reading the answer.
        return not any(getattr(cause, "reason", "") in _HANDSHAKE_FAILURES for cause in error.args)
    return not isinstance(error, NewConnectionError | ConnectTimeoutError)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
