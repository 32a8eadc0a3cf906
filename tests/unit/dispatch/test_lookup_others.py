"""Looking up a run by exclusion: what belongs to other people and other deliveries is not ours."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import CALL_SECONDS, Ledger, LedgerUnavailable, State
from functions.core.settings import Route
from functions.dispatch.lookup import SKEW_SECONDS, NotStarted, Undecided

from ..samples import NOW, ROUTE, delivery
from .bench import Bench, fails
from .listing import IN_DOUBT, OTHER, OURS, OURS_IS_17, TITLED, UNTIL, Look, by, run, seen, write

SEEN_17 = replace(IN_DOUBT, seen=seen(run()))
WEEK = 7 * 24 * 3600
MANY = Undecided("More than one run may be its own.")


@pytest.mark.parametrize(("login", "fits"), [("octocat", True), ("mona", False)])
def test_run_is_by_the_account_that_starts_ours(
    look: Look,
    ledger: Ledger,
    login: str,
    fits: bool,  # noqa: FBT001
) -> None:
    """Where a run of ours shows who starts them, what a person started by hand is none of ours."""
    write(ledger, OTHER, State.DISPATCHED, NOW - 300, run_id=16)
    verdict = look(run(16, NOW - 300), run(**by(login)))
    assert verdict == (OURS_IS_17 if fits else NotStarted())


def test_account_is_not_known_without_a_run_of_ours(look: Look) -> None:
    """As long as nothing shows who starts ours, a run by anybody fits."""
    assert look(run(**by("mona"))) == OURS_IS_17


def test_account_is_who_started_the_run_first(look: Look, ledger: Ledger) -> None:
    """A run of ours that a person has run again since is still ours."""
    write(ledger, OTHER, State.DISPATCHED, NOW - 300, run_id=16)
    assert look(run(16, NOW - 300), run(triggering_actor={"login": "mona"})) == OURS_IS_17


@pytest.mark.parametrize(
    "shown",
    [{"triggering_actor": None}, {"triggering_actor": None, "actor": None}, {"display_title": None}],
)
def test_account_or_title_may_be_gone(look: Look, shown: dict[str, Any]) -> None:
    """A run of which GitHub does not tell everything any more can still be recognised."""
    assert look(run(**shown)) == OURS_IS_17


@pytest.mark.parametrize(
    ("written_at", "known"),
    [
        (NOW - WEEK - 0.5, False),
        (NOW - WEEK, True),
        (NOW, True),
        (UNTIL + 61, True),
        (UNTIL + 61.5, False),
    ],
)
def test_run_of_another_delivery_is_not_ours(
    look: Look,
    ledger: Ledger,
    written_at: float,
    known: bool,  # noqa: FBT001
) -> None:
    """What the ledger knows as another delivery's, settled around the call, is excluded."""
    write(ledger, OTHER, State.DISPATCHED, written_at, run_id=17)
    assert look(run()) == (NotStarted() if known else OURS_IS_17)


def test_two_runs_of_which_one_is_anothers_leave_one(look: Look, ledger: Ledger) -> None:
    """Excluding what belongs to others decides between two."""
    write(ledger, OTHER, State.DISPATCHED, NOW + 2, run_id=18)
    assert look(run(), run(18, NOW + 2)) == OURS_IS_17


@pytest.mark.parametrize("title", [f"for {OTHER.id}", "0f" * 16])
@pytest.mark.parametrize("known", [False, True])
def test_workflow_that_shows_ids_shows_ours_or_never_started_it(
    look: Look,
    title: str,
    known: bool,  # noqa: FBT001
) -> None:
    """Where a route passes the id and any run shows one, a run without ours can't be ours."""
    if known:
        write(look.ledger, OTHER, State.DISPATCHED, NOW - 5, run_id=16)
    shown = run(16, NOW - 5, display_title=title)
    assert look(shown, run(), route=TITLED) == NotStarted()


def test_workflow_that_shows_no_ids_is_known_by_our_runs(look: Look) -> None:
    """Where a route passes the id and a run of ours shows none, a title without it proves nothing."""
    write(look.ledger, OTHER, State.DISPATCHED, NOW - 300, run_id=16)
    assert look(run(16, NOW - 300), run(), route=TITLED) != NotStarted()
    assert look(run(15, NOW - 300), run(), route=TITLED) == NotStarted()


def test_workflow_that_shows_ids_of_another_route_proves_nothing(look: Look, ledger: Ledger) -> None:
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
def test_title_with_another_deliverys_id_is_anothers(look: Look, title: str, fits: bool) -> None:  # noqa: FBT001
    """A run that shows some delivery's id (32 hex digits) belongs to that one, known or not."""
    assert look(run(display_title=title)) == (OURS_IS_17 if fits else NotStarted())


@pytest.mark.parametrize("more", [[run(18)], [run(18), run(19, NOW + 9)]])
def test_two_runs_that_fit_leave_it_open(look: Look, more: list[Any]) -> None:
    """Which of two runs is its own can't be told, and no time tells it."""
    assert look(run(), *more) == MANY


@pytest.mark.parametrize("state", [State.UNKNOWN, State.DEAD_LETTERED])
@pytest.mark.parametrize(
    ("since", "until", "rival"),
    [
        (NOW - 4, NOW - 1.1, False),
        (NOW - 4, NOW - 1, True),
        (NOW - 4, UNTIL, True),
        (NOW + 1, NOW + 9, True),
        (NOW + 1.9, NOW + 9, True),
        (NOW + 2, NOW + 9, False),
        (0, 0, False),
    ],
)
def test_call_in_doubt_at_the_same_time_leaves_it_open(
    look: Look,
    ledger: Ledger,
    state: State,
    since: float,
    until: float,
    rival: bool,  # noqa: FBT001
) -> None:
    """A run of whole second that may be another delivery's, in doubt as well, is nobody's for certain."""
    write(ledger, OTHER, state, NOW + 12, doubt_since=float(since), doubt_until=float(until))
    assert look(run()) == (MANY if rival else OURS_IS_17)
    assert look() == NotStarted()


ELSEWHERE = replace(ROUTE, name="elsewhere", target=replace(ROUTE.target, workflow_id="other.yml"))


@pytest.mark.parametrize(
    ("route", "others", "rival"),
    [
        ("default", (), True),
        ("twin", (replace(ROUTE, name="twin"),), True),
        ("twin", (replace(ROUTE, name="twin", target=replace(ROUTE.target, ref="v1")),), True),
        ("elsewhere", (ELSEWHERE,), False),
        ("removed", (), True),
    ],
)
def test_call_of_another_workflow_is_no_rival(
    look: Look,
    route: str,
    others: tuple[Route, ...],
    rival: bool,  # noqa: FBT001
) -> None:
    """Only what may have started the same workflow leaves it open; a removed route may have."""
    other = delivery(route, version="7")
    write(look.ledger, other, State.UNKNOWN, NOW + 12, doubt_since=NOW, doubt_until=UNTIL)
    assert look(run(), others=others) == (MANY if rival else OURS_IS_17)


@pytest.mark.parametrize(
    ("claimed_at", "rival"),
    [
        (NOW - 1 - CALL_SECONDS - 0.1, False),
        (NOW - 1 - CALL_SECONDS, True),
        (NOW + 1.9, True),
        (NOW + 2, False),
    ],
)
def test_claim_at_the_same_time_leaves_it_open(
    look: Look,
    ledger: Ledger,
    claimed_at: float,
    rival: bool,  # noqa: FBT001
) -> None:
    """A claim whose attempt may have died is in doubt for as long as its call may have taken."""
    write(ledger, OTHER, State.CLAIMED, claimed_at, claimed_at=claimed_at)
    assert isinstance(look(run()), Undecided) == rival


@pytest.mark.parametrize("state", [State.WAITING, State.SUPERSEDED, State.DISPATCHED])
def test_call_that_is_not_in_doubt_is_no_rival(look: Look, ledger: Ledger, state: State) -> None:
    """What started nothing, or is known to have started another run, leaves the one that fits."""
    write(ledger, OTHER, state, NOW + 2, run_id=99 if state is State.DISPATCHED else 0)
    assert look(run()) == OURS_IS_17


def test_dispatch_without_a_run_on_record_leaves_it_open(look: Look, ledger: Ledger) -> None:
    """Where GitHub accepted another call around then and told no run (204), the run may be that one's."""
    write(ledger, OTHER, State.DISPATCHED, NOW, called_at=NOW - 1)
    assert isinstance(look(run(at=NOW - 1)), Undecided)


def test_delivery_is_not_its_own_rival(look: Look, ledger: Ledger) -> None:
    """Its own entry in the ledger does not stand in its way."""
    write(ledger, OURS, State.UNKNOWN, NOW + 12, doubt_since=NOW, doubt_until=UNTIL)
    assert look(run()) == OURS_IS_17


def test_run_that_was_seen_may_be_anothers_by_now(look: Look) -> None:
    """A run that fitted at the first look is none of ours once the ledger knows it as another delivery's."""
    write(look.ledger, OTHER, State.DISPATCHED, NOW + 2, run_id=17)
    assert look(run(), entry=SEEN_17) == NotStarted()
    assert look(entry=SEEN_17) == NotStarted()


def test_run_that_was_seen_may_be_a_persons_by_now(look: Look) -> None:
    """A run that fitted at the first look is judged again by what the second one shows of who starts ours."""
    write(look.ledger, OTHER, State.DISPATCHED, NOW + 15, run_id=18)
    assert look(run(**by("mona")), run(18, NOW + 15), entry=SEEN_17) == NotStarted()


@pytest.mark.parametrize("query", ["query dispatched", "query unknown", "query dead-lettered"])
def test_ledger_that_fails_decides_nothing(bench: Bench, query: str) -> None:
    """Without the ledger's word on the other deliveries there is no verdict."""
    bench.hang(query, fails)
    look = Look(bench.hooked_ledger())
    with pytest.raises(LedgerUnavailable):
        look(run())
    assert look(run()) == OURS_IS_17


def test_run_may_be_another_stacks(look: Look) -> None:
    """Where another stack has the same credential, a run that began with the call may be its."""
    assert isinstance(look(run(), shared=True), Undecided)
    assert isinstance(look(run(at=NOW + SKEW_SECONDS), shared=True), Undecided)
    assert look(run(at=NOW + SKEW_SECONDS + 1), shared=True) == OURS_IS_17
    assert look(run(display_title=OURS.id), shared=True) == OURS_IS_17
    assert look(shared=True) == NotStarted()
