"""Two hundred events while GitHub fails at one call in three: each becomes one run, in order."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.pipeline.conftest import Pipeline, eventually, start, stop, wait_until_ready

EVENTS, MODELS = 200, 20
MINUTES: Final = 9

ROUTE = {
    "name": "default",
    "events": ["model_version.stage_transitioned"],
    "inputs": {"model_name": "${model_name}", "model_version": "${version}", "delivery_id": "${delivery_id}"},
}
FAULTS: Final[list[dict[str, Any]]] = [
    {"name": "unavailable", "status": 503},
    {"name": "accepted, then 500", "status": 500, "accept": True},
    {"name": "limited", "preset": "rate-limit", "headers": {"retry-after": "2"}},
    {"name": "dropped", "drop": "before"},
    {"name": "accepted, then dropped", "drop": "after"},
    {"name": "accepted, then garbage", "preset": "garbage"},
]


@pytest.fixture
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline of its own, whose GitHub fails at every third call."""
    ready_file = tmp_path_factory.mktemp("soak") / "ready.json"
    process: subprocess.Popen[str] = start(ready_file, "--context", f"relay={_json({'routes': [ROUTE]})}")
    try:
        soaked = Pipeline(wait_until_ready(process, ready_file), process.pid)
        for fault in FAULTS:
            soaked.github("POST", "faults", {**fault, "times": 0, "every": 3 * len(FAULTS) - 2})
        yield soaked
    finally:
        stop(process)


@pytest.mark.timeout(60 * (MINUTES + 3))
def test_every_event_becomes_one_run_in_order(soaked: Pipeline) -> None:
    """With every fourth event sent twice there are exactly as many runs as events, and an empty queue."""
    chance = random.Random(7)
    sent = {f"soak-{number}": 0 for number in range(MODELS)}
    for number in range(EVENTS):
        model = chance.choice([name for name in sent if sent[name] < EVENTS // MODELS])
        sent[model] += 1
        for _ in range(2 if number % 4 == 0 else 1):
            soaked.send(model, sent[model], event_timestamp=1_589_859_029_343 + number)
    eventually(lambda: len(soaked.github("GET", "runs")) >= EVENTS and not soaked.waiting(), 60 * MINUTES)
    assert len(soaked.github("GET", "runs")) == EVENTS
    for model, count in sent.items():
        versions = [run["inputs"]["model_version"] for run in soaked.runs(model)]
        assert versions == [str(number) for number in range(1, count + 1)]
    assert soaked.dead_letters() == []
    assert soaked.github("GET", "state")["violations"] == 0


def _json(content: Any) -> str:
    import json

    return json.dumps(content)
