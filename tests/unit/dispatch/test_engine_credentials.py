"""A credential that is missing, or that GitHub does not take: what is tried again, when the gate closes."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from functions.core.ledger import Entry, State
from functions.dispatch.outcome import Dispatched, Wait
from modelrelay.local import github as simulated
from modelrelay.local.github import PRESETS, Fault
from tests.simulator import keys

from ..samples import NOW, ROUTE, delivery
from .bench import HOUR, Bench
from .conftest import Start
from .simulator import TOKEN, refusal

OTHER = delivery(model_name="fraud")
WRONG = {"token": "wrong"}


def reads(bench: Bench) -> int:
    """Give how often the secret was read."""
    return len(bench.aws.parameters("GetSecretValue"))


def statuses(bench: Bench) -> list[int | None]:
    """Give what GitHub answered, oldest first."""
    return [each.status for each in reversed(bench.simulator.requests())]


def test_rejected_token_is_read_anew_once(bench: Bench) -> None:
    """After a rotation the first 401 reads the new token, and the delivery goes through at once."""
    bench.fill(WRONG)
    bench.hang("POST dispatches", lambda: bench.fill({"token": TOKEN}))
    attempt = bench.attempt()
    assert isinstance(attempt.outcome, Dispatched)
    assert statuses(bench) == [401, 200]
    assert reads(bench) == 2
    assert sum(bench.clock.naps) == 1
    assert attempt.facts["attempt"] == 2
    assert bench.gate().reason == ""


def test_token_rejected_twice_closes_the_gate(bench: Bench) -> None:
    """Many 401s lock out valid callers too, so after two nobody calls for a minute."""
    bench.fill(WRONG)
    wait = bench.wait("credential-rejected")
    assert (wait.seconds, wait.told.status, wait.told.detail) == (60, 401, "Bad credentials")
    assert (statuses(bench), reads(bench)) == ([401, 401], 2)
    entry = bench.entry()
    assert (entry.state, entry.reason) == (State.WAITING, "credential-rejected")
    assert entry.booked_at == bench.gate().closed_until == bench.clock.now + 60
    assert bench.wait("credential-rejected", OTHER).seconds >= 60
    assert bench.posts == 2


def test_one_call_more_is_all_that_an_attempt_makes(bench: Bench) -> None:
    """After a 401 to the look-up and a better second one, a 401 to the call is not tried again."""
    doubt = Entry(state=State.UNKNOWN, looks=1, doubt_since=NOW - 60, doubt_until=NOW - 50)
    bench.ledger.move(delivery(), doubt, NOW - 50)
    rejected = PRESETS["bad-credentials"]
    bench.simulator.inject(replace(rejected, match="/runs"), replace(rejected, match="dispatches"))
    bench.wait("credential-rejected")
    assert statuses(bench) == [401, 200, 401]
    assert bench.gate().reason == "credential-rejected"


def test_rejection_is_not_provoked_more_than_once_a_minute(bench: Bench) -> None:
    """As long as the token is wrong it is tried ever more seldom, and GitHub's words are told each time."""
    bench.fill(WRONG)
    calls: list[float] = []
    bench.hang("POST dispatches", lambda: calls.append(bench.clock.now), times=1000)
    receives = 0
    while bench.clock.now < NOW + 12 * HOUR:
        bench.clock.now += bench.wait("credential-rejected").seconds
        receives += 1
    tries = [calls[0], *(later for earlier, later in pairwise(calls) if later - earlier > 5)]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert min(pauses) >= 60
    assert pauses[-1] >= 900
    assert len(calls) < 120
    assert receives < 160


@pytest.mark.parametrize("fill", [WRONG, "", "{", {"token": ""}])
def test_replaced_secret_opens_the_gate(bench: Bench, fill: Any) -> None:
    """Another sandbox that reads another content calls at once, in its own turn or not."""
    bench.fill(fill)
    bench.attempt()
    assert bench.gate().reason.startswith("credential-")
    bench.fill({"token": TOKEN})
    bench.clock.now += 2
    assert isinstance(bench.attempt(OTHER).outcome, Dispatched)
    assert bench.gate().reason == ""
    assert isinstance(bench.attempt().outcome, Dispatched)


@pytest.mark.parametrize(("age", "heals"), [(29, False), (30, True)])
def test_replaced_secret_is_noticed_within_the_attempt(bench: Bench, age: float, heals: bool) -> None:  # noqa: FBT001
    """In front of a gate that is closed because of the secret, it is read again if that was 30 s ago."""
    bench.fill(WRONG)
    bench.attempt()
    engine = bench.engine()
    bench.wait("credential-rejected", OTHER, engine=engine)
    assert reads(bench) == 3
    bench.fill({"token": TOKEN})
    bench.clock.now += age
    outcome = bench.attempt(OTHER, engine=engine).outcome
    assert isinstance(outcome, Dispatched) == heals
    assert isinstance(outcome, Wait) != heals
    assert reads(bench) == (4 if heals else 3)


def test_secret_is_not_read_for_another_closure(bench: Bench) -> None:
    """A gate that is closed for a rate limit says nothing about the secret."""
    engine = bench.engine()
    bench.simulator.inject(refusal(429, retry_after="200"))
    bench.attempt(engine=engine)
    bench.clock.now += 100
    bench.wait("rate-limited", OTHER, engine=engine)
    assert reads(bench) == 1


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        ("", "credential-missing", "The GitHub secret is empty"),
        ({"token": " "}, "credential-missing", "'token' is empty"),
        ("{", "credential-malformed", "is not a JSON object"),
        ({"token": 5}, "credential-malformed", "not written as text"),
    ],
)
def test_without_a_token_github_is_not_called(bench: Bench, content: Any, reason: str, detail: str) -> None:
    """Until the secret is filled in rightly, deliveries wait in the queue, and are told what to do."""
    bench.fill(content)
    wait = bench.wait(reason)
    assert wait.seconds == 60
    assert detail in wait.told.detail
    assert (bench.entry().reason, bench.gate().reason) == (reason, reason)
    assert bench.simulator.seen == []


def test_secret_that_cannot_be_read_is_waited_for(bench: Bench) -> None:
    """A Secrets Manager that fails needs no person, and closes the gate for nobody."""
    bench.aws.fail("GetSecretValue")
    wait = bench.wait("secret-unavailable")
    assert (wait.seconds, wait.told.detail) == (
        30,
        "Secrets Manager did not give the GitHub secret (ClientError).",
    )
    assert bench.gate().reason == ""
    assert bench.simulator.seen == []
    bench.aws.mend()
    bench.clock.now += 30
    assert isinstance(bench.attempt().outcome, Dispatched)


def test_known_secret_outlives_secrets_manager(bench: Bench) -> None:
    """A sandbox that has read the secret goes on with it."""
    engine = bench.engine()
    bench.attempt(engine=engine)
    bench.aws.fail("GetSecretValue")
    bench.clock.now += 300
    assert isinstance(bench.attempt(OTHER, engine=engine).outcome, Dispatched)


@pytest.mark.parametrize(
    ("preset", "reason", "hint"),
    [
        ("forbidden", "credential-not-permitted", "Permissions that would do: actions=write."),
        ("sso", "credential-needs-sso", "SSO: required; url=https://github.com/orgs/octo-org/sso"),
        ("ip-allow-list", "credential-ip-not-allowed", "IP allow list"),
    ],
)
def test_person_must_act(bench: Bench, preset: str, reason: str, hint: str) -> None:
    """A credential that is good for nothing here is tried once, and the person is told what to do."""
    bench.simulator.inject(PRESETS[preset])
    wait = bench.wait(reason)
    assert (wait.seconds, bench.posts, reads(bench)) == (60, 1, 1)
    assert hint in wait.told.detail
    assert (bench.entry().state, bench.gate().reason) == (State.WAITING, reason)
    assert isinstance(bench.deliver()[-1], Dispatched)
    assert (bench.posts, bench.gate().reason) == (2, "")


# A GitHub App


@pytest.fixture
def known() -> simulated.App:
    """The App as GitHub knows it, which a test may change."""
    return keys.app()


@pytest.fixture
def app(bench: Bench, start: Start, known: simulated.App) -> Bench:
    """A bench whose secret holds an App's key."""
    bench.use(start(app=known))
    bench.fill(
        {
            "client_id": keys.CLIENT_ID,
            "installation_id": keys.INSTALLATION_ID,
            "private_key": keys.private_pem(),
        }
    )
    return bench


def mints(bench: Bench) -> int:
    """Give how often a token was asked for."""
    return bench.hooks.calls.count("POST access_tokens")


def test_app_starts_runs(app: Bench) -> None:
    """A token is minted once, and starts runs in the App's name."""
    engine = app.engine()
    for sent in (delivery(), OTHER):
        assert isinstance(app.attempt(sent, engine=engine).outcome, Dispatched)
    assert {run.actor.login for run in app.simulator.runs()} == {"model-relay[bot]"}
    assert mints(app) == 1


def test_fresh_token_is_tried_again_after_a_nap(app: Bench, known: simulated.App) -> None:
    """GitHub may not know a token everywhere yet: the same one is used again three seconds later."""
    known.replication_seconds = 3
    assert isinstance(app.attempt().outcome, Dispatched)
    assert statuses(app) == [201, 401, 200]
    assert app.clock.naps.count(3.0) == 1
    assert mints(app) == 1


def test_fresh_token_that_is_rejected_twice_closes_the_gate(app: Bench, known: simulated.App) -> None:
    """A second 401 is believed, and another token is minted next time."""
    known.replication_seconds = 30
    engine = app.engine()
    wait = app.wait("credential-rejected", engine=engine)
    assert (wait.seconds, statuses(app)) == (60, [201, 401, 401])
    known.replication_seconds = 0
    app.clock.now += 60
    assert isinstance(app.attempt(engine=engine).outcome, Dispatched)
    assert mints(app) == 2


def test_older_token_that_is_rejected_is_minted_anew(app: Bench) -> None:
    """A token that was good for a while and isn't any more is replaced at once."""
    engine = app.engine()
    app.attempt(engine=engine)
    app.clock.now += 60
    app.simulator.inject(replace(PRESETS["bad-credentials"], match="dispatches"))
    assert isinstance(app.attempt(OTHER, engine=engine).outcome, Dispatched)
    assert statuses(app) == [201, 200, 401, 201, 200]
    assert 3.0 not in app.clock.naps


MINTING = {
    "401": (
        refusal(401, "A JSON web token could not be decoded"),
        "credential-rejected",
        60,
        "JSON web token",
    ),
    "403 suspended": (
        refusal(403, "This installation has been suspended"),
        "credential-suspended",
        60,
        "suspended",
    ),
    "403 permission": (refusal(403, "No."), "credential-not-permitted", 60, "No."),
    "404": (
        refusal(404, "Not Found"),
        "credential-app-unknown",
        60,
        "GitHub does not know this App's installation_id",
    ),
    "422 permission": (
        refusal(422, "The permissions requested are not granted to this installation."),
        "credential-not-permitted",
        60,
        "lacks the permission 'Actions: write'",
    ),
    "429": (refusal(429, "Slow.", retry_after="90"), "rate-limited", 90, "Slow."),
    "500": (refusal(500, "Oh."), "github-unavailable", 2, "Oh."),
    "503": (refusal(503, "Oh."), "github-unavailable", 2, "Oh."),
    "no answer": (Fault(drop="before"), "no-answer", 2, "GitHub did not answer (ProtocolError)."),
    "no answer, after effect": (
        Fault(drop="after"),
        "no-answer",
        2,
        "GitHub did not answer (ProtocolError).",
    ),
    "201 without a token": (Fault(status=201, body="{}"), "unreadable-answer", 2, ""),
}


@pytest.mark.parametrize("case", MINTING)
def test_trouble_with_minting_is_waited_out(app: Bench, case: str) -> None:
    """Whatever keeps a token from being minted, nothing is sent and nothing is in doubt."""
    fault, reason, seconds, detail = MINTING[case]
    app.simulator.inject(replace(fault, times=0))
    wait = app.wait(reason)
    assert wait.seconds == seconds
    assert detail in wait.told.detail
    assert (app.entry().state, app.entry().in_doubt, app.entry().attempts) == (State.WAITING, False, 0)
    assert mints(app) == (2 if case == "401" else 1)
    assert (app.gate().reason, app.gate().failures) == (reason if seconds > 2 else "", seconds == 2)
    assert app.posts == 0
    app.simulator.clear_faults()
    assert isinstance(app.deliver()[-1], Dispatched)


def test_app_that_may_not_reach_the_repository_is_dead_lettered(app: Bench) -> None:
    """A repository that the installation does not hold needs a person, for this delivery alone."""
    app.routes = [replace(ROUTE, target=replace(ROUTE.target, repository="elsewhere"))]
    letter = app.letter("github-app-repository")
    assert letter.told.status == 422
    assert letter.told.detail == (
        "The App's installation does not reach this repository. Add it there, or mend its name."
    )
    assert (app.entry().state, app.gate().reason) == (State.DEAD_LETTERED, "")


def test_doubt_outlives_a_repository_out_of_reach(app: Bench) -> None:
    """What an earlier call may have started is looked up when the letter is replayed."""
    doubt = Entry(state=State.UNKNOWN, doubt_since=NOW - 60, doubt_until=NOW - 50)
    app.ledger.move(delivery(), doubt, NOW)
    app.simulator.inject(replace(refusal(422), match="access_tokens"))
    app.letter("github-app-repository")
    assert app.entry().doubt == (NOW - 60, NOW - 50)
    app.clock.now += 60
    app.deliver(sent_at=app.clock.now)
    assert app.looks == 2


def test_minting_that_took_long_needs_another_ticket(app: Bench) -> None:
    """When the ticket's ten seconds are over, its call is not made; the token is kept."""
    engine = app.engine()
    app.hang("POST access_tokens", app.takes(5.9), after=True)
    app.hang("put gate", app.takes(4.5), after=True)
    assert app.wait("busy", engine=engine).seconds == 1
    assert app.posts == 0
    app.clock.now += 1
    assert isinstance(app.attempt(engine=engine).outcome, Dispatched)
    assert (mints(app), app.entry().attempts) == (1, 1)


def test_secret_holds_no_key_in_any_word(app: Bench) -> None:
    """Nothing that is told of an App's trouble repeats its key."""
    app.fill(json.dumps({"client_id": "x", "installation_id": "5", "private_key": "-----BEGIN CANARY-----"}))
    wait = app.wait("credential-malformed")
    assert "CANARY" not in str(wait)
    assert "'private_key'" in wait.told.detail


def test_ticket_is_given_back_where_no_token_is_had(app: Bench) -> None:
    """Another stack that shares the gate need not wait for a call that was never made."""
    gate = app._gate(app._dynamodb, app.ledger)
    gate._change(lambda state, _now: (replace(state, ledgers={"Other": app.clock.now}), None))
    app.simulator.inject(replace(MINTING["201 without a token"][0], times=0))
    app.attempt()
    assert (len(app.gate().ledgers), app.gate().tickets) == (2, ())
