"""GitHub's rate limits, counted for each credential."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from modelrelay.local.github.answers import paused_for, primary_limit, secondary_limit
from modelrelay.local.github.model import Answer, Settings

HOUR = 3600
MINUTE = 60
_ANONYMOUS_PER_HOUR = 60


@dataclass
class Account:
    """What one credential has used, and until when it has been told to pause."""

    window_ends: float
    used: int = 0
    writes: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0
    paused_until: float = 0.0


class Limits:
    """Admits or refuses calls, and counts the callers that call on while they are limited."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self.violations = 0

    def arrive(self, token: str) -> None:
        """Count a call as a violation when an earlier answer asked this credential to be silent by now."""
        self.violations += self._clock() < self._account(token).paused_until

    def admit(self, token: str, method: str) -> None:
        """Count a call against both limits, or raise the refusal."""
        account = self._account(token)
        self._admit_secondary(account, method)
        if account.used >= self._settings.per_hour:
            raise primary_limit(math.ceil(account.window_ends))
        account.used += 1

    def note(self, token: str, answer: Answer) -> None:
        """Remember the pause that an answer asks for, whoever made the answer up."""
        until = paused_for(answer, self._clock())
        if until is not None:
            self._account(token).paused_until = until

    def overview(self, token: str) -> dict[str, int]:
        """Return the primary limit as `GET /rate_limit` words it."""
        account = self._account(token)
        limit = self._settings.per_hour if token else _ANONYMOUS_PER_HOUR
        remaining = max(limit - account.used, 0)
        return {
            "limit": limit,
            "used": account.used,
            "remaining": remaining,
            "reset": math.ceil(account.window_ends),
        }

    def headers(self, token: str) -> dict[str, str]:
        """Return the primary limit as the headers that every answer carries."""
        return {f"x-ratelimit-{name}": str(value) for name, value in self.overview(token).items()} | {
            "x-ratelimit-resource": "core"
        }

    def _account(self, token: str) -> Account:
        now = self._clock()
        account = self._accounts.setdefault(token, Account(window_ends=now + HOUR))
        if now >= account.window_ends:
            account.window_ends, account.used = now + HOUR, 0
        return account

    def _admit_secondary(self, account: Account, method: str) -> None:
        allowed, now = self._settings.max_per_minute, self._clock()
        if now < account.blocked_until:
            raise secondary_limit(self._settings.secondary_status, math.ceil(account.blocked_until - now))
        if allowed is None or method != "POST":
            return
        while account.writes and account.writes[0] <= now - MINUTE:
            account.writes.popleft()
        if len(account.writes) >= allowed:
            account.blocked_until = now + MINUTE
            raise secondary_limit(self._settings.secondary_status, MINUTE)
        account.writes.append(now)
