"""The line to GitHub in virtual time: what the functions take for urllib3's pool. It records each call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from modelrelay.local.github import Answer, Request, Run
from modelrelay.local.github.answers import paused_for
from tests.simulation.github import SimulatedGitHub
from tests.simulation.plan import START
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.skies import Passage, Skies, timed_out
from tests.simulation.story import Story

TOLD_SECONDS: Final = 18.0
"""How long after an answer that leaves things open a run is listed at the latest, unless GitHub lies."""

_NEITHER_SECONDS: Final = 60.0


@dataclass(slots=True)
class Call:
    """A call to GitHub, as its caller experienced it. Times are epoch seconds.

    Attributes:
        heard: When the caller got an answer or an error; None if it was dead by then.
        limited_until: Until when the answer asks for silence.
        run: The run that it started.
        about: The delivery that it is for.
    """

    number: int
    task: Task
    method: str
    path: str
    account: str
    started: float
    passage: Passage
    heard: float | None = None
    status: int | None = None
    limited_until: float = 0.0
    run: Run | None = None
    about: tuple[str, ...] = ()

    @property
    def creates(self) -> bool:
        """Whether it asks for a run."""
        return self.method == "POST" and self.path.endswith("/dispatches")


@dataclass(slots=True)
class Response:
    """An HTTP response as urllib3 gives it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    stall: Callable[[], None] | None = None
    _read: int = field(default=0)

    def read1(self, amount: int) -> bytes:
        """Read a part of the body."""
        part = self.body[self._read : self._read + amount]
        self._read += len(part)
        if self.stall and not part:
            self.stall()
        return part

    def close(self) -> None:
        """End the response."""


class Line:
    """The line to GitHub; it looks like a urllib3 `PoolManager`."""

    def __init__(self, github: SimulatedGitHub, skies: Skies, scheduler: Scheduler, story: Story) -> None:
        self._github = github
        self._skies = skies
        self._scheduler = scheduler
        self._story = story
        self.calls: list[Call] = []
        self.on_heard: list[Callable[[Call], None]] = []

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and wait for the answer's head."""
        if options.keys() != {"body", "headers", "timeout", "retries", "redirect", "preload_content"}:
            raise TypeError(f"unexpected options {sorted(options)}")
        if any(options[name] is not False for name in ("retries", "redirect", "preload_content")):
            raise TypeError("urllib3 would try again, follow a redirect, or read without a deadline")
        parts = urlsplit(url)
        request = Request(method, parts.path, parts.query, options["headers"], options["body"] or b"")
        task = self._scheduler.current
        if task is None:
            raise RuntimeError("only a task can call GitHub")
        passage = self._skies.decide(request)
        call = Call(
            number=len(self.calls) + 1,
            task=task,
            method=method,
            path=parts.path,
            account=self._github.account(request),
            started=self._scheduler.now,
            passage=passage,
            about=self._story.topics(task.name),
        )
        self.calls.append(call)
        return self._exchange(request, call, _patience(options["timeout"]))

    def clear(self) -> None:
        """Close the connections; there are none."""

    def _exchange(self, request: Request, call: Call, patience: float) -> Response:
        passage, about = call.passage, call.about
        answers: list[Answer] = []
        title = f"GitHub #{call.number} {call.method} …{call.path[-40:]}"
        self._story.tell(call.task.name, f"{title} {_asked(request)}")

        def happen() -> None:
            before = self._github.accepted
            answers.append(self._github.handle(request, instead=passage.instead))
            if self._github.accepted > before:
                call.run = self._github.runs[0]
                self._story.tell("GitHub", f"#{call.number} started run {call.run.id}", *about)
                self._github.list_from(call.run, call.started + min(passage.answer, patience) + TOLD_SECONDS)
                if self._skies.lies and not passage.tells:
                    self._github.hide(call.run)

        if passage.effect is not None:
            self._scheduler.after(passage.effect, happen)
        self._scheduler.sleep(min(passage.answer, patience))
        call.heard = self._scheduler.now
        error = passage.error or (timed_out() if passage.answer > patience else None)
        if error:
            self._told(call)
            self._story.tell(call.task.name, f"GitHub #{call.number} → no answer ({passage.name})")
            raise error
        answer = answers[0] if answers else self._given(request, passage)
        return self._heard(call, answer, patience)

    def _told(self, call: Call) -> None:
        for watcher in self.on_heard:
            watcher(call)

    def _given(self, request: Request, passage: Passage) -> Answer:
        if passage.effect is not None:
            assert passage.instead  # It takes effect later, and the truth is not known yet.
            return passage.instead
        return self._github.handle(request, instead=passage.instead, effect=False)

    def _heard(self, call: Call, answer: Answer, patience: float) -> Response:
        passage = call.passage
        call.status = answer.status
        given_at = self._scheduler.now - passage.answer + (passage.effect or 0.0)
        call.limited_until = _silence(answer, given_at, self._github.skew)
        told = f"{answer.status}{f' ({passage.name})' if passage.name else ''}"
        limited = f", asks for silence until @{call.limited_until - START:.3f}" if call.limited_until else ""
        self._story.tell(call.task.name, f"GitHub #{call.number} → {told}{_listed(answer)}{limited}")
        self._told(call)
        body = answer.body[: len(answer.body) // 2] if passage.garbled else answer.body

        def stall() -> None:
            self._scheduler.sleep(max(0.0, call.started + patience - self._scheduler.now))
            call.heard = self._scheduler.now
            raise timed_out()

        if passage.stalls:
            return Response(answer.status, answer.headers, body[: len(body) // 2], stall)
        return Response(answer.status, answer.headers, body)


def _patience(timeout: Any) -> float:
    """Give after how many seconds urllib3 gives up."""
    seconds = timeout.total if isinstance(timeout, urllib3.Timeout) else timeout
    if not isinstance(seconds, int | float):
        raise TypeError(f"a call without a time limit: {timeout}")
    return float(seconds)


def _silence(answer: Answer, now: float, skew: float) -> float:
    """Give until when an answer asks for silence, by our clock; 0 where it does not."""
    until = paused_for(answer, now + skew)
    if until is not None:
        return until - skew
    words = answer.body.lower()
    if answer.status == 429 or (answer.status == 403 and b"rate limit" in words):
        return now + _NEITHER_SECONDS
    return 0.0


def _asked(request: Request) -> str:
    return request.body.decode()[:200] if request.body else request.query


def _listed(answer: Answer) -> str:
    """Tell which runs an answer lists."""
    if b'"workflow_runs"' not in answer.body:
        return ""
    ids = [str(run["id"]) for run in answer.json()["workflow_runs"]]
    return f" lists {', '.join(ids) or 'nothing'}"
