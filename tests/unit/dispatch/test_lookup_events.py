"""Looking up the runs of a repository's event, of which GitHub never tells the run."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import Ledger, State
from functions.core.settings import Route, Target
from functions.dispatch.lookup import Found, NotStarted, Undecided, passes_id

from ..samples import NOW, ROUTE, delivery
from .listing import IN_DOUBT, OURS, OURS_IS_17, Look, by, run, seen, write


def to_repository(repository: str = "models", event_type: str = "promoted", **payload: Any) -> Route:
    """Give the route to a repository's event, with this payload."""
    target = Target("acme", repository, event_type=event_type, client_payload=payload)
    return replace(ROUTE, target=target, inputs={})


EVENT = to_repository(name="${model_name}")
TITLED = to_repository(ids=[{"delivery": "${delivery_id}"}])


def test_run_that_fits_shows_that_the_event_was_taken(look: Look) -> None:
    """A run of that moment is the event's, whatever its branch: events run on the default branch."""
    assert look(run(head_branch="trunk"), route=EVENT) == OURS_IS_17
    assert look(run(16, NOW - 60), route=EVENT) == NotStarted()


def test_event_may_start_several_runs(look: Look) -> None:
    """Each workflow that listens makes a run of its own: several of them are no contradiction."""
    assert look(run(), run(18), route=EVENT) == OURS_IS_17


@pytest.mark.parametrize(
    ("other", "state", "verdict"),
    [
        (
            to_repository(event_type="demoted"),
            State.DISPATCHED,
            Undecided("More than one run may be its own."),
        ),
        (to_repository(event_type="demoted"), State.UNKNOWN, Undecided("More than one run may be its own.")),
        (to_repository("others"), State.DISPATCHED, OURS_IS_17),
        (ROUTE, State.DISPATCHED, OURS_IS_17),
    ],
)
def test_another_event_of_the_repository_is_a_rival(
    look: Look, ledger: Ledger, other: Route, state: State, verdict: Found | Undecided
) -> None:
    """The listing tells no types, so any event of the same repository and moment may have started the run."""
    sent = delivery("other", version="7")
    span = {"doubt_since": NOW, "doubt_until": NOW + 5} if state is State.UNKNOWN else {"called_at": NOW}
    write(ledger, sent, state, NOW + 2, **span)
    assert look(run(), route=EVENT, others=(replace(other, name="other"),)) == verdict


def test_title_with_the_deliverys_id_is_certain(look: Look) -> None:
    """A workflow that shows the id from the payload is recognised by it, also beside others that don't."""
    shown = run(18, display_title=f"Promote ({OURS.id})", **by("mona"))
    assert look(run(), shown, route=TITLED) == Found(18, "https://github.com/18")


def test_workflow_that_shows_ids_is_taken_at_its_word(look: Look) -> None:
    """Where a run of the time shows another delivery's id, ours would show its own."""
    other = run(16, NOW - 60, display_title=f"Promote {delivery(version='7').id}")
    assert look(other, run(), route=TITLED) == NotStarted()


def test_workflow_that_may_not_show_ids_is_judged_by_exclusion(look: Look) -> None:
    """GitHub tells no run of an event, so it can't be seen whether its workflows show ids: time decides."""
    assert look(run(), route=TITLED) == OURS_IS_17
    assert look(entry=replace(IN_DOUBT, seen=seen(run())), route=TITLED) == OURS_IS_17
    assert look(route=TITLED) == NotStarted()


def test_id_may_be_passed_at_any_depth() -> None:
    """A payload passes the id wherever it stands in it."""
    assert passes_id(TITLED)
    assert not passes_id(EVENT)


@pytest.mark.parametrize(
    ("called_at", "settled_at", "verdict"),
    [
        (NOW - 5, NOW - 1.1, OURS_IS_17),
        (NOW - 5, NOW - 1, Undecided("More than one run may be its own.")),
    ],
)
def test_event_just_before_may_have_started_the_run(
    look: Look, ledger: Ledger, called_at: float, settled_at: float, verdict: Found | Undecided
) -> None:
    """GitHub tells whole seconds, and its clock may be ahead: the call before is a rival for so long."""
    write(ledger, delivery(version="7"), State.DISPATCHED, settled_at, called_at=called_at)
    assert look(run(), route=EVENT) == verdict


def test_run_that_only_this_event_can_have_started_is_its_own(look: Look, ledger: Ledger) -> None:
    """Of several runs, one that no other call can have started shows that the event was taken."""
    write(ledger, delivery(version="7"), State.DISPATCHED, NOW - 0.5, called_at=NOW - 1)
    assert look(run(16, NOW), run(17, NOW + 2), route=EVENT) == OURS_IS_17
