"""The engine: a delivery that needs no call to GitHub, that comes more than once, or that comes too late."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.event import VERSION_CREATED
from functions.core.ledger import LEASE_SECONDS, Entry, State
from functions.core.settings import Route
from functions.dispatch.engine import MAX_DEATHS, REPLAY_SECONDS
from functions.dispatch.outcome import Dispatched, Duplicate, Superseded, Told, Wait
from modelrelay.local.github import PRESETS, Fault

from ..samples import NOW, ROUTE, delivery
from .bench import HOUR, Bench, fails
from .simulator import refusal

OLDER, NEWER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
OLD = delivery(version="8", occurred_at=OLDER)
LATE = NOW + REPLAY_SECONDS + 0.001
MENDED = replace(ROUTE, inputs={"alias": "${alias:-none}"})


def overtake(bench: Bench) -> None:
    """Dispatch a newer fact of the same model and stage."""
    assert isinstance(bench.attempt(delivery(version="9", occurred_at=NEWER)).outcome, Dispatched)
    bench.clock.now += 2


def bury(bench: Bench, sent: Delivery | None = None) -> None:
    """Have a delivery dead-lettered, and time pass."""
    bench.simulator.inject(PRESETS["unprocessable"])
    bench.letter("github-refused", sent)
    bench.clock.now += 10


# A delivery that comes again


def test_duplicate_starts_nothing(bench: Bench) -> None:
    """A delivery that was dispatched is not dispatched again, not even after a week, nor by force."""
    first = bench.attempt().outcome
    bench.clock.now += 7 * 24 * HOUR
    bench.hooks.calls.clear()
    for force in (False, True):
        again = bench.attempt(sent_at=bench.clock.now, force=force)
        assert isinstance(first, Dispatched)
        assert again.outcome == Duplicate(Told(), "dispatched", first.run_id, first.run_url)
        assert (again.delivery, again.facts) == (delivery(), {})
    assert bench.hooks.calls == ["get delivery"] * 2


def test_duplicate_of_a_dispatch_without_a_run_has_none(bench: Bench) -> None:
    """Where GitHub told no run, a duplicate can't tell one either."""
    bench.simulator.inject(Fault(status=204))
    bench.attempt()
    assert bench.attempt().outcome == Duplicate(Told(), "dispatched")


@pytest.mark.parametrize(
    ("after", "seconds"), [(0.0, LEASE_SECONDS + 1), (30.5, 30.5), (LEASE_SECONDS - 0.1, 1.1)]
)
def test_second_function_waits_for_the_first(bench: Bench, after: float, seconds: float) -> None:
    """While one function has the claim, another one waits until it would have lapsed, and changes nothing."""
    claimed = Entry(state=State.CLAIMED, holder="another", claimed_at=NOW)
    bench.ledger.move(delivery(), claimed, NOW)
    bench.clock.now += after
    wait = bench.wait("claimed")
    assert wait.seconds == pytest.approx(seconds)
    assert wait.told.detail == "Another attempt is under way, or died."
    assert bench.hooks.calls == ["get delivery"]


def test_letter_that_was_not_deleted_is_buried_again(bench: Bench) -> None:
    """The same message again means that it was not buried, or not deleted: GitHub is not asked once more."""
    bury(bench)
    letter = bench.letter("github-refused", sent_at=NOW)
    assert letter.told == Told(detail='Unexpected inputs provided: ["model"]')
    assert bench.posts == 1


@pytest.mark.parametrize(("after", "tried"), [(0.0, False), (0.001, True)])
def test_replay_is_what_was_sent_after_the_burial(bench: Bench, after: float, tried: bool) -> None:  # noqa: FBT001
    """A message that was put onto the queue since is a person's wish."""
    bury(bench)
    outcome = bench.attempt(sent_at=bench.entry().updated_at + after).outcome
    assert isinstance(outcome, Dispatched) == tried
    assert bench.posts == 1 + tried


# A newer fact was dispatched


def test_older_fact_does_not_follow_a_newer_one(bench: Bench) -> None:
    """A late message whose stage has moved on since is superseded, and says by what."""
    overtake(bench)
    outcome = bench.attempt(OLD, sent_at=LATE).outcome
    assert outcome == Superseded(Told(detail=f"What happened at {NEWER} was dispatched in its place."))
    assert bench.entry(OLD).state is State.SUPERSEDED
    assert bench.attempt(OLD, sent_at=LATE).outcome == Duplicate(Told(), "superseded")
    assert bench.posts == 1


def test_older_fact_that_was_dead_lettered_does_not_follow_either(bench: Bench) -> None:
    """A replay within a minute is one all the same."""
    bury(bench, OLD)
    overtake(bench)
    assert isinstance(bench.attempt(OLD, sent_at=bench.clock.now).outcome, Superseded)


@pytest.mark.parametrize(
    "changes",
    [
        {"occurred_at": NEWER, "version": "10"},
        {"occurred_at": OLDER, "to_stage": "Staging"},
        {"occurred_at": OLDER, "model_name": "fraud"},
        {"occurred_at": OLDER, "kind": VERSION_CREATED, "to_stage": None},
    ],
)
def test_replay_that_nothing_overtook_is_dispatched(bench: Bench, changes: dict[str, Any]) -> None:
    """A replay is held back only by a newer fact of its own model and stage."""
    overtake(bench)
    assert isinstance(bench.attempt(delivery(**changes), sent_at=LATE).outcome, Dispatched)


@pytest.mark.parametrize("late", [0.0, REPLAY_SECONDS])
def test_order_of_arrival_holds_without_a_replay(bench: Bench, late: float) -> None:
    """What ingest accepted in time is dispatched in that order, whatever the sender's clock says."""
    overtake(bench)
    assert isinstance(bench.attempt(OLD, sent_at=NOW + late).outcome, Dispatched)


def test_force_sends_an_older_fact(bench: Bench) -> None:
    """A person may want an older version back: by force it is sent, superseded before or not."""
    overtake(bench)
    bench.attempt(OLD, sent_at=LATE)
    other = delivery(version="7", occurred_at=OLDER)
    for sent in (OLD, other):
        assert isinstance(bench.attempt(sent, sent_at=LATE, force=True).outcome, Dispatched)
        bench.clock.now += 2
        assert bench.entry(sent).state is State.DISPATCHED
    assert bench.posts == 3


# Too old


def test_old_delivery_expires(bench: Bench) -> None:
    """After a day of trying a delivery is given up, and not sent once more; a replay has a day again."""
    bench.clock.now += 24 * HOUR
    assert isinstance(bench.attempt(delivery(version="7")).outcome, Dispatched)
    bench.clock.now += 0.001
    letter = bench.letter("expired")
    assert letter.told.detail == "It could not be dispatched within 24 hours."
    assert (bench.entry().state, bench.entry().reason) == (State.DEAD_LETTERED, "expired")
    assert bench.posts == 1
    bench.clock.now += 1
    assert isinstance(bench.attempt(sent_at=bench.clock.now).outcome, Dispatched)


def test_expired_delivery_tells_what_was_in_the_way(bench: Bench) -> None:
    """The last trouble stands in the letter."""
    bench.simulator.inject(refusal(429, "Slow down.", retry_after="60"))
    bench.attempt()
    bench.clock.now += 25 * HOUR
    letter = bench.letter("expired")
    assert letter.told.detail == "It could not be dispatched within 24 hours. Slow down."


@pytest.mark.parametrize("looked", [False, True])
def test_expired_delivery_keeps_its_doubt(bench: Bench, looked: bool) -> None:  # noqa: FBT001
    """When it is not known whether GitHub started a run, the letter says so, and a replay looks first."""
    bench.simulator.inject(replace(PRESETS["outage"], accept=True))
    bench.attempt()
    doubt = bench.entry().doubt
    if looked:
        bench.clock.now += 6
        bench.wait("looking")
    bench.clock.now += 25 * HOUR
    letter = bench.letter("expired")
    assert bench.entry().doubt == doubt == (NOW, NOW)
    assert bench.posts == 1
    bench.clock.now += 1
    assert isinstance(bench.deliver(sent_at=bench.clock.now)[-1], Dispatched)
    assert bench.posts == 1
    assert "GitHub may have started a run" in letter.told.detail


# Attempts that die


def die(bench: Bench, times: int) -> None:
    """Let attempts die between claim and outcome, before GitHub was called."""
    for _ in range(times):
        bench.hang("POST dispatches", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.deliver()


def test_delivery_that_kills_is_given_up(bench: Bench) -> None:
    """After five deaths a person must look; what is known is told, and the doubt stays."""
    die(bench, MAX_DEATHS)
    since = bench.entry().claimed_at
    letter = bench.deliver()[-1]
    assert letter.told.detail == (
        "Its attempts died 5 times between claim and outcome (time-out, memory). "
        "GitHub was called up to 5 times."
    )
    entry = bench.entry()
    assert (entry.state, entry.reason, entry.deaths) == (State.DEAD_LETTERED, "crashed", 5)
    assert entry.doubt == (since, since + 25)


def test_crash_tells_the_last_trouble(bench: Bench) -> None:
    """Whatever is known stands in the letter."""
    entry = Entry(state=State.WAITING, deaths=5, attempts=7, detail="Slow down.")
    bench.ledger.move(delivery(), entry, NOW)
    assert bench.letter("crashed").told.detail.endswith("called up to 7 times. Slow down.")


def test_deaths_below_five_are_survived(bench: Bench) -> None:
    """A delivery whose attempts died four times is sent the fifth time, once."""
    die(bench, MAX_DEATHS - 1)
    assert isinstance(bench.deliver()[-1], Dispatched)
    assert bench.entry().deaths == 4
    assert len(bench.simulator.runs()) == 1


def test_replay_has_all_its_lives_again(bench: Bench) -> None:
    """Who replays a delivery that crashed wants it tried; it is looked up, and then sent."""
    die(bench, MAX_DEATHS)
    bench.deliver()
    bench.clock.now += 1
    assert isinstance(bench.deliver(sent_at=bench.clock.now)[-1], Dispatched)
    assert bench.entry().deaths == 0


@pytest.mark.parametrize(
    "fault", [refusal(429), PRESETS["forbidden"], PRESETS["outage"], Fault(drop="before")]
)
def test_waiting_is_not_dying(bench: Bench, fault: Fault) -> None:
    """However often a delivery has to wait, it never counts as a death."""
    bench.simulator.inject(replace(fault, match="dispatches", times=0))
    for _ in range(20):
        outcome = bench.attempt().outcome
        assert isinstance(outcome, Wait)
        bench.clock.now += outcome.seconds
    assert bench.entry().deaths == 0


# What can't be sent


def test_delivery_of_a_removed_route_is_explained(bench: Bench) -> None:
    """A route that is gone can't be guessed; the letter says what a person may do."""
    sent = delivery("gone")
    letter = bench.letter("unknown-route", sent)
    assert letter.told.detail == "There is no route 'gone' any more. Add it again and replay, or purge."
    assert bench.entry(sent).state is State.DEAD_LETTERED
    assert bench.posts == 0
    bench.routes = [replace(ROUTE, name="gone")]
    bench.clock.now += 1
    assert isinstance(bench.attempt(sent, sent_at=bench.clock.now).outcome, Dispatched)


@pytest.mark.parametrize(
    ("route", "reason", "detail"),
    [
        (replace(ROUTE, inputs={"alias": "${alias}"}), "missing-field", "needs the field 'alias'"),
        (replace(ROUTE, inputs={"a": "${model_name}" * 20_000}), "inputs-too-large", "65535 characters"),
    ],
)
def test_unshapeable_delivery_is_dead_lettered_unsent(
    bench: Bench, route: Route, reason: str, detail: str
) -> None:
    """What can't become a request costs none; mended and replayed, it is sent."""
    bench.routes = [route]
    letter = bench.letter(reason)
    assert detail in letter.told.detail
    assert (bench.entry().reason, bench.entry().detail) == (reason, letter.told.detail)
    assert bench.posts == 0
    bench.routes = [MENDED]
    bench.clock.now += 1
    assert isinstance(bench.attempt(sent_at=bench.clock.now).outcome, Dispatched)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "The message was refused: it is not a delivery (JSONDecodeError)."),
        ("{}", "The message was refused: it has no 'format'."),
        ('{"format": 2}', "The message was refused: its format is not one that this version reads."),
        ('{"format": 1}', "The message was refused: it has no 'event'."),
        (delivery().to_message().replace("churn", "fraud").replace('"id":"', '"id":"x'), "does not follow"),
        (delivery().to_message().replace('"version":"8"', '"version":8'), "not a delivery (TypeError)"),
    ],
)
def test_message_that_is_no_delivery_is_dead_lettered(bench: Bench, body: str, detail: str) -> None:
    """A message that nobody can read is kept for a person; nobody else is asked about it."""
    attempt = bench.attempt(body)
    assert (attempt.delivery, attempt.facts) == (None, {})
    assert detail in bench.letter("malformed", body).told.detail
    assert bench.hooks.calls == []


# Without the ledger


@pytest.mark.parametrize("call", ["get delivery", "get slot", "put superseded"])
def test_without_the_ledger_nothing_is_decided(bench: Bench, call: str) -> None:
    """A ledger that can't be asked or written to is waited for, and nothing is lost by that."""
    overtake(bench)
    bench.hang(call, fails)
    wait = bench.wait("ledger-unavailable", OLD, sent_at=LATE)
    assert (wait.seconds, wait.told.detail) == (
        20,
        "The ledger could not be asked (EndpointConnectionError).",
    )
    assert isinstance(bench.attempt(OLD, sent_at=LATE).outcome, Superseded)
    assert bench.posts == 1


def test_dead_letter_that_somebody_else_was_faster_with_waits(bench: Bench) -> None:
    """Who is overtaken decides nothing, and looks again."""
    sent = delivery("gone")
    moved = Entry(state=State.CLAIMED, holder="another", claimed_at=NOW)
    bench.hang("put dead-lettered", lambda: bench.ledger.move(sent, moved, NOW))
    assert bench.wait("claimed", sent).seconds == 1
    assert bench.entry(sent).holder == "another"
