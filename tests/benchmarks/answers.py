"""GitHub's answers that the models react to, as the local simulator words them."""

from __future__ import annotations

from modelrelay.local.github import Answer
from modelrelay.local.github.answers import primary_limit, problem, secondary_limit

NOW = 1_790_000_000.0


def secondary(status: int = 403, wait: int = 60) -> Answer:
    """A secondary limit with the wait that it names."""
    return secondary_limit(status, wait).answer


def unnamed(status: int = 403) -> Answer:
    """A secondary limit that names no wait."""
    return problem(status, "You have exceeded a secondary rate limit.").answer


def primary(seconds: int) -> Answer:
    """The hour's requests are used up for so many seconds more."""
    return primary_limit(int(NOW) + seconds).answer


def failure(status: int) -> Answer:
    """Something that failed, or was refused."""
    return problem(status, "Oops").answer
