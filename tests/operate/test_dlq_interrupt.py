"""A replay that somebody interrupts, as the process that it is."""

from __future__ import annotations

import json
import signal
import time
from collections import defaultdict

from functions.operate.audit import Audit
from tests.unit.samples import delivery

from .conftest import Deployed

LETTERS = 500
MODELS = 40


def test_interrupted_replay_loses_and_doubles_nothing(deployed: Deployed) -> None:
    """Ctrl-C three times in the middle of 500 letters, then once to the end: each is sent once, in order."""
    for number in range(LETTERS):
        deployed.bury(delivery(model_name=f"model-{number % MODELS}", version=str(number)))
    for round_ in range(1, 4):
        process = deployed.process("dlq", "replay", "--all", "--yes", "--rate", "150")
        wait_for_copies(deployed, 90 * round_)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # People press it twice.
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, ""), error
        assert error.startswith("Interrupted: ")
        assert "the same command goes on from here." in error
        copies, letters = deployed.counts("QueueUrl"), deployed.counts()
        assert (copies[0] + letters[0], copies[1], letters[1]) == (LETTERS, 0, 0)
    before = deployed.counts()[0]
    assert 0 < before <= LETTERS - 270
    process = deployed.process("dlq", "replay", "--all", "--yes", "--rate", "1000", "--json")
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert json.loads(out)["counts"] == {"sent": before}
    assert deployed.counts() == (0, 0)
    sent: dict[str, list[int]] = defaultdict(list)
    for message in deployed.drain():
        event = json.loads(message["Body"])["event"]
        sent[event["model_name"]].append(int(event["version"]))
    assert sent == {f"model-{number}": list(range(number, LETTERS, MODELS)) for number in range(MODELS)}
    audit = Audit(deployed.cloud.client("dynamodb"), deployed.outputs["LedgerTableName"])
    acts = list(audit.newest())
    assert [act.outcome for act in acts] == ["done", "interrupted", "interrupted", "interrupted"]
    assert sum(act.counts["sent"] for act in acts) == LETTERS


def test_interrupted_look_leaves_everything_as_it_was(deployed: Deployed) -> None:
    """Ctrl-C while letters are read lets go of all of them."""
    for number in range(200):
        deployed.bury(delivery(model_name=f"model-{number}"))
    process = deployed.process("dlq", "list")
    while not deployed.counts()[1]:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.startswith("Interrupted: nothing was sent or removed.")
    assert deployed.counts() == (200, 0)


def wait_for_copies(deployed: Deployed, count: int) -> None:
    """Wait until the delivery queue has so many messages."""
    deadline = time.monotonic() + 60
    while deployed.counts("QueueUrl")[0] < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
