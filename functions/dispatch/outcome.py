"""What becomes of a delivery after an attempt, and what GitHub's answers mean.

Outcome
├── Dispatched    GitHub accepted it; the run's id and URL, where it told them
├── Duplicate     it was settled before: nothing is left to do
├── Superseded    a newer fact of the same stage or alias was dispatched: this one must not follow it
├── Wait          nothing is wrong with the delivery itself: it comes back later
└── DeadLetter    waiting won't mend it: a person must look, and is told why

Source of the rules: GitHub's "Best practices for using the REST API" and "Rate limits for the REST API".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from functions.dispatch.transport import Answer, NoAnswer

RATE_LIMITED: Final = "rate-limited"
NO_ANSWER: Final = "no-answer"
UNREACHABLE: Final = "unreachable"
UNAVAILABLE: Final = "github-unavailable"
UNREADABLE: Final = "unreadable-answer"
NOT_PERMITTED: Final = "credential-not-permitted"

_MAX_PAUSE_SECONDS: Final = 24 * 3600.0
"""GitHub's limits last an hour; what asks for more than a day is a mistake that would stop us for good."""

_MAX_DETAIL: Final = 500
_MIN_PROSE: Final = 3
"""A shorter text says nothing about anybody, and taking it out would leave no word whole."""

_SECRETS: Final = re.compile(
    r"gh[pousr]_[A-Za-z0-9._-]{16,}|github_pat_\w+"
    r"|[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}"
)
"""Tokens, and people's addresses: `actions/checkout@v4.1` is none. Bounded, so that no message takes long."""

_MOVED: Final = (
    "github-moved",
    "GitHub points elsewhere, where the credential is not taken. Mend the target or relay.github.api_url.",
)

_PERMANENT: Final[Mapping[int, tuple[str, str]]] = {
    HTTPStatus.NOT_FOUND: (
        "github-not-found",
        (
            "The owner, repository or workflow_id is wrong, or the credential lacks 'Actions: write' "
            "('Contents: write' for a repository_dispatch) there."
        ),
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("github-refused", ""),
    HTTPStatus.BAD_REQUEST: ("github-bad-request", "Is relay.github.api_version one that this GitHub knows?"),
    HTTPStatus.MOVED_PERMANENTLY: _MOVED,
    HTTPStatus.FOUND: _MOVED,
    HTTPStatus.TEMPORARY_REDIRECT: _MOVED,
    HTTPStatus.PERMANENT_REDIRECT: _MOVED,
    HTTPStatus.GONE: ("github-gone", "relay.github.api_version has been retired; set a newer one."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What GitHub said: status (0 where there was no answer), words, the id that its support asks for."""

    status: int = 0
    detail: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """GitHub accepted the dispatch. `redirected`: the repository was renamed, mend the configuration."""

    told: Told
    run_id: int | None = None
    run_url: str | None = None
    redirected: bool = False


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The ledger knows the delivery as settled: it was dispatched (with its run), or superseded."""

    told: Told
    state: str
    run_id: int | None = None
    run_url: str | None = None


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer fact was dispatched for the same model and stage or alias."""

    told: Told


@dataclass(frozen=True, slots=True)
class Wait:
    """To be tried again after some seconds."""

    told: Told
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Not to be tried again before a person has looked."""

    told: Told
    reason: str


Outcome = Dispatched | Duplicate | Superseded | Wait | DeadLetter


@dataclass(frozen=True, slots=True)
class Limited:
    """GitHub asks for a pause, of so many seconds where it names a time. Nothing was started.

    Attributes:
        secondary: Whether it is because of a limit that can't be asked for: the hour's quota has some left.
    """

    told: Told
    seconds: float | None
    reason: str = RATE_LIMITED
    secondary: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """GitHub does not take the credential, and a person must act. Nothing was started."""

    told: Told
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """GitHub did not answer, or not sensibly. `sent`: it may have started a run all the same."""

    told: Told
    reason: str
    sent: bool = True


Judged = Dispatched | DeadLetter | Limited | Rejected | Failed
"""What GitHub's answer can mean."""


def judge(answer: Answer, now: float, prose: Iterable[str] = ()) -> Judged:
    """Tell what GitHub's answer to a dispatch means.

    Args:
        answer: The answer.
        now: Seconds since the epoch.
        prose: What people wrote into the event. It is taken out of GitHub's words: a refusal quotes the
            input that it refuses.
    """
    told = Told(answer.status, _words(answer, prose), answer.request_id)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return _accepted(answer, told)
    trouble = judge_trouble(answer, now, told)
    if trouble:
        return trouble
    reason, hint = _PERMANENT.get(answer.status, (f"github-{answer.status}", ""))
    return DeadLetter(Told(told.status, f"{told.detail} {hint}".strip(), told.request_id), reason)


def judge_trouble(answer: Answer, now: float, told: Told | None = None) -> Limited | Rejected | Failed | None:
    """Tell what is wrong between GitHub and us, whatever was asked for; None where nothing is."""
    told = told or Told(answer.status, _words(answer, ()), answer.request_id)
    if answer.status in {HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS} and _limits(answer):
        return Limited(told, _pause(answer, now), secondary=answer.remaining != 0)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.REQUEST_TIMEOUT:
        return Failed(told, UNAVAILABLE)
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Rejected(told, _credential_reason(answer))
    return None


def judge_silence(error: NoAnswer) -> Failed:
    """Tell what it means that GitHub did not answer."""
    told = Told(detail=f"GitHub did not answer ({error}).")
    return Failed(told, NO_ANSWER if error.sent else UNREACHABLE, error.sent)


def used_up(answer: Answer, now: float) -> float | None:
    """Give the seconds to pause where a call that was taken was the last that the hour allows."""
    taken = answer.status < HTTPStatus.MULTIPLE_CHOICES
    return _pause(answer, now) if taken and answer.remaining == 0 else None


def _accepted(answer: Answer, told: Told) -> Judged:
    if answer.status == HTTPStatus.NO_CONTENT:
        return Dispatched(told, redirected=answer.redirected)
    run_id = answer.content.get("workflow_run_id")
    if not isinstance(run_id, int) or isinstance(run_id, bool):
        return Failed(told, UNREADABLE)
    return Dispatched(told, run_id, str(answer.content.get("html_url") or ""), answer.redirected)


def _limits(answer: Answer) -> bool:
    return (
        answer.status == HTTPStatus.TOO_MANY_REQUESTS
        or "retry-after" in answer.headers
        or answer.remaining == 0
        or "rate limit" in _message(answer).lower()
    )


def _pause(answer: Answer, now: float) -> float | None:
    """Give the seconds that GitHub asks for, by its official order of rules; None where it names none."""
    seconds = _retry_after(answer.headers.get("retry-after", ""), now)
    reset = answer.headers.get("x-ratelimit-reset", "")
    if seconds is None and answer.remaining == 0 and reset.isdecimal():
        seconds = float(reset) - now + 1
    return None if seconds is None else min(max(1.0, seconds), _MAX_PAUSE_SECONDS)


def _retry_after(value: str, now: float) -> float | None:
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now


def _credential_reason(answer: Answer) -> str:
    message = _message(answer).lower()
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return "credential-rejected"
    if "x-github-sso" in answer.headers:
        return "credential-needs-sso"
    if "ip allow list" in message:
        return "credential-ip-not-allowed"
    if "suspended" in message:
        return "credential-suspended"
    return NOT_PERMITTED


def _words(answer: Answer, prose: Iterable[str]) -> str:
    """Give GitHub's message and the headers that say what to do, without anything secret, and short."""
    hints = [
        f"{label}: {answer.headers[header]}."
        for header, label in (
            ("x-accepted-github-permissions", "Permissions that would do"),
            ("x-github-sso", "SSO"),
        )
        if header in answer.headers and answer.status == HTTPStatus.FORBIDDEN
    ]
    words = " ".join([_message(answer), *hints]).strip()
    return _without(words, [*prose, answer.credential])[:_MAX_DETAIL]  # Cut last: half a secret is one too.


def _without(words: str, hidden: Iterable[str]) -> str:
    """Take texts out, and what looks secret.

    All are looked for in the words as they came: a token that was taken out of a text before would leave the
    rest of the text, and the other way round.
    """
    found = [*_SECRETS.finditer(words)]
    for text in hidden:
        if len(text) >= _MIN_PROSE:
            found += re.finditer(re.escape(text), words)
    kept, end = [], 0
    for start, stop in sorted(each.span() for each in found):
        if start >= end:
            kept += [words[end:start], "[redacted]"]
        end = max(end, stop)
    return "".join([*kept, words[end:]])


def _message(answer: Answer) -> str:
    message = answer.content.get("message", "")
    return message if isinstance(message, str) else ""
