"""A switch for the ways in which GitHub, or the way to it, fails."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from modelrelay.local.github.answers import JSON_TYPE, SECONDARY_DOCS, SECONDARY_TEXT, problem_body
from modelrelay.local.github.model import Answer, Request

# In a fault's header: the same resource on the same host, addressed as after a rename.
MOVED = "{moved}"
# The permission that an App would need for the request.
NEEDED = "{needed}"


class FaultError(ValueError):
    """Raised when a fault is described wrongly; the message says which key and why."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Fault:
    """One way to fail, and which requests it hits.

    Without `status` and `drop` the true answer is given, after `delay` seconds. `accept` lets the request
    take effect although the answer says otherwise; `drop` closes the connection without an answer,
    before or after the effect. `times` bounds the hits: None is one, or any number while `for_seconds`
    lasts, and 0 is any number until cleared. Of the requests that contain `match` in their path or body,
    one of `every` is hit, beginning with the first.
    """

    name: str = ""
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    times: Annotated[int, Field(ge=0)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    delay: Annotated[float, Field(ge=0, le=600)] = 0.0
    accept: bool = False
    drop: Literal["before", "after"] | None = None
    match: str = ""
    for_seconds: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Fault":
        if self.status is not None and self.drop is not None:
            raise ValueError("status and drop exclude each other")
        if self.status is None and (self.headers or self.body or self.accept):
            raise ValueError("headers, body and accept need a status")
        if not all(text.isascii() and text.isprintable() for pair in self.headers.items() for text in pair):
            raise ValueError("a header holds printable ASCII only")
        return self

    @property
    def hits_allowed(self) -> int | None:
        """How many requests it may hit; None is any number."""
        if self.times is None:
            return 1 if self.for_seconds is None else None
        return self.times or None

    @property
    def takes_effect(self) -> bool:
        """Tell whether GitHub sees the request at all."""
        return self.accept or self.drop == "after" or (self.status is None and self.drop is None)

    def concerns(self, request: Request) -> bool:
        """Tell whether `match` occurs in the path or the body."""
        return self.match in request.path or self.match.encode() in request.body

    def answer(self, moved: str, needed: str = "actions=write") -> Answer | None:
        """Return the answer that stands in for the true one; None when there is none to give.

        `moved` and `needed` are filled in where a header holds `{moved}` or `{needed}`.
        """
        if self.status is None:
            return None
        given = {
            name.lower(): value.replace(MOVED, moved).replace(NEEDED, needed)
            for name, value in self.headers.items()
        }
        return Answer(self.status, {"content-type": JSON_TYPE, **given}, self.body.encode())


def _refusal(name: str, status: int, message: str, headers: Mapping[str, str] | None = None) -> Fault:
    return Fault(name=name, status=status, body=problem_body(status, message), headers=headers or {})


PRESETS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        _refusal("outage", 503, "No server is currently available to service your request."),
        _refusal(
            "rate-limit",
            403,
            "API rate limit exceeded for user ID 1.",
            {"retry-after": "60", "x-ratelimit-remaining": "0"},
        ),
        Fault(
            name="secondary",
            status=429,
            headers={"retry-after": "60"},
            body=problem_body(429, SECONDARY_TEXT, SECONDARY_DOCS),
        ),
        _refusal("bad-credentials", 401, "Bad credentials"),
        Fault(name="garbage", status=200, body='{"workflow_run_id": 1700', accept=True),
        _refusal(
            "forbidden",
            403,
            "Resource not accessible by personal access token",
            {"x-accepted-github-permissions": NEEDED},
        ),
        _refusal(
            "sso",
            403,
            "Resource protected by organization SAML enforcement. "
            "You must grant your Personal Access token access to this organization.",
            {"x-github-sso": "required; url=https://github.com/orgs/octo-org/sso?authorization_request=A1"},
        ),
        _refusal(
            "ip-allow-list",
            403,
            "Although you appear to have the correct authorization credentials, the `octo-org` organization "
            "has an IP allow list enabled, and your IP address is not permitted to access this resource.",
        ),
        _refusal("redirect", 307, "Temporary Redirect", {"location": MOVED}),
        _refusal("unprocessable", 422, 'Unexpected inputs provided: ["model"]'),
    )
}


def parse_faults(text: bytes | str) -> list[Fault]:
    """Read one fault or a list of faults from JSON.

    Raises:
        FaultError: for anything but faults, with a message for the person who typed it.
    """
    try:
        decoded = json.loads(text)
    except ValueError as error:
        raise FaultError(f"not JSON: {error}") from None
    return [parse_fault(each) for each in (decoded if isinstance(decoded, list) else [decoded])]


def parse_fault(given: Any) -> Fault:
    """Read a fault; `preset` names one to start from, and the other keys change it."""
    if not isinstance(given, dict):
        raise FaultError("a fault is an object")
    changes = dict(given)
    start = _preset(changes.pop("preset")) if "preset" in changes else {}
    if isinstance(changes.get("headers"), dict):
        changes["headers"] = {**start.get("headers", {}), **changes["headers"]}
    try:
        return Fault(**{**start, **changes})
    except ValidationError as error:
        raise FaultError("; ".join(_complaint(each) for each in error.errors())) from None


def _preset(name: Any) -> dict[str, Any]:
    if not isinstance(name, str) or name not in PRESETS:
        raise FaultError(f"preset: {name!r} is none of {', '.join(PRESETS)}")
    return asdict(PRESETS[name])


def _complaint(error: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        return f"{key}: unknown key; known are preset, {', '.join(Fault.__dataclass_fields__)}"
    return f"{key}: {error['msg']}" if key else str(error["msg"])


@plain_dataclass
class ActiveFault:
    """A fault that has been switched on, and what it has met so far."""

    fault: Fault
    ends: float
    met: int = 0
    hits: int = 0

    def over(self, now: float) -> bool:
        """Tell whether it can hit nothing any more."""
        allowed = self.fault.hits_allowed
        return now >= self.ends or (allowed is not None and self.hits >= allowed)

    def strikes(self, request: Request) -> bool:
        """Count a request, and tell whether it is hit."""
        if not self.fault.concerns(request):
            return False
        self.met += 1
        struck = (self.met - 1) % self.fault.every == 0
        self.hits += struck
        return struck

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for the page."""
        return {
            **asdict(self.fault),
            "met": self.met,
            "hits": self.hits,
            "hits_allowed": self.fault.hits_allowed,
        }


class Faults:
    """The faults that are switched on, of which the first that strikes decides."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._active: list[ActiveFault] = []

    def inject(self, *faults: Fault) -> None:
        """Switch faults on, from now."""
        for fault in faults:
            span = float("inf") if fault.for_seconds is None else fault.for_seconds
            self._active.append(ActiveFault(fault, self._clock() + span))

    def clear(self, name: str | None = None) -> None:
        """Switch off the faults of this name, or all."""
        self._active = [each for each in self._active if name is not None and each.fault.name != name]

    def active(self) -> list[ActiveFault]:
        """Return the faults that can still hit something."""
        now = self._clock()
        self._active = [each for each in self._active if not each.over(now)]
        return list(self._active)

    def strike(self, request: Request) -> Fault | None:
        """Return the fault that hits this request."""
        return next((each.fault for each in self.active() if each.strikes(request)), None)
