"""The model of EventBridge's API destination keeps its rate, and tries again what its guide says."""

from __future__ import annotations

import pytest

from benchmarks.alternatives_destination import Destination, is_tried_again, pause_after
from benchmarks.drain_github import Quota
from benchmarks.drain_scene import Scene
from modelrelay.local.github import Answer

from .answers import failure, primary, secondary, unnamed


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (secondary(429), True),
        (failure(500), True),
        (failure(503), True),
        (secondary(403), False),
        (primary(60), False),
        (failure(404), False),
        (failure(422), False),
    ],
)
def test_only_429_and_failures_are_tried_again(answer: Answer, again: bool) -> None:  # noqa: FBT001 - a case's column
    """GitHub's limits as 403 are final for it."""
    assert is_tried_again(answer) is again


@pytest.mark.parametrize(
    ("answer", "retries", "chance", "pause"),
    [
        (unnamed(429), 0, 1.0, 1.0),
        (unnamed(429), 0, 0.0, 0.5),
        (unnamed(429), 3, 1.0, 8.0),
        (unnamed(429), 30, 1.0, 900.0),
        (secondary(429), 3, 1.0, 60.0),
        (secondary(429), 8, 1.0, 256.0),
    ],
)
def test_the_longer_of_back_off_and_retry_after_counts(
    answer: Answer, retries: int, chance: float, pause: float
) -> None:
    """The back-off doubles, half of it by chance, up to 15 minutes; `Retry-After` is the least."""
    assert pause_after(answer, retries, chance) == pause


def test_rate_is_kept() -> None:
    """Under no limit of GitHub's it sends one event a second and every one once."""
    outcome = Destination(Scene(30, models=3)).run()
    assert (outcome.requests, outcome.lost, outcome.twice, outcome.refused) == (30, 0, 0, 0)
    assert outcome.seconds == pytest.approx(29, abs=1)


def test_limit_as_403_loses_events() -> None:
    """What meets a limit that is a 403 lies among the dead letters, and what meets a 429 arrives late."""
    lost = Destination(Scene(30, quota=Quota(per_minute=10))).run()
    late = Destination(Scene(30, quota=Quota(per_minute=10, status=429))).run()
    assert lost.lost == lost.buried == lost.refused > 0
    assert (late.lost, late.buried) == (0, 0)
    assert late.seconds > lost.seconds
