"""The simulated outside parts keep the rules of the real ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.simulation.plan import plan
from tests.simulation.scheduler import Scheduler
from tests.simulation.sqs import SQS, Queue
from tests.simulation.world import World

FOREVER, MANY = 10_000.0, 1000


@pytest.fixture
def scheduler() -> Scheduler:
    """A scheduler at the time 0."""
    return Scheduler(1, 0.0)


@pytest.fixture
def sqs(scheduler: Scheduler) -> SQS:
    """A delivery queue and its dead letters."""
    service = SQS(scheduler.clock, 1, 0.0, lambda: None)
    dead = Queue("dead", 30.0)
    service.queues = {"dead": dead, "queue": Queue("queue", 720.0, max_receives=2, dead_letters=dead)}
    return service


def received(sqs: SQS, most: int = 10) -> list[str]:
    """Receive until there is nothing more; give the bodies."""
    found = []
    while messages := sqs.receive("queue", most):
        found += [message.body for message in messages]
    return found


def test_tasks_take_turns_where_they_wait(scheduler: Scheduler) -> None:
    """What wakes up first goes on first, whoever began first."""
    heard: list[str] = []

    def task(name: str, seconds: float) -> Callable[[], None]:
        def body() -> None:
            heard.append(f"{name} begins")
            scheduler.sleep(seconds)
            heard.append(f"{name} ends at {scheduler.now:g}")

        return body

    scheduler.spawn("slow", task("slow", 5.0))
    scheduler.spawn("quick", task("quick", 1.0), delay=0.5)
    assert scheduler.run(FOREVER, MANY)
    assert heard == ["slow begins", "quick begins", "quick ends at 1.5", "slow ends at 5"]


def test_a_killed_task_does_nothing_more(scheduler: Scheduler) -> None:
    """It stops where it waits; its `finally` runs when the world has ended, and can't wait again."""
    heard: list[str] = []

    def body() -> None:
        try:
            scheduler.sleep(1.0)
            scheduler.sleep(1.0)
            heard.append("went on")
        finally:
            heard.append("unwound")
            scheduler.sleep(1.0)
            heard.append("waited again")

    task = scheduler.spawn("victim", body)
    task.doomed_at = 2
    assert scheduler.run(FOREVER, MANY)
    assert (heard, task.killed, scheduler.now) == ([], "died", 1.0)
    scheduler.close()
    assert heard == ["unwound"]


def test_a_group_with_a_message_in_flight_gives_nothing_else(scheduler: Scheduler, sqs: SQS) -> None:
    """Order is per group: the others go on."""
    for group in ("a", "a", "b"):
        sqs.send("queue", group, group, str(scheduler.now), {})
        scheduler.now += 301  # Later than the deduplication.
    first = next(message for message in sqs.receive("queue", 1))
    rest = received(sqs)
    assert sorted([first.body, *rest]) in (["a", "b"], ["a", "a", "b"])
    assert received(sqs) == []
    scheduler.now += 720
    assert "a" in received(sqs)


def test_a_duplicate_is_dropped_for_five_minutes_from_the_send(scheduler: Scheduler, sqs: SQS) -> None:
    """Also where the first has been deleted; in another group it is no duplicate."""
    assert sqs.send("queue", "1", "group", "same", {}) == ("m-1", True)
    sqs.delete("queue", sqs.receive("queue", 1)[0].handle)
    scheduler.now += 299
    assert sqs.send("queue", "2", "group", "same", {}) == ("m-1", False)
    assert sqs.send("queue", "3", "other", "same", {})[1]
    scheduler.now += 1
    assert sqs.send("queue", "4", "group", "same", {})[1]


def test_a_stale_receipt_handle_is_good_for_nothing(scheduler: Scheduler, sqs: SQS) -> None:
    """After the next receive, the handle of the one before neither hides nor deletes."""
    sqs.send("queue", "body", "group", "id", {})
    [stale] = [message.handle for message in sqs.receive("queue", 1)]
    scheduler.now += 721
    assert received(sqs) == ["body"]
    assert not sqs.delete("queue", stale)
    with pytest.raises(ClientError, match="not available for visibility timeout change"):
        sqs.hide("queue", stale, 0)


def test_a_message_is_hidden_for_half_a_day_at_most(scheduler: Scheduler, sqs: SQS) -> None:
    """Counted from its receipt."""
    sqs.send("queue", "body", "group", "id", {})
    [message] = sqs.receive("queue", 1)
    scheduler.now += 100
    with pytest.raises(ClientError, match="Total VisibilityTimeout"):
        sqs.hide("queue", message.handle, 43_101)
    sqs.hide("queue", message.handle, 43_100)
    assert message.visible_at == 43_200


def test_what_is_received_too_often_is_redriven(scheduler: Scheduler, sqs: SQS) -> None:
    """SQS's own redrive, which the product must never need."""
    sqs.send("queue", "body", "group", "id", {})
    for _ in range(2):
        assert received(sqs) == ["body"]
        scheduler.now += 721
    assert received(sqs) == []
    assert [message.body for message in sqs.queues["dead"].messages] == ["body"]
    assert sqs.queues["queue"].redriven == 1


def test_worlds_differ_from_seed_to_seed() -> None:
    """Between them, the first seeds have every kind of trouble."""
    plans = [plan(seed) for seed in range(1, 301)]
    kinds = {phase.kind for each in plans for phase in each.phases}
    assert kinds >= {"failing", "down", "limited", "revoked", "dynamodb", "sqs", "deaths", "deployment"}
    assert {len(each.routes) for each in plans} == {1, 2}
    assert {each.app for each in plans} == {True, False}
    assert any(not each.phases for each in plans)


def test_a_calm_world_dispatches_everything_once() -> None:
    """Where nothing goes wrong, each accepted delivery is one call and one run."""
    seed = next(seed for seed in range(1, 1000) if _is_calm(seed))
    world = World(plan(seed))
    result = world.run()
    assert not result.violations
    counts = result.counts
    assert counts["runs"] == counts["POSTs"] == counts["accepted"] > 0
    assert counts["look-ups"] == counts["dead letters"] == counts["kills"] == 0


def _is_calm(seed: int) -> bool:
    made = plan(seed)
    slow_github = made.github_per_hour < 5000 or (made.github_per_minute or 80) < 80
    return not (made.phases or made.trouble or made.faults or made.deaths or made.ghosts or slow_github)
