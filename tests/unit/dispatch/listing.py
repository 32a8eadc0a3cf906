"""GitHub's listing of runs, and a look at it with the eyes of a delivery in doubt."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from functions.core.delivery import Delivery
from functions.core.ledger import Entry, Ledger, State
from functions.core.settings import Route
from functions.dispatch.lookup import LAST_LOOK_SECONDS, Found, Verdict, judge, listed
from functions.dispatch.transport import Answer

from ..samples import NOW, ROUTE, delivery

OURS, OTHER = delivery(), delivery(version="7")
UNTIL = NOW + 10
IN_DOUBT = Entry(state=State.UNKNOWN, doubt_since=NOW, doubt_until=UNTIL, looks=1)
TITLED = replace(ROUTE, inputs={"delivery_id": "${delivery_id}"})
OURS_IS_17 = Found(17, "https://github.com/17")


def run(number: int = 17, at: float = NOW, **changes: Any) -> dict[str, Any]:
    """Give a run as GitHub lists it."""
    created = datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": number,
        "display_title": "Deploy",
        "html_url": f"https://github.com/{number}",
        "head_branch": "main",
        "actor": {"login": "octocat"},
        "triggering_actor": {"login": "octocat"},
        "created_at": created,
        **changes,
    }


def page(*runs: Any) -> Answer:
    """Give GitHub's answer with these runs."""
    return Answer(200, {}, json.dumps({"total_count": len(runs), "workflow_runs": runs}).encode())


def by(login: str) -> dict[str, Any]:
    """Name the account that started a run."""
    return {"actor": {"login": login}, "triggering_actor": {"login": login}}


def write(ledger: Ledger, other: Delivery, state: State, at: float = NOW, **fields: Any) -> None:
    """Let the ledger know another delivery."""
    ledger.move(other, Entry(state=state, holder="other", **fields), at)


def seen(*runs: dict[str, Any]) -> str:
    """Give what an entry keeps of runs that a look has seen."""
    read = listed(page(*runs))
    assert read
    return json.dumps([asdict(each) for each in read])


class Look:
    """Judges a listing, at the second look and late enough unless told otherwise."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(
        self,
        *runs: Any,
        entry: Entry = IN_DOUBT,
        route: Route = ROUTE,
        others: tuple[Route, ...] = (),
        after: float = LAST_LOOK_SECONDS,
        shared: bool = False,
    ) -> Verdict:
        """Look for the run of `OURS` so many seconds after the end of its doubt."""
        listing = listed(page(*runs))
        assert listing is not None
        routes = {each.name: each for each in (route, *others)}
        now = entry.doubt_until + after
        return judge(listing, OURS, routes, entry, self.ledger, now, shared=shared)
