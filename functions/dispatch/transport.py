"""One HTTP exchange with GitHub: what was sent, once, and what came back.

The transport sends each request once and follows nothing by itself: libraries' own retries start a workflow
twice, and their redirects turn a POST into a GET.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError, SSLError

from functions.core.settings import GitHubSettings

_CONNECT_SECONDS: Final = 5
_MAX_DIGITS: Final = 18
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A page of a hundred runs is about half a megabyte."""

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


class NoAnswer(Exception):
    """GitHub did not answer. `sent` tells whether it may have received the request all the same."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        super().__init__(type(error).__name__)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Header names are lower-case; `credential` is what the request was made with."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    redirected: bool = False
    credential: str = field(default="", repr=False, compare=False)

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

    @property
    def remaining(self) -> int | None:
        """How many calls GitHub says are left in this hour, where it says so."""
        value = self.headers.get("x-ratelimit-remaining", "")
        return int(value) if value.isdecimal() and len(value) <= _MAX_DIGITS else None


def pool(github: GitHubSettings) -> urllib3.PoolManager:
    """Make the pool that reaches GitHub, by way of the proxy where there is one.

    GitHub is vouched for by public authorities, and by the certificates of the settings as well.
    """
    how: dict[str, Any] = {}
    if github.certificates:
        how["ssl_context"] = ssl.create_default_context()
        how["ssl_context"].load_verify_locations(cadata=github.certificates)
    return urllib3.ProxyManager(github.proxy, **how) if github.proxy else urllib3.PoolManager(**how)


class Transport:
    """Sends requests.

    Args:
        pool: A urllib3 pool; time-outs, retries and redirects are set here for each request.
        clock: Seconds since any fixed moment.
    """

    def __init__(self, pool: urllib3.PoolManager, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock

    def now(self) -> float:
        """Give the time by which deadlines are meant."""
        return self._clock()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Answer:
        """Send one request and read its answer, by the deadline.

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, total=max(0.1, deadline - self._clock())),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = self._read(response, deadline)
        except HTTPError as error:
            raise NoAnswer(error, sent=_sent(error)) from error
        finally:
            # A connection that was frozen together with the function may be dead in a way that shows only
            # after a request was sent on it, and then nobody knows whether GitHub got it. So none is kept.
            self._pool.clear()
        return Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, content
        )

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """Read as much as an answer can need, and no longer than until the deadline."""
        body = bytearray()
        while len(body) < _MAX_ANSWER_BYTES and (part := response.read1(_MAX_ANSWER_BYTES - len(body))):
            body += part
            if self._clock() > deadline:
                raise NoAnswer(TimeoutError(), sent=True)
        response.close()
        return bytes(body)


def _sent(error: HTTPError) -> bool:
    """Tell whether GitHub may have received the request; where that can't be told, it may."""
    if isinstance(error, SSLError):  # From the handshake, or from reading the answer.
        return not any(getattr(cause, "reason", "") in _HANDSHAKE_FAILURES for cause in error.args)
    # A proxy that can't be reached or opens no tunnel has passed nothing on.
    return not isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError)
