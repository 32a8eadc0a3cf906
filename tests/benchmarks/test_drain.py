"""The measure of a drained backlog, the limits that it drains under, and ours under them."""

from __future__ import annotations

import pytest

from benchmarks.drain import cells
from benchmarks.drain_github import Quota, StrictGitHub
from benchmarks.drain_ours import Drain
from benchmarks.drain_scene import Outcome, Rule, Scene, calm, least
from modelrelay.local.github.model import RefusedError

NOW = 1_790_000_000.0


class Clock:
    """A clock that stands until it is moved."""

    now = NOW

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.mark.parametrize(
    ("durations", "rule", "later", "seconds"),
    [
        ([], Rule(1, 500), None, 0.0),
        ([0.5], Rule(1, 500), None, 0.0),
        ([0.5] * 10, Rule(1, 500), None, 9.0),
        ([3.0] * 10, Rule(1, 500), None, 27.0),
        ([0.5] * 1_000, Rule(1, 500), None, 3_600.0 + 499),
        ([0.5] * 10_000, Rule(1, 500), None, 19 * 3_600.0 + 499),
        ([0.5] * 4, Rule(1, 500), Rule(10, 500), 21.0),
        ([0.5] * 4, Rule(1, 500), Rule(1, 1), 1 + 2 * 3_600.0),
    ],
    ids=["none", "one", "spacing", "serial", "an hour", "twenty hours", "later slower", "later fewer"],
)
def test_least_is_what_the_rules_allow(
    durations: list[float], rule: Rule, later: Rule | None, seconds: float
) -> None:
    """A second apart, one after the other, and no hour with more calls than allowed."""
    assert least(durations, rule, later) == seconds


def outcome(*runs: tuple[str, int, float], deliveries: int = 3) -> Outcome:
    """Make an outcome of which only the runs matter."""
    return Outcome(deliveries, list(runs), [], len(runs), 0, 0, len(runs), 0)


def test_outcome_tells_what_went_wrong() -> None:
    """A second run, a delivery without one, and an older version after a newer are each counted."""
    found = outcome(("a", 2, 10.0), ("a", 1, 12.0), ("b", 1, 13.0), ("a", 2, 15.0), deliveries=4)
    assert (found.twice, found.lost, found.disordered, found.seconds) == (1, 1, 1, 5.0)


def test_what_is_lost_is_not_quick() -> None:
    """A row with deliveries that never started has no ratio to the least."""
    whole, part = outcome(("a", 1, 0.0), ("a", 2, 2.0), ("a", 3, 4.0)), outcome(("a", 1, 0.0), ("a", 2, 1.0))
    rule = Rule(1, 500)
    assert cells(whole, rule)["times the least"] == 2.0
    assert "times the least" not in cells(part, rule)


def strict(quota: Quota) -> tuple[StrictGitHub, Clock]:
    """Make a GitHub with a quota, and the clock by which it goes."""
    clock = Clock()
    return StrictGitHub(calm(Scene(1)), clock, quota), clock


def refused(github: StrictGitHub) -> bool:
    """Make one call that creates something, and tell whether it was refused."""
    try:
        github.limits.admit("token", "POST")
    except RefusedError:
        return True
    return False


def test_hour_is_limited_and_slides() -> None:
    """Above the hour's number a call is refused, for a minute at least, until an hour after the first one."""
    github, clock = strict(Quota(per_hour=2))
    assert [refused(github) for _ in range(3)] == [False, False, True]
    clock.now = NOW + 59
    assert refused(github)
    clock.now = NOW + 3_599
    assert refused(github)
    clock.now = NOW + 3_660
    assert not refused(github)
    assert github.limits.refused == 3


def test_minute_and_concurrency_are_limited() -> None:
    """The minute's number holds too, and so does that of requests at once."""
    github, clock = strict(Quota(per_minute=1))
    assert [refused(github), refused(github)] == [False, True]
    clock.now = NOW + 120
    github.limits.under_way = 101
    assert refused(github)
    github.limits.under_way = 100
    assert not refused(github)


def test_quota_can_be_cut() -> None:
    """What was used counts under the new numbers."""
    github, clock = strict(Quota(per_hour=10))
    assert not refused(github)
    github.limits.change(Quota(per_hour=1))
    clock.now = NOW + 60
    assert refused(github)


def test_ours_keeps_the_limits_and_the_order() -> None:
    """A backlog over three full hours drains with no call too many, each once, and near the least."""
    scene = Scene(80, models=10, quota=Quota(per_minute=80, per_hour=20), per_hour=20)
    found = Drain(scene).run()
    assert (found.refused, found.intrusions, found.twice, found.lost, found.disordered) == (0, 0, 0, 0, 0)
    shortest = least([call.ended - call.began for call in found.calls], Rule(1, 20))
    assert 1.0 <= found.seconds / shortest < 1.03
    assert found.requests == 80


def test_two_stacks_of_one_credential_exceed_its_limit() -> None:
    """Each keeps its own numbers; together they keep GitHub's only if each has half of them."""
    quota = Quota(per_hour=20)
    whole = Drain(Scene(60, models=10, quota=quota, per_hour=20, stacks=2)).run()
    halves = Drain(Scene(60, models=10, quota=quota, per_hour=10, per_minute=30, stacks=2)).run()
    assert whole.refused > 0
    assert halves.refused == halves.intrusions == 0
    assert (whole.lost, whole.twice, whole.disordered) == (halves.lost, halves.twice, halves.disordered)
    assert (halves.lost, halves.twice, halves.disordered) == (0, 0, 0)


def test_cut_limits_are_obeyed() -> None:
    """When GitHub allows less than ours is set to, nothing is lost and no call breaks a silence."""
    scene = Scene(40, models=10, later=Quota(per_minute=3, per_hour=30))
    found = Drain(scene).run()
    assert found.refused > 0
    assert (found.intrusions, found.twice, found.lost, found.disordered) == (0, 0, 0, 0)
