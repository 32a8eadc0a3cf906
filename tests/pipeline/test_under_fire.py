"""Two hundred events while GitHub fails at one call in three: each becomes one run, in order."""

from __future__ import annotations

import pytest

from tests.pipeline.conftest import eventually
from tests.pipeline.fire import EVENTS, Fire

MINUTES = 9


@pytest.mark.timeout(60 * (MINUTES + 1))
def test_every_event_becomes_one_run_in_order(fire: Fire) -> None:
    """With every fourth event sent twice there are exactly as many runs as events, and an empty queue."""
    pipeline = fire.pipeline
    eventually(lambda: len(pipeline.github("GET", "runs")) >= EVENTS and not pipeline.waiting(), 60 * MINUTES)
    assert len(pipeline.github("GET", "runs")) == EVENTS
    for model, count in fire.sent.items():
        versions = [run["inputs"]["model_version"] for run in pipeline.runs(model)]
        assert versions == [str(number) for number in range(1, count + 1)]
    assert pipeline.dead_letters() == []
    assert pipeline.github("GET", "state")["violations"] == 0
