"""GitHub's state in virtual time: listings that are behind, credentials that people revoke."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Final

from modelrelay.local.github import App, GitHub, Request, Run, Settings
from tests.simulation.plan import Plan

QUICK_SECONDS: Final = 5.0
"""A run that is listed sooner than this may be missed in one answer; a slower one is late enough."""

_LIE_SECONDS: Final = 7200.0


class SimulatedGitHub(GitHub):
    """GitHub, whose listings are behind, and whose tokens people revoke."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        super().__init__(
            plan.workflows,
            tokens=[],
            clock=lambda: clock() + plan.skew,
            settings=Settings(per_hour=plan.github_per_hour, max_per_minute=plan.github_per_minute),
            app=_app() if plan.app else None,
        )
        self._plan = plan
        self.skew = plan.skew
        self._random = Random(f"{plan.seed}/github")
        self._renewals = 0
        self._listed_from: dict[int, float] = {}
        self._missed: set[int] = set()

    def revoke(self) -> None:
        """Take no credential any more."""
        self._tokens = frozenset()
        if self._installation:
            self._installation.app.suspended = True

    def renew(self) -> str:
        """Take one credential, and give what is to be put into the secret for it."""
        if self._installation:
            self._installation.app.suspended = False
            return _app_secret()
        self._renewals += 1
        token = f"github_pat_{self._renewals}"
        self._tokens = frozenset([token])
        return json.dumps({"token": token})

    def account(self, request: Request) -> str:
        """Say whom the limits count."""
        return self._account(request)

    def lists(self, run: Run) -> bool:
        """Tell whether a listing shows a run by now; now and then an existing one is missed, once."""
        if self.clock() < self._listed_from.get(run.id, run.created_at):
            return False
        if run.id not in self._missed and self._random.random() < self._plan.misses:
            self._missed.add(run.id)
            return False
        return True

    def list_from(self, run: Run, by: float) -> None:
        """Decide when a new run is listed, at a given moment at the latest; or much later, if GitHub lies."""
        lag = self._random.choice([self._plan.listing_lag, QUICK_SECONDS]) * self._random.random()
        self._listed_from[run.id] = max(self.clock(), min(self.clock() + lag, by + self._plan.skew))
        if lag > QUICK_SECONDS:
            self._missed.add(run.id)  # Late once is enough.

    def hide(self, run: Run) -> None:
        """Keep a run out of listings for longer than anybody would wait."""
        self._listed_from[run.id] = self.clock() + _LIE_SECONDS


def _app() -> App:
    # Imported here, because it takes a tenth of a second, and most worlds have no App.
    from tests.simulator import keys  # noqa: PLC0415

    return keys.app(permissions={"actions": "write", "contents": "write"})


def _app_secret() -> str:
    from tests.simulator import keys  # noqa: PLC0415

    content = {
        "client_id": keys.CLIENT_ID,
        "installation_id": str(keys.INSTALLATION_ID),
        "private_key": keys.private_pem(),
    }
    return json.dumps(content)
