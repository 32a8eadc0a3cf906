"""What others would drain a backlog with: the retry rules of two clients, as their sources have them.

PyGithub 2 (`github/GithubRetry.py`, `github/Requester.py`, `github/MainClass.py`): `GithubRetry(total=10)`
on urllib3's `Retry` without a back-off factor; 403 is tried again with `Retry-After`, or where the message
speaks of a rate limit: after `x-ratelimit-reset` and a second (primary), or 60 s (secondary); 5xx at once.
429 is tried again by urllib3 itself, with `Retry-After` only. A call that writes begins a second after the
end of the last one.

Octokit (`octokit/octokit.js`, `plugin-throttling.js`, `plugin-retry.js`): a limiter lets writes go a second
apart, per process; `workflow_dispatch` is not among the paths that it paces at three seconds. A rate limit is
waited out once: `retry-after` or 60 s (secondary), `x-ratelimit-reset` and a second (primary). 5xx is tried
three times more, after 1, 4 and 9 s; 400, 401, 403, 404, 410, 422 and 451 are not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Final, Protocol

from benchmarks.drain_github import StrictGitHub
from functions.core.delivery import Delivery
from modelrelay.local.github import Answer, Request
from tests.simulation.scheduler import Scheduler

_FAILED: Final = 500
_SECONDARY_SECONDS: Final = 60.0
_WRITE_SECONDS: Final = 1.0
_PYGITHUB_RETRIES: Final = 10
_OCTOKIT_LIMIT_RETRIES: Final = 1
_OCTOKIT_RETRIES: Final = 3
_PRIMARY: Final = "api rate limit exceeded"


class GaveUp(Exception):
    """A client has tried as often as it does. The function that called it fails."""


class Client(Protocol):
    """A client of GitHub's, in one process."""

    def dispatch(self, delivery: Delivery) -> None:
        """Have GitHub start a run.

        Raises:
            GaveUp: It did not, and the client tries no more.
        """


class Site:
    """GitHub as a client reaches it: the way takes as long as in the simulation, there and back.

    Attributes:
        requests: How many were sent.
        clock: Virtual time.
        sleep: Lets the running task wait.
    """

    def __init__(self, github: StrictGitHub, scheduler: Scheduler, token: str, seed: int = 1) -> None:
        self._github = github
        self._token = token
        self._random = Random(f"{seed}/site")  # noqa: S311 - a simulation's
        self.clock = scheduler.clock
        self.sleep = scheduler.sleep
        self.requests = 0

    def post(self, delivery: Delivery) -> Answer:
        """Ask for a delivery's run, and wait for the answer."""
        limits = self._github.limits
        limits.under_way += 1
        self.requests += 1
        self.sleep(self._random.uniform(0.05, 0.5))
        answer = self._github.handle(_request(delivery, self._token))
        self.sleep(self._random.uniform(0.05, 0.5))
        limits.under_way -= 1
        return answer


class PyGithub:
    """PyGithub with its defaults."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ended = float("-inf")

    def dispatch(self, delivery: Delivery) -> None:
        """Have GitHub start a run, with up to ten more tries."""
        self._site.sleep(max(0.0, self._ended + _WRITE_SECONDS - self._site.clock()))
        try:
            for tries_left in reversed(range(_PYGITHUB_RETRIES + 1)):
                answer = self._site.post(delivery)
                if _accepted(answer):
                    return
                pause = pygithub_pause(answer, self._site.clock())
                if pause is None or not tries_left:
                    raise GaveUp(f"PyGithub gave up after {answer.status}")
                self._site.sleep(pause)
        finally:
            self._ended = self._site.clock()


def pygithub_pause(answer: Answer, now: float) -> float | None:
    """Give the seconds after which PyGithub tries again; None where it does not."""
    if answer.status not in {403, 429} and answer.status < _FAILED:
        return None
    if "retry-after" in answer.headers:
        return float(answer.headers["retry-after"])
    if answer.status >= _FAILED:
        return 0.0
    message = _message(answer)
    if answer.status != 403 or "rate limit" not in message:  # noqa: PLR2004 - as its source has it
        return None
    if message.startswith(_PRIMARY):
        return max(0.0, float(answer.headers.get("x-ratelimit-reset", now - 1)) - now + 1)
    return _SECONDARY_SECONDS


class Octokit:
    """Octokit with its defaults."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._next = float("-inf")

    def dispatch(self, delivery: Delivery) -> None:
        """Have GitHub start a run; a limit is waited out once, a failure three times."""
        pauses = octokit_pauses()
        while True:
            self._pace()
            answer = self._site.post(delivery)
            if _accepted(answer):
                return
            pause = pauses(answer, self._site.clock())
            if pause is None:
                raise GaveUp(f"Octokit gave up after {answer.status}")
            self._site.sleep(pause)

    def _pace(self) -> None:
        begin = max(self._next, self._site.clock())
        self._next = begin + _WRITE_SECONDS
        self._site.sleep(begin - self._site.clock())


def octokit_pauses() -> Callable[[Answer, float], float | None]:
    """Begin with one request: gives what says after how many seconds it is tried again, None for never."""
    limits: Iterator[int] = iter(range(_OCTOKIT_LIMIT_RETRIES))
    failures: Iterator[int] = iter(range(1, _OCTOKIT_RETRIES + 1))

    def pause(answer: Answer, now: float) -> float | None:
        if answer.status >= _FAILED:
            number = next(failures, None)
            return None if number is None else float(number**2)
        wait = _octokit_limit(answer, now)
        return None if wait is None or next(limits, None) is None else wait

    return pause


def _octokit_limit(answer: Answer, now: float) -> float | None:
    if answer.status != 403:  # noqa: PLR2004 - a 429 is the retry plugin's too, and not modelled
        return None
    if "secondary rate" in _message(answer):
        return float(answer.headers.get("retry-after", 0)) or _SECONDARY_SECONDS
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return max(0.0, math.ceil(float(answer.headers["x-ratelimit-reset"]) - now) + 1)
    return None


def _accepted(answer: Answer) -> bool:
    return answer.status in {200, 204}


def _message(answer: Answer) -> str:
    return str(answer.json().get("message", "")).lower()


def _request(delivery: Delivery, token: str) -> Request:
    """Make the request that every client sends: the workflow's two inputs."""
    event = delivery.event
    inputs = {"model_name": event.model_name, "model_version": event.version}
    headers = {
        "authorization": f"Bearer {token}",
        "user-agent": "benchmark",
        "x-github-api-version": "2026-03-10",
    }
    path = "/repos/acme/models/actions/workflows/deploy.yml/dispatches"
    return Request("POST", path, "", headers, json.dumps({"ref": "main", "inputs": inputs}).encode())
