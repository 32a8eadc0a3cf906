"""Looking up the run of a call of which nobody knows what it did: by its title, and by exclusion."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.ledger import CALL_SECONDS, Entry, Ledger, LedgerUnavailable, State
from functions.core.settings import Route
from functions.dispatch.lookup import (
    FIRST_LOOK_SECONDS,
    LAST_LOOK_SECONDS,
    Found,
    LookAgain,
    NotStarted,
    Undecided,
    Verdict,
    effect_until,
    first_look_at,
    judge,
    refused,
    span,
)
from functions.dispatch.outcome import Limited, Rejected, judge_trouble
from functions.dispatch.transport import Answer

from ..conftest import Flaky
from ..samples import NOW, ROUTE, delivery

OURS, OTHER, THIRD = delivery(), delivery(version="7"), delivery(version="6")
UNTIL = NOW + 10
IN_DOUBT = Entry(state=State.UNKNOWN, doubt_since=NOW, doubt_until=UNTIL, looks=1)
TITLED = replace(ROUTE, inputs={"delivery_id": "${delivery_id}"})
OURS_IS_17 = Found(17, "https://github.com/17")

Judge = Callable[..., Verdict]


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


def by(login: str) -> dict[str, Any]:
    """Name the account that started a run."""
    return {"actor": {"login": login}, "triggering_actor": {"login": login}}


def write(ledger: Ledger, other: Delivery, state: State, at: float = NOW, **fields: Any) -> None:
    """Let the ledger know another delivery."""
    ledger.move(other, Entry(state=state, holder="other", **fields), at)


@pytest.fixture
def look(ledger: Ledger) -> Judge:
    """Judge a listing, at the second look and late enough unless told otherwise."""

    def look(
        *runs: Any, entry: Entry = IN_DOUBT, route: Route = ROUTE, after: float = LAST_LOOK_SECONDS
    ) -> Verdict:
        answer = Answer(200, {}, json.dumps({"total_count": len(runs), "workflow_runs": runs}).encode())
        return judge(answer, OURS, route, entry, ledger, entry.doubt_until + after)

    return look


@pytest.mark.parametrize("title", [OURS.id, f"Deploy churn 8 ({OURS.id}) by relay"])
@pytest.mark.parametrize(
    "changes", [{}, {"head_branch": "other"}, by("mona"), {"created_at": "2026-01-01T00:00:00Z"}]
)
def test_title_with_the_deliverys_id_is_certain(look: Judge, title: str, changes: dict[str, Any]) -> None:
    """A run that shows the delivery's id is its own, at the first look already and whatever else it shows."""
    shown = run(display_title=title, **changes)
    assert (
        look(run(16), shown, run(18), entry=replace(IN_DOUBT, looks=0), after=FIRST_LOOK_SECONDS)
        == OURS_IS_17
    )


def test_only_run_that_fits_is_its_own(look: Judge) -> None:
    """Without a title, the one run of that moment that nobody else accounts for is the delivery's."""
    assert look(run(16, NOW - 60), run(), run(18, NOW + 60)) == OURS_IS_17


def test_nothing_that_fits_was_never_started(look: Judge) -> None:
    """A run that is not listed at the second look counts as never created."""
    assert look() == NotStarted()
    assert look(run(16, NOW - 60)) == NotStarted()


@pytest.mark.parametrize(
    ("looks", "after", "again"),
    [
        (0, 6, 20),
        (0, 13.9, 20),
        (0, 14.5, 20.5),
        (0, 100, 106),
        (1, 6, 20),
        (1, 19.9, 25.9),
        (7, 15, 21),
        (1, 20, None),
        (7, 20, None),
    ],
)
@pytest.mark.parametrize("runs", [[], [run()], [run(), run(18)]])
def test_second_look_decides(
    look: Judge, runs: list[Any], looks: int, after: float, again: float | None
) -> None:
    """Until the listing was asked twice, and late enough, it proves nothing."""
    verdict = look(*runs, entry=replace(IN_DOUBT, looks=looks), after=after)
    assert isinstance(verdict, LookAgain) == (again is not None)
    if isinstance(verdict, LookAgain) and again:
        assert verdict.at == pytest.approx(UNTIL + again)


@pytest.mark.parametrize(
    ("since", "created_at", "fits"),
    [
        (NOW, NOW - 2, False),
        (NOW, NOW - 1, True),
        (NOW, UNTIL, True),
        (NOW, UNTIL + 1, True),
        (NOW, UNTIL + 2, False),
        (NOW + 0.999, NOW - 2, False),
        (NOW + 0.999, NOW - 1, True),
        (NOW + 1, NOW - 1, False),
        (NOW + 1, NOW, True),
    ],
)
def test_run_is_of_the_calls_time(look: Judge, since: float, created_at: float, fits: bool) -> None:  # noqa: FBT001
    """A run fits from a second before the call to a second after its end; GitHub tells whole seconds."""
    entry = replace(IN_DOUBT, doubt_since=since)
    assert look(run(at=created_at), entry=entry) == (OURS_IS_17 if fits else NotStarted())


def test_end_of_the_calls_time_is_no_whole_second(look: Judge) -> None:
    """A second after the end is meant exactly."""
    entry = replace(IN_DOUBT, doubt_until=NOW + 0.5)
    assert look(run(at=NOW + 1), entry=entry) == OURS_IS_17
    assert look(run(at=NOW + 2), entry=entry) == NotStarted()


@pytest.mark.parametrize(
    ("ref", "branch", "fits"),
    [
        ("main", "main", True),
        ("main", "mainline", False),
        ("main", "", False),
        ("refs/heads/main", "main", True),
        ("refs/heads/release/1", "release/1", True),
        ("refs/tags/v1", "v1", True),
        ("v1", "v1", True),
        ("refs/heads/main", "refs/heads/main", False),
        ("heads/main", "main", False),
    ],
)
def test_run_is_on_the_routes_ref(look: Judge, ref: str, branch: str, fits: bool) -> None:  # noqa: FBT001
    """A run on another branch or tag is another's; GitHub lists short names."""
    route = replace(ROUTE, target=replace(ROUTE.target, ref=ref))
    assert look(run(head_branch=branch), route=route) == (OURS_IS_17 if fits else NotStarted())


@pytest.mark.parametrize(("login", "fits"), [("octocat", True), ("mona", False)])
def test_run_is_by_the_account_that_starts_ours(
    look: Judge,
    ledger: Ledger,
    login: str,
    fits: bool,  # noqa: FBT001
) -> None:
    """Where a run of ours shows who starts them, what a person started by hand is none of ours."""
    write(ledger, OTHER, State.DISPATCHED, NOW - 300, run_id=16)
    verdict = look(run(16, NOW - 300), run(**by(login)))
    assert verdict == (OURS_IS_17 if fits else NotStarted())


def test_account_is_not_known_without_a_run_of_ours(look: Judge) -> None:
    """As long as nothing shows who starts ours, a run by anybody fits."""
    assert look(run(**by("mona"))) == OURS_IS_17


def test_account_is_who_started_the_run_first(look: Judge, ledger: Ledger) -> None:
    """A run of ours that a person has run again since is still ours."""
    write(ledger, OTHER, State.DISPATCHED, NOW - 300, run_id=16)
    assert look(run(16, NOW - 300), run(triggering_actor={"login": "mona"})) == OURS_IS_17


@pytest.mark.parametrize("shown", [{"triggering_actor": None}, {"triggering_actor": None, "actor": None}])
def test_account_may_be_gone(look: Judge, shown: dict[str, Any]) -> None:
    """A run of an account that GitHub does not tell any more can still be recognised."""
    assert look(run(**shown)) == OURS_IS_17


@pytest.mark.parametrize(
    ("written_at", "known"),
    [
        (NOW - 600.5, False),
        (NOW - 600, True),
        (NOW, True),
        (UNTIL + 61, True),
        (UNTIL + 61.5, False),
    ],
)
def test_run_of_another_delivery_is_not_ours(
    look: Judge,
    ledger: Ledger,
    written_at: float,
    known: bool,  # noqa: FBT001
) -> None:
    """What the ledger knows as another delivery's, settled around the call, is excluded."""
    write(ledger, OTHER, State.DISPATCHED, written_at, run_id=17)
    assert look(run()) == (NotStarted() if known else OURS_IS_17)


def test_two_runs_of_which_one_is_anothers_leave_one(look: Judge, ledger: Ledger) -> None:
    """Excluding what belongs to others decides between two."""
    write(ledger, OTHER, State.DISPATCHED, NOW + 2, run_id=18)
    assert look(run(), run(18, NOW + 2)) == OURS_IS_17


def test_workflow_that_shows_ids_shows_ours_or_never_started_it(look: Judge, ledger: Ledger) -> None:
    """Where a run of another delivery shows its id, one without ours can't be ours."""
    write(ledger, OTHER, State.DISPATCHED, NOW - 5, run_id=16)
    assert look(run(16, NOW - 5, display_title=f"for {OTHER.id}"), run(), route=TITLED) == NotStarted()


def test_workflow_that_shows_ids_of_another_route_proves_nothing(look: Judge, ledger: Ledger) -> None:
    """A route that passes no id can't expect one in a title, although another route's runs show theirs."""
    other = delivery("titled")
    write(ledger, other, State.DISPATCHED, NOW - 5, run_id=16)
    assert look(run(16, NOW - 5, display_title=other.id), run()) == OURS_IS_17


@pytest.mark.parametrize(
    ("title", "fits"),
    [
        (f"Deploy {OTHER.id}", False),
        (f"{OTHER.id}-9", False),
        ("Deploy " + "0f" * 20, True),
        ("Deploy " + "0f" * 15, True),
        ("Deploy " + "0F" * 16, True),
        ("Deploy " + "0g" * 16, True),
        ("", True),
    ],
)
def test_title_with_another_deliverys_id_is_anothers(look: Judge, title: str, fits: bool) -> None:  # noqa: FBT001
    """A run that shows some delivery's id (32 hex digits) belongs to that one, known or not."""
    assert look(run(display_title=title)) == (OURS_IS_17 if fits else NotStarted())


@pytest.mark.parametrize("more", [[run(18)], [run(18), run(19, NOW + 9)]])
def test_two_runs_that_fit_leave_it_open(look: Judge, more: list[Any]) -> None:
    """Which of two runs is its own can't be told, and no time tells it."""
    assert look(run(), *more) == Undecided("More than one run may be its own.")


@pytest.mark.parametrize("state", [State.UNKNOWN, State.DEAD_LETTERED])
@pytest.mark.parametrize(
    ("since", "until", "rival"),
    [
        (NOW - 4, NOW - 1.1, False),
        (NOW - 4, NOW - 1, True),
        (NOW + 3, NOW + 4, True),
        (UNTIL + 1, UNTIL + 9, True),
        (UNTIL + 1.1, UNTIL + 9, False),
        (0, 0, False),
    ],
)
def test_call_in_doubt_at_the_same_time_leaves_it_open(
    look: Judge,
    ledger: Ledger,
    state: State,
    since: float,
    until: float,
    rival: bool,  # noqa: FBT001
) -> None:
    """A run that may be another delivery's, which is in doubt as well, is nobody's for certain."""
    write(ledger, OTHER, state, NOW + 12, doubt_since=float(since), doubt_until=float(until))
    assert look(run()) == (Undecided("More than one run may be its own.") if rival else OURS_IS_17)
    assert look() == NotStarted()


@pytest.mark.parametrize(
    ("claimed_at", "rival"),
    [
        (NOW - 1 - CALL_SECONDS - 0.1, False),
        (NOW - 1 - CALL_SECONDS, True),
        (UNTIL + 1, True),
        (UNTIL + 1.1, False),
    ],
)
def test_claim_at_the_same_time_leaves_it_open(
    look: Judge,
    ledger: Ledger,
    claimed_at: float,
    rival: bool,  # noqa: FBT001
) -> None:
    """A claim whose attempt may have died is in doubt for as long as its call may have taken."""
    write(ledger, OTHER, State.CLAIMED, claimed_at, claimed_at=claimed_at)
    assert isinstance(look(run()), Undecided) == rival


@pytest.mark.parametrize("state", [State.WAITING, State.SUPERSEDED, State.DISPATCHED])
def test_call_that_is_not_in_doubt_is_no_rival(look: Judge, ledger: Ledger, state: State) -> None:
    """What started nothing, or is known to have started another run, leaves the one that fits."""
    write(ledger, OTHER, state, NOW + 2, run_id=99 if state is State.DISPATCHED else 0)
    assert look(run()) == OURS_IS_17


def test_dispatch_without_a_run_on_record_leaves_it_open(look: Judge, ledger: Ledger) -> None:
    """Where GitHub accepted another call around then and told no run (204), the run may be that one's."""
    write(ledger, OTHER, State.DISPATCHED, NOW, called_at=NOW - 1)
    assert isinstance(look(run(at=NOW - 1)), Undecided)


def test_delivery_is_not_its_own_rival(look: Judge, ledger: Ledger) -> None:
    """Its own entry in the ledger does not stand in its way."""
    write(ledger, OURS, State.UNKNOWN, NOW + 12, doubt_since=NOW, doubt_until=UNTIL)
    assert look(run()) == OURS_IS_17


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        5,
        "a run",
        [],
        {},
        {"id": 1},
        run(id="x"),
        run(id=None),
        run(id=float("inf")),
        run(created_at="yesterday"),
        run(created_at=None),
        run(actor="octocat", triggering_actor=None),
    ],
)
def test_garbage_in_the_listing_is_passed_over(look: Judge, garbage: Any) -> None:
    """What is no run stands in nobody's way."""
    assert look(garbage) == NotStarted()
    assert look(garbage, run()) == OURS_IS_17


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"workflow_runs": null}', b'{"workflow_runs": {"id": 17}}']
)
def test_listing_that_is_none_lists_nothing(ledger: Ledger, body: bytes) -> None:
    """A body without a list of runs shows no run."""
    answer = Answer(200, {}, body)
    assert judge(answer, OURS, ROUTE, IN_DOUBT, ledger, UNTIL + LAST_LOOK_SECONDS) == NotStarted()


@pytest.mark.parametrize("state", ["dispatched", "unknown"])
def test_ledger_that_fails_decides_nothing(look: Judge, flaky: Flaky, state: str) -> None:
    """Without the ledger's word on the other deliveries there is no verdict."""
    flaky.failing["query"] = "before"
    with pytest.raises(LedgerUnavailable):
        look(run())


@pytest.mark.parametrize(
    ("status", "called_at", "answered_at", "until"),
    [
        (200, 100, 101, 101),
        (408, 100, 101, 101),
        (500, 100, 113, 113),
        (503, 100, 101, 101),
        (502, 100, 101, 110),
        (502, 100, 113, 113),
        (504, 100, 101, 110),
        (None, 100, 101, 110),
        (None, 100, 115, 115),
    ],
)
def test_effect_of_a_call_ends(
    status: int | None, called_at: float, answered_at: float, until: float
) -> None:
    """GitHub's own answer ends the work on a call; after a gateway's, or none, it goes on for up to 10 s."""
    answer = Answer(status, {}, b"") if status else None
    assert effect_until(answer, called_at, answered_at) == until


def test_looks_are_of_the_calls_time() -> None:
    """A look is worth its call 6 s after the doubt's end, and lists from ten minutes before the call."""
    assert first_look_at(IN_DOUBT) == UNTIL + 6
    assert span(IN_DOUBT) == (NOW - 600, UNTIL + 1)


@pytest.mark.parametrize(
    ("status", "message", "headers", "never"),
    [
        (403, "Resource not accessible by integration", {}, True),
        (501, "Not Implemented", {}, True),
        (403, "You have exceeded a secondary rate limit", {}, False),
        (403, "", {"retry-after": "5"}, False),
        (401, "Bad credentials", {}, False),
        (429, "", {}, False),
        (500, "", {}, False),
        (503, "", {}, False),
        (403, "This installation has been suspended", {}, False),
        (403, "acme has an IP allow list enabled", {}, False),
        (403, "SAML", {"x-github-sso": "required; url=u"}, False),
    ],
)
def test_listing_is_refused_for_good(status: int, message: str, headers: dict[str, str], never: bool) -> None:  # noqa: FBT001
    """A missing permission is for good; a credential that is good for nothing at all will be mended."""
    answer = Answer(status, headers, json.dumps({"message": message}).encode())
    trouble = judge_trouble(answer, NOW)
    assert trouble is not None
    assert isinstance(trouble, Limited | Rejected) == (status < 500)
    assert refused(answer, trouble) == never
