"""The GitHub that every candidate meets: the local simulator with all documented limits, in virtual time.

Source of the limits: "Rate limits for the REST API": 5,000 requests an hour for a user's token; as secondary
limits 100 requests at once, and about 80 a minute and 500 an hour that create content. Whether a dispatch
creates content is not documented; here it does. A refusal names `retry-after`: 60 s, which is what that page
gives where no time is known, or what is left of them. No ban is modelled: when one comes is not documented.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from modelrelay.local.github import Run
from modelrelay.local.github.answers import secondary_limit
from modelrelay.local.github.limits import HOUR, MINUTE, Account, Limits
from modelrelay.local.github.model import RefusedError, Settings
from tests.simulation.github import SimulatedGitHub
from tests.simulation.plan import Plan

CONCURRENT: Final = 100


@dataclass(frozen=True, slots=True)
class Quota:
    """What GitHub allows one credential.

    Attributes:
        primary: Requests an hour, in fixed windows.
        per_minute: Requests in any minute that create something.
        per_hour: Requests in any hour that create something.
        status: What it answers above the secondary limits: 403 or 429, both are documented.
    """

    primary: int = 5_000
    per_minute: int = 80
    per_hour: int = 500
    status: int = 403


class StrictLimits(Limits):
    """GitHub's limits with the secondary one of an hour, and of requests at once.

    Attributes:
        refused: Requests that were answered 403 or 429 because of a limit.
        under_way: Requests that have begun and not ended.
    """

    def __init__(self, quota: Quota, settings: Settings, clock: Callable[[], float]) -> None:
        super().__init__(_settings(quota, settings), clock)
        self._per_hour = quota.per_hour
        self._created: deque[float] = deque()
        self.refused = 0
        self.under_way = 0

    def change(self, quota: Quota) -> None:
        """Allow more or less from now on; what was used stays used."""
        self._settings = _settings(quota, self._settings)
        self._per_hour = quota.per_hour

    def admit(self, token: str, method: str) -> None:
        """Count a call against all limits, or count and raise the refusal."""
        try:
            super().admit(token, method)
        except RefusedError:
            self.refused += 1
            raise

    def _admit_secondary(self, account: Account, method: str) -> None:
        now = self._clock()
        while self._created and self._created[0] <= now - HOUR:
            self._created.popleft()
        if now >= account.blocked_until:
            if self.under_way > CONCURRENT:
                raise secondary_limit(self._settings.secondary_status, MINUTE)
            if method == "POST" and len(self._created) >= self._per_hour:
                account.blocked_until = now + MINUTE
        super()._admit_secondary(account, method)
        if method == "POST":
            self._created.append(now)


class StrictGitHub(SimulatedGitHub):
    """GitHub with strict limits; one repository, whose runs all stay on record.

    Attributes:
        limits: Its limits, which count what breaks them.
    """

    limits: StrictLimits

    def __init__(self, plan: Plan, clock: Callable[[], float], quota: Quota) -> None:
        self._quota = quota
        super().__init__(plan, clock)

    def reset(self) -> None:
        """Forget every run and every use of a limit."""
        super().reset()
        self.limits = StrictLimits(self._quota, self.settings, self.clock)

    def started(self) -> list[Run]:
        """Give the runs, oldest first."""
        return self.runs[::-1]


def _settings(quota: Quota, settings: Settings) -> Settings:
    return replace(
        settings,
        per_hour=quota.primary,
        max_per_minute=quota.per_minute,
        secondary_status=quota.status,
    )
