"""One call to GitHub: what it costs, what is written down around it, and what happens when that fails."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.ledger import Entry, State
from functions.dispatch.calls import ATTEMPT_SECONDS
from functions.dispatch.outcome import Dispatched, Wait
from functions.dispatch.pacing import Pace
from modelrelay.local.github import PRESETS, Fault

from ..samples import NOW, ROUTE, delivery
from .bench import Bench, fails, summary
from .simulator import NEW, OLD, refusal

OTHER = delivery(model_name="fraud")
WRITES = ("put", "transact")


def costs(bench: Bench) -> tuple[int, int]:
    """Give how often DynamoDB was written to and read."""
    kinds = [call.partition(" ")[0] for call in bench.hooks.calls]
    return sum(kind in WRITES for kind in kinds), sum(kind in {"get", "query"} for kind in kinds)


def test_dispatch_takes_three_writes_and_two_reads(bench: Bench) -> None:
    """A ticket, a claim and the outcome are written, one after the other and around the call to GitHub."""
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.hooks.calls == [
        "get delivery",
        "get gate",
        "put gate",
        "put claimed",
        "POST dispatches",
        "transact dispatched",
    ]
    assert len(bench.aws.parameters("GetSecretValue")) == 1
    assert bench.pool.seconds == [15]


def test_next_dispatch_of_a_batch_takes_one_read_more(bench: Bench) -> None:
    """After the second of distance the gate is looked at again, and the secret is not."""
    engine = bench.engine()
    bench.attempt(engine=engine)
    bench.hooks.calls.clear()
    assert isinstance(bench.attempt(OTHER, engine=engine).outcome, Dispatched)
    assert costs(bench) == (3, 3)
    assert sum(bench.clock.naps) == 1
    assert len(bench.aws.parameters("GetSecretValue")) == 1


@pytest.mark.parametrize("version", [NEW, OLD])
def test_delivery_becomes_a_run(bench: Bench, version: str) -> None:
    """An accepted dispatch is told with its run, and GitHub has exactly what the route says."""
    bench.version = version
    attempt = bench.attempt()
    run = bench.simulator.run
    assert isinstance(attempt.outcome, Dispatched)
    assert (attempt.outcome.run_id, attempt.outcome.run_url) == (run.id, run.html_url)
    assert (run.ref, run.inputs) == ("main", {"model_name": "churn", "model_version": "8"})
    assert attempt.outcome.told.request_id == bench.simulator.requests()[0].request_id


def test_ledger_tells_of_the_run(bench: Bench) -> None:
    """After a dispatch the ledger has the run and the times, and no doubt."""
    bench.hang("put claimed", bench.takes(2.0), after=True)
    bench.hang("POST dispatches", bench.takes(1.0), after=True)
    bench.attempt()
    assert bench.entry() == Entry(
        state=State.DISPATCHED,
        revision=2,
        holder="attempt-2",
        updated_at=NOW + 3,
        attempts=1,
        claimed_at=NOW,
        called_at=NOW + 2,
        run_id=bench.simulator.run.id,
        run_url=bench.simulator.run.html_url,
    )


def test_facts_tell_of_the_call(bench: Bench) -> None:
    """The log line gets the attempt's number, how the gate stood, GitHub's quota and its time."""
    bench.hang("POST dispatches", bench.takes(1.2345), after=True)
    facts = bench.attempt().facts
    assert facts == {"attempt": 1, "gate": "open", "remaining": 4999, "github_milliseconds": 1234}


def test_attempts_are_counted_by_calls(bench: Bench) -> None:
    """Each call that was begun counts; waiting in front of the gate does not."""
    bench.simulator.inject(refusal(429, retry_after="60"))
    assert bench.attempt().facts["attempt"] == 1
    assert bench.attempt().facts["attempt"] == 1
    bench.clock.now += 60
    assert bench.attempt().facts["attempt"] == 2


def test_renamed_repository_is_told(bench: Bench) -> None:
    """A dispatch under the new name is a success that somebody should hear of."""
    bench.simulator.inject(PRESETS["redirect"])
    outcome = bench.attempt().outcome
    assert isinstance(outcome, Dispatched)
    assert outcome.redirected


@pytest.mark.parametrize(
    ("target", "reason", "detail"),
    [
        (
            {"repository": "other"},
            "github-not-found",
            "Not Found The owner, repository or workflow_id is wrong",
        ),
        ({"ref": "nowhere"}, "github-refused", "No ref found for: nowhere"),
        ({"workflow_id": "strict.yml"}, "github-refused", 'Unexpected inputs provided: ["model_version"]'),
        ({"workflow_id": "paused.yml"}, "github-refused", "on a disabled workflow"),
    ],
)
def test_refusal_is_dead_lettered_at_once(
    bench: Bench, target: dict[str, Any], reason: str, detail: str
) -> None:
    """What waiting will not mend goes to the dead letters with GitHub's words, and into the ledger."""
    bench.routes = [replace(ROUTE, target=replace(ROUTE.target, **target))]
    letter = bench.letter(reason)
    entry = bench.entry()
    assert detail in letter.told.detail
    assert (entry.state, entry.reason, entry.detail) == (State.DEAD_LETTERED, reason, letter.told.detail)
    assert not entry.in_doubt
    assert bench.posts == 1


def test_tags_are_taken_out_of_a_refusal(bench: Bench) -> None:
    """What people wrote into tags is not told, where GitHub quotes it."""
    bench.simulator.inject(refusal(422, "Provided value 'a tag of prose' for input 'x' not in the list"))
    letter = bench.letter("github-refused", delivery(tags={"note": "a tag of prose", "empty": ""}))
    assert letter.told.detail == "Provided value '[redacted]' for input 'x' not in the list"


@pytest.mark.parametrize("after", [False, True])
def test_without_a_claim_nothing_is_sent(bench: Bench, after: bool) -> None:  # noqa: FBT001
    """A claim that failed, seen or unseen, is no claim, and its turn is given back to the others."""
    bench.hang("put claimed", fails, after=after)
    wait = bench.wait("ledger-unavailable")
    assert wait.told.detail == "The ledger could not be asked (EndpointConnectionError)."
    assert wait.seconds == 20
    assert (bench.posts, bench.gate().tickets) == (0, ())
    assert isinstance(bench.attempt(OTHER).outcome, Dispatched)
    assert sum(bench.clock.naps) == 1
    assert isinstance(bench.deliver()[-1], Dispatched)
    assert bench.posts == 2


def test_claim_that_somebody_else_was_faster_with_sends_nothing(bench: Bench) -> None:
    """Who is overtaken on the way to the claim leaves the delivery, and the turn, to others."""
    moved = Entry(state=State.CLAIMED, holder="another", claimed_at=NOW)
    bench.hang("put claimed", lambda: bench.ledger.move(delivery(), moved, NOW))
    assert bench.wait("claimed").seconds == 1
    assert (bench.posts, bench.gate().tickets) == (0, ())
    assert bench.entry().holder == "another"


@pytest.mark.parametrize("call", ["get gate", "put gate"])
def test_without_the_gate_nothing_is_sent(bench: Bench, call: str) -> None:
    """Who can't ask whether GitHub may be called doesn't call."""
    bench.hang(call, fails)
    assert bench.wait("ledger-unavailable").seconds == 20
    assert bench.posts == 0
    assert isinstance(bench.deliver()[-1], Dispatched)


@pytest.mark.parametrize(("seconds", "left"), [(0.0, 15.0), (10.0, 15.0), (12.0, 13.0), (17.0, 8.0)])
def test_call_ends_while_its_claim_is_fresh(bench: Bench, seconds: float, left: float) -> None:
    """A call has what is left of the 25 s after its claim, so that its end can be told from there."""
    bench.hang("put claimed", bench.takes(seconds), after=True)
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.pool.seconds == [pytest.approx(left)]


def test_claim_that_took_too_long_is_not_used(bench: Bench) -> None:
    """Where less than 8 s are left for the call, nothing is sent and nothing is in doubt."""
    bench.hang("put claimed", bench.takes(17.1), after=True)
    wait = bench.wait("ledger-slow")
    assert wait.told.detail == "The ledger answered too late to call GitHub still."
    entry = bench.entry()
    assert (entry.state, entry.in_doubt, bench.posts) == (State.WAITING, False, 0)
    assert isinstance(bench.deliver()[-1], Dispatched)


def test_what_happened_stands_without_the_ledger(bench: Bench) -> None:
    """A run that was started stays started although it can't be written down, and the line says so."""
    bench.hang("transact dispatched", fails, times=4)
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Dispatched)
    assert attempt.facts["unsettled"] == "LedgerUnavailable"
    assert bench.entry().state is State.CLAIMED


def test_overtaken_attempt_changes_nothing(bench: Bench) -> None:
    """When an attempt outlasts its claim, what the next one wrote stands, and what happened is told."""
    moved = Entry(state=State.WAITING, revision=1, holder="another")
    bench.hang("POST dispatches", lambda: bench.ledger.move(delivery(), moved, NOW + 61))
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Dispatched)
    assert attempt.facts["unsettled"] == "Overtaken"
    assert (bench.entry().state, bench.entry().holder) == (State.WAITING, "another")


def test_closed_gate_gives_a_turn(bench: Bench) -> None:
    """A delivery that may not be sent now is told when, and has its turn on record."""
    bench.simulator.inject(refusal(429, retry_after="60"))
    bench.attempt()
    attempt = bench.attempt(OTHER)
    assert isinstance(attempt.outcome, Wait)
    assert attempt.outcome.seconds >= 60
    assert attempt.facts == {"attempt": 0, "gate": "closed: rate-limited"}
    entry = bench.entry(OTHER)
    assert entry.booked_at == pytest.approx(NOW + attempt.outcome.seconds)
    assert (entry.state, entry.reason, entry.attempts) == (State.WAITING, "rate-limited", 0)
    assert bench.posts == 1


def test_turn_ends_with_the_claim(bench: Bench) -> None:
    """Who was called has no turn any more."""
    bench.simulator.inject(refusal(429, retry_after="60"))
    bench.attempt(OTHER)
    bench.deliver()
    assert bench.entry().state is State.DISPATCHED
    assert bench.entry().booked_at == 0


@pytest.mark.parametrize(("per_minute", "waits"), [(20, False), (15, True)])
def test_turn_is_waited_for_on_the_spot_for_three_seconds(bench: Bench, per_minute: int, waits: bool) -> None:  # noqa: FBT001
    """A turn within three seconds is waited for; for a later one the delivery goes back to the queue."""
    bench.pace = Pace(per_minute, 500)
    bench.attempt()
    assert summary([bench.attempt(OTHER).outcome]) == [4 if waits else Dispatched]


@pytest.mark.parametrize(("spare", "waits"), [(-5.0, True), (0.0, True), (0.9, True), (1.0, False)])
def test_nobody_waits_for_a_turn_without_time_to_use_it(bench: Bench, spare: float, waits: bool) -> None:  # noqa: FBT001
    """Waiting on the spot leaves enough of the invocation for the call and its outcome."""
    bench.attempt()
    bench.seconds = ATTEMPT_SECONDS + spare
    assert summary([bench.attempt(OTHER).outcome]) == [1 if waits else Dispatched]


def die(bench: Bench, sent: Delivery) -> None:
    """Begin a call that never ends, as a function does that dies."""
    bench.hang("POST dispatches", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.attempt(sent)
    assert bench.entry(sent).state is State.CLAIMED


@pytest.mark.parametrize(
    ("seconds", "naps"), [(600.0, 20.0), (ATTEMPT_SECONDS + 5, 5.0), (ATTEMPT_SECONDS, 0.0)]
)
def test_end_of_another_call_is_waited_for(bench: Bench, seconds: float, naps: float) -> None:
    """While a call is under way nobody else calls; after 20 s, or in good time before the end, it is left."""
    die(bench, OTHER)
    bench.clock.now += 1
    bench.seconds = seconds
    assert bench.wait("busy").seconds >= 1
    assert sum(bench.clock.naps) == pytest.approx(naps, abs=0.5)
    assert bench.posts == 1


def test_later_call_of_a_delivery_does_not_wait_for_its_earlier_one(bench: Bench) -> None:
    """A call is over for all sandboxes when its delivery has been moved since, by whomever."""
    bench.simulator.inject(refusal(503))
    bench.attempt()
    bench.clock.now += 6
    bench.wait("looking")
    bench.clock.now += 14
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert sum(bench.clock.naps) <= 1


def test_success_opens_the_gate(bench: Bench) -> None:
    """Failures before a success don't count any more."""
    bench.simulator.inject(replace(refusal(503), match="fraud"))
    bench.attempt(OTHER)
    assert bench.gate().failures == 1
    bench.clock.now += 10
    bench.attempt()
    assert bench.gate().failures == 0


def test_refusal_opens_the_gate_too(bench: Bench) -> None:
    """Who is refused something was let in: GitHub is well, and so is the credential."""
    bench.simulator.inject(refusal(503), replace(PRESETS["unprocessable"], match="fraud"))
    bench.attempt()
    bench.clock.now += 10
    bench.letter("github-refused", OTHER)
    assert bench.gate().failures == 0


def test_well_gate_is_not_written_to(bench: Bench) -> None:
    """Where nothing was wrong, a success costs the gate nothing."""
    bench.attempt()
    assert bench.hooks.calls.count("put gate") == 1


def test_probe_is_told(bench: Bench) -> None:
    """The call that finds out whether a closed gate can be opened says so in its line."""
    bench.simulator.inject(refusal(429, retry_after="60"))
    bench.attempt()
    bench.clock.now += 60
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Dispatched)
    assert attempt.facts["gate"] == "probing: rate-limited"
    assert bench.gate().name(bench.clock.now) == "open"


def last_of_the_hour(seconds: int = 600) -> Fault:
    """Let an answer say that it was the hour's last."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + seconds)}
    body = '{"workflow_run_id": 17, "html_url": "https://github.com/17"}'
    return Fault(status=200, body=body, headers=headers)


def test_last_call_of_the_hour_closes_the_gate(bench: Bench) -> None:
    """A success that leaves no call for the hour stands, and nobody calls before the next hour."""
    bench.simulator.inject(last_of_the_hour())
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Dispatched)
    assert attempt.facts["remaining"] == 0
    assert bench.gate().closed_until == NOW + 601
    assert bench.wait("rate-limited", OTHER).seconds >= 601
    assert bench.posts == 1


def test_last_call_of_the_hour_leaves_the_gate_closed_after_failures(bench: Bench) -> None:
    """A success after failures does not open what it closed itself."""
    bench.simulator.inject(replace(refusal(503), match="fraud"), last_of_the_hour())
    bench.attempt(OTHER)
    bench.clock.now += 10
    assert isinstance(bench.attempt().outcome, Dispatched)
    assert bench.gate().closed_until == NOW + 601
