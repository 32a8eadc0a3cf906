"""A sender that goes on sending, with whatever secret it knows, while somebody rotates it."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from tests.pipeline.conftest import Pipeline, transition

PAUSE_SECONDS: Final = 0.2


def signed(secret: str, body: bytes) -> dict[str, str]:
    """Give the headers that Databricks sends when it knows a secret."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Databricks-Signature": digest}


def status(pipeline: Pipeline, secret: str, body: bytes) -> int:
    """Send a body that is signed with a secret, and give the answer's status."""
    return pipeline.request("POST", "/databricks", body, signed(secret, body)).status


class SteadySender:
    """Sends a webhook every fifth of a second until it is left; usable as a context manager.

    No route wants its events, so that what is counted is the way in alone.

    Attributes:
        secret: What it signs with; may be changed at any time.
        statuses: How often it got which answer, by the secret used.
    """

    def __init__(self, pipeline: Pipeline, secret: str, model: str) -> None:
        self.secret = secret
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._pipeline = pipeline
        self._body = transition(model, 1, event="COMMENT_CREATED", comment="one of many")
        self._busy = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def between_two(self, act: Callable[[], object]) -> None:
        """Do something while no webhook is under way."""
        with self._busy:
            act()

    def more(self, count: int = 8) -> None:
        """Wait until so many more were answered."""
        goal = self.statuses.total() + count
        while self.statuses.total() < goal:
            assert self._thread.is_alive()
            time.sleep(PAUSE_SECONDS / 4)

    def _run(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            with self._busy:
                secret = self.secret
                self.statuses[secret, status(self._pipeline, secret, self._body)] += 1
