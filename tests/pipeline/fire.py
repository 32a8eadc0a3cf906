"""Traffic for a pipeline whose GitHub fails at one call in three, in mixed ways."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.pipeline.conftest import Pipeline

EVENTS: Final = 200
MODELS: Final = 20
TWICE_EVERY: Final = 4

ROUTE: Final = {
    "name": "default",
    "events": ["model_version.stage_transitioned"],
    "inputs": {"model_name": "${model_name}", "model_version": "${version}", "delivery_id": "${delivery_id}"},
}
CONTEXT: Final = f"relay={json.dumps({'routes': [ROUTE]})}"

FAULTS: Final[list[dict[str, Any]]] = [
    {"name": "unavailable", "status": 503},
    {"name": "accepted, then 500", "status": 500, "accept": True},
    {"name": "limited", "preset": "rate-limit", "headers": {"retry-after": "2"}},
    {"name": "dropped", "drop": "before"},
    {"name": "accepted, then dropped", "drop": "after"},
    {"name": "accepted, then garbage", "preset": "garbage"},
]


@dataclass(frozen=True)
class Fire:
    """A pipeline under fire, and how many versions of each model were sent."""

    pipeline: Pipeline
    sent: Mapping[str, int]


def open_fire(pipeline: Pipeline) -> Fire:
    """Let GitHub fail from now on, and send everything."""
    for fault in FAULTS:
        # A fault counts the calls that those before it let pass, so each of six hits one in sixteen.
        every = 3 * len(FAULTS) - (len(FAULTS) - 1) // 2
        pipeline.github("POST", "faults", {**fault, "times": 0, "every": every})
    chance = random.Random(7)
    sent = {f"model-{number}": 0 for number in range(MODELS)}
    for number in range(EVENTS):
        model = chance.choice([name for name in sent if sent[name] < EVENTS // MODELS])
        sent[model] += 1
        for _ in range(2 if number % TWICE_EVERY == 0 else 1):
            pipeline.send(model, sent[model], event_timestamp=1_589_859_029_343 + number)
    return Fire(pipeline, sent)
