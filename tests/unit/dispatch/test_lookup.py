"""Looking up the run of a call of which nobody knows what it did: by its title, its time and its ref."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.core.ledger import Entry
from functions.dispatch.lookup import (
    FIRST_LOOK_SECONDS,
    LookAgain,
    NotStarted,
    Undecided,
    effect_until,
    first_look_at,
    listed,
    past,
    refused,
    span,
)
from functions.dispatch.outcome import Limited, Rejected, judge_trouble
from functions.dispatch.transport import Answer

from ..samples import NOW, ROUTE
from .listing import IN_DOUBT, OURS, OURS_IS_17, UNTIL, Look, by, page, run, seen


@pytest.mark.parametrize("title", [OURS.id, f"Deploy churn 8 ({OURS.id}) by relay"])
@pytest.mark.parametrize(
    "changes", [{}, {"head_branch": "other"}, by("mona"), {"created_at": "2026-01-01T00:00:00Z"}]
)
def test_title_with_the_deliverys_id_is_certain(look: Look, title: str, changes: dict[str, Any]) -> None:
    """A run that shows the delivery's id is its own, at the first look already and whatever else it shows."""
    shown = run(display_title=title, **changes)
    assert (
        look(run(16), shown, run(18), entry=replace(IN_DOUBT, looks=0), after=FIRST_LOOK_SECONDS)
        == OURS_IS_17
    )


def test_only_run_that_fits_is_its_own(look: Look) -> None:
    """Without a title, the one run of that moment that nobody else accounts for is the delivery's."""
    assert look(run(16, NOW - 60), run(), run(18, NOW + 60)) == OURS_IS_17


def test_nothing_that_fits_was_never_started(look: Look) -> None:
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
    look: Look, runs: list[Any], looks: int, after: float, again: float | None
) -> None:
    """Until the listing was asked twice, and late enough, it proves nothing; what it shows is kept."""
    verdict = look(*runs, entry=replace(IN_DOUBT, looks=looks), after=after)
    assert isinstance(verdict, LookAgain) == (again is not None)
    if isinstance(verdict, LookAgain) and again:
        assert verdict.at == pytest.approx(UNTIL + again)
        assert verdict.seen == (seen(*runs) if runs else "")
        assert bool(verdict.seen) == bool(runs)


SEEN_17 = replace(IN_DOUBT, seen=seen(run()))


def test_run_that_was_seen_once_is_not_forgotten(look: Look) -> None:
    """GitHub's listing may miss a run that it had shown before."""
    assert look(entry=SEEN_17) == OURS_IS_17
    assert look(run(), entry=SEEN_17) == OURS_IS_17
    assert look(run(16, NOW - 60), entry=SEEN_17) == OURS_IS_17
    assert isinstance(look(run(18), entry=SEEN_17), Undecided)


def test_what_was_seen_is_kept_for_the_next_look(look: Look) -> None:
    """Each look adds what it sees."""
    verdict = look(run(18), entry=replace(SEEN_17, looks=0), after=6)
    assert isinstance(verdict, LookAgain)
    assert [each["id"] for each in json.loads(verdict.seen)] == [17, 18]


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
def test_run_is_of_the_calls_time(look: Look, since: float, created_at: float, fits: bool) -> None:  # noqa: FBT001
    """A run fits from a second before the call to a second after its end; GitHub tells whole seconds."""
    entry = replace(IN_DOUBT, doubt_since=since)
    assert look(run(at=created_at), entry=entry) == (OURS_IS_17 if fits else NotStarted())


def test_end_of_the_calls_time_is_no_whole_second(look: Look) -> None:
    """A second after the end is meant exactly."""
    entry = replace(IN_DOUBT, doubt_until=NOW + 0.5)
    assert look(run(at=NOW + 1), entry=entry) == OURS_IS_17
    assert look(run(at=NOW + 2), entry=entry) == NotStarted()


def test_run_of_an_earlier_call_is_its_own_too(look: Look) -> None:
    """A run that was listed too late for the look after its call is found after the next one."""
    entry = replace(IN_DOUBT, past=f"[[{NOW - 100}, {NOW - 95}], [{NOW - 50}, {NOW - 49.5}]]")
    for at, fits in ((-102, 0), (-101, 1), (-94, 1), (-93, 0), (-51, 1), (-49, 1), (-48, 0), (0, 1)):
        assert look(run(at=NOW + at), entry=entry) == (OURS_IS_17 if fits else NotStarted())


def test_calls_in_doubt_are_remembered() -> None:
    """Where another call is made, the span of the one before is kept, and so are the last ones before it."""
    assert past(Entry()) == ""
    assert past(Entry(past="[[1, 2]]")) == "[[1, 2]]"
    assert json.loads(past(IN_DOUBT)) == [[NOW, UNTIL]]
    assert json.loads(past(replace(IN_DOUBT, past="[[1, 2]]"))) == [[1, 2], [NOW, UNTIL]]
    entry = IN_DOUBT
    for number in range(30):
        entry = replace(IN_DOUBT, doubt_since=NOW + number, past=past(entry))
    assert [since for since, _ in json.loads(past(entry))] == [NOW + number for number in range(10, 30)]


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
def test_run_is_on_the_routes_ref(look: Look, ref: str, branch: str, fits: bool) -> None:  # noqa: FBT001
    """A run on another branch or tag is another's; GitHub lists short names."""
    route = replace(ROUTE, target=replace(ROUTE.target, ref=ref))
    assert look(run(head_branch=branch), route=route) == (OURS_IS_17 if fits else NotStarted())


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        5,
        "a run",
        [],
        {},
        run(id="x"),
        run(id=None),
        run(id=float("inf")),
        run(created_at="yesterday"),
        run(created_at=None),
        run(actor="octocat", triggering_actor=None),
    ],
)
def test_listing_with_garbage_is_none(garbage: Any) -> None:
    """What can't be read may be the very run that is looked for, so the listing proves nothing."""
    assert listed(page(garbage)) is None
    assert listed(page(run(), garbage, run(18))) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"workflow_runs": null}', b'{"workflow_runs": {"id": 17}}', b"\xff"]
)
def test_listing_that_lists_no_runs_is_none(body: bytes) -> None:
    """A body without a list of runs proves nothing."""
    assert listed(Answer(200, {}, body)) is None


def test_listing_is_read_as_a_whole() -> None:
    """Runs are read in GitHub's order; an empty listing is one too."""
    assert listed(page()) == []
    assert [each.id for each in listed(page(run(18), run(17))) or []] == [18, 17]


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
    """A look is worth its call 6 s after the doubt's end, and lists from a week before the call."""
    assert first_look_at(IN_DOUBT) == UNTIL + 6
    assert span(IN_DOUBT) == (NOW - 7 * 24 * 3600, UNTIL + 1)


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
