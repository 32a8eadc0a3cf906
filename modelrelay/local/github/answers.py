"""The answers that GitHub gives: one place for the wording, because clients have to read it."""

import json
from typing import Any

from modelrelay.local.github.model import Answer, RefusedError

JSON_TYPE = "application/json; charset=utf-8"
SECONDARY_TEXT = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
SECONDARY_DOCS = (
    "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
)
PRIMARY_DOCS = "https://docs.github.com/rest/overview/resources-in-the-rest-api#rate-limiting"
MINTING_DOCS = "https://docs.github.com/rest/reference/apps#create-an-installation-access-token-for-an-app"
_AGENT_TEXT = (
    "\r\nRequest forbidden by administrative rules. "
    "Please make sure your request has a User-Agent header "
    "(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). "
    "Check https://developer.github.com for other possible causes.\r\n"
)


def reply(status: int, payload: Any) -> Answer:
    """Answer with JSON."""
    return Answer(status, {"content-type": JSON_TYPE}, json.dumps(payload).encode())


def no_content() -> Answer:
    """Answer 204, which has no body."""
    return Answer(204, {})


def problem_body(status: int, message: str, docs: str = "https://docs.github.com/rest") -> str:
    """Return GitHub's usual error document."""
    return json.dumps({"message": message, "documentation_url": docs, "status": str(status)})


def problem(
    status: int, message: str, *, docs: str = "https://docs.github.com/rest", **headers: str
) -> RefusedError:
    """Return a refusal to raise; headers are given with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = problem_body(status, message, docs).encode()
    return RefusedError(Answer(status, {"content-type": JSON_TYPE, **named}, body))


def bad_credentials() -> RefusedError:
    """401 for a missing, wrong or expired token."""
    return problem(401, "Bad credentials")


def bad_jwt(message: str = "A JSON web token could not be decoded") -> RefusedError:
    """401 for what an App signed wrongly, or for anything else in its place."""
    return problem(401, message)


def suspended() -> RefusedError:
    """403 for an App whose installation somebody has suspended."""
    return problem(403, "This installation has been suspended", docs=MINTING_DOCS)


def not_accessible(permissions: str) -> RefusedError:
    """403 for a token of an App that lacks a permission."""
    headers = {"x_accepted_github_permissions": permissions}
    return problem(403, "Resource not accessible by integration", **headers)


def no_user_agent() -> RefusedError:
    """403 in plain text, from in front of the API."""
    return RefusedError(Answer(403, {"content-type": "text/html; charset=utf-8"}, _AGENT_TEXT.encode()))


def not_found() -> RefusedError:
    """404 for a wrong name, and equally for a missing permission."""
    return problem(404, "Not Found")


def invalid_request(detail: str) -> RefusedError:
    """422 for a body that breaks the description of the operation."""
    return problem(422, f"Invalid request.\n\n{detail}")


def primary_limit(reset: int) -> RefusedError:
    """403 when the hour's requests are used up; `reset` is in epoch seconds."""
    limits = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(reset)}
    return problem(403, "API rate limit exceeded for user ID 1.", docs=PRIMARY_DOCS, **limits)


def secondary_limit(status: int, wait: int) -> RefusedError:
    """403 or 429 for too much at once; `wait` is in seconds."""
    return problem(status, SECONDARY_TEXT, docs=SECONDARY_DOCS, retry_after=str(wait))


def paused_for(answer: Answer, now: float) -> float | None:
    """Read from an answer until when it tells its caller to pause, in epoch seconds.

    The order is the documented one: `retry-after`, else the reset time when nothing remains.
    """
    if answer.status not in {403, 429}:
        return None
    headers = answer.headers
    if headers.get("retry-after", "").isdigit():
        return now + int(headers["retry-after"])
    if headers.get("x-ratelimit-remaining") == "0":
        return float(headers.get("x-ratelimit-reset", now))
    return None
