"""The naive function fails as Lambda and SQS make it fail."""

from __future__ import annotations

import pytest

from benchmarks.alternatives import GaveUp, PyGithub, Site
from benchmarks.alternatives_lambda import VISIBILITY_SECONDS, Design, NaiveLambda
from benchmarks.drain_scene import Scene
from functions.core.delivery import Delivery


class Stumbling:
    """Has GitHub start a run, but gives up on one version."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def dispatch(self, delivery: Delivery) -> None:
        """Dispatch all but version 3."""
        if delivery.event.version == "3":
            raise GaveUp
        self._site.post(delivery)


def test_calm_backlog_arrives() -> None:
    """Where nothing is limited, each delivery starts once and in order."""
    outcome = NaiveLambda(Scene(20, models=4), Design(PyGithub, 1, 2)).run()
    assert (outcome.lost, outcome.twice, outcome.disordered, outcome.refused) == (0, 0, 0, 0)
    assert outcome.receives == 20


def test_batch_that_fails_comes_back_whole() -> None:
    """What stood before the failure in its batch is started at each receive: five times."""
    outcome = NaiveLambda(Scene(5, models=1), Design(Stumbling)).run()
    assert outcome.lost == 3  # Its own, and the two behind it in every batch.
    assert outcome.twice == 2 * 4
    assert outcome.seconds == pytest.approx(4 * VISIBILITY_SECONDS, rel=0.01)


def test_single_message_that_fails_is_buried_alone() -> None:
    """With batches of one, SQS gives up on the one message after five receives, and the others arrive."""
    outcome = NaiveLambda(Scene(5, models=1), Design(Stumbling, 1, 1)).run()
    assert (outcome.lost, outcome.twice, outcome.buried) == (1, 0, 1)
