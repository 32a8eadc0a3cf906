"""The engine: what becomes of a delivery, attempt by attempt, against the simulated GitHub."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from functions.core import aws as clients
from functions.core.delivery import Delivery
from functions.core.ledger import Ledger
from functions.core.secrets import Secret
from functions.core.settings import GitHubSettings, Route
from functions.dispatch.credentials import Credentials
from functions.dispatch.engine import Attempt, Engine, Message
from functions.dispatch.github import GitHub
from functions.dispatch.outcome import DeadLetter, Dispatched, Wait
from modelrelay.local.github import PRESETS, Fault, Settings

from ..aws import Aws
from ..samples import NOW, ROUTE, Clock, delivery
from .conftest import Start
from .simulator import NEW, OLD, TOKEN, Simulator, refusal

HOURS = 3600.0


class Bench:
    """An engine with everything around it, and a secret that holds the right token."""

    def __init__(self, aws: Aws, clock: Clock, simulator: Simulator, ledger: Ledger) -> None:
        self.aws, self.clock, self.simulator, self.ledger = aws, clock, simulator, ledger
        self.url, self.version, self.jitter = simulator.url, NEW, 1.0
        self.pool = urllib3.PoolManager()
        self.routes = [ROUTE]
        self.fill(TOKEN)

    def fill(self, token: str) -> None:
        """Put a token into the secret."""
        self.aws.keep_secret("github", json.dumps({"token": token}))

    def engine(self) -> Engine:
        """Build an engine, as another sandbox would."""
        secret = Secret(clients.client("secretsmanager"), "github", self.clock, stages=("AWSCURRENT",))
        github = GitHub(GitHubSettings(self.url, self.version), Transport(self.pool))
        calls = Calls(
            ledger=self.ledger,
            gate=self.gate,
            github=github,
            credentials=Credentials(secret, github, self.clock),
            clock=self.clock,
            sleep=self.clock.sleep,
            sandbox=f"sandbox-{next(self.numbers)}",
            jitter=lambda: self.jitter,
        )
        return Engine(
            routes={route.name: route for route in self.routes},
            ledger=self.ledger,
            calls=calls,
            max_age_seconds=24 * HOURS,
            clock=self.clock,
            holder=lambda: f"attempt-{next(self.numbers)}",
        )

    def attempt(self, sent: Delivery | str | None = None, *, sent_at: float = NOW, force: bool = False) -> Attempt:
        """Attempt a delivery with a new engine."""
        sent = delivery() if sent is None else sent
        body = sent.to_message() if isinstance(sent, Delivery) else sent
        return self.engine().attempt(Message(body, sent_at, force), lambda: 600.0)

    def waits(self, reason: str, **attempt: Any) -> float:
        """Attempt a delivery that must wait, and give the seconds."""
        outcome = self.attempt(**attempt).outcome
        assert isinstance(outcome, Wait)
        assert outcome.reason == reason
        return outcome.seconds

    def dies(self, reason: str, **attempt: Any) -> str:
        """Attempt a delivery that must be dead-lettered, and give the detail."""
        outcome = self.attempt(**attempt).outcome
        assert isinstance(outcome, DeadLetter)
        assert outcome.reason == reason
        return outcome.told.detail


@pytest.fixture
def bench(aws: Aws, clock: Clock, simulator: Simulator, ledger: Ledger) -> Iterator[Bench]:
    """A bench whose connections end with the test."""
    made = Bench(aws, clock, simulator, ledger)
    yield made
    made.pool.clear()


@pytest.mark.parametrize("version", [NEW, OLD])
def test_delivery_becomes_a_run(bench: Bench, version: str) -> None:
    """An accepted dispatch is told with its run, and GitHub has exactly what the route says."""
    bench.version = version
    sent = delivery()
    attempt = bench.attempt(sent)
    run = bench.simulator.run
    assert isinstance(attempt.outcome, Dispatched)
    assert (attempt.outcome.run_id, attempt.outcome.run_url) == (run.id, run.html_url)
    assert (attempt.delivery, attempt.route) == (sent, ROUTE)
    assert (run.ref, run.inputs) == ("main", {"model_name": "churn", "model_version": "8"})
    assert attempt.outcome.told.request_id == bench.simulator.requests()[0].request_id


def test_renamed_repository_is_told(bench: Bench) -> None:
    """A dispatch under the new name is a success that somebody should hear of."""
    bench.simulator.inject(PRESETS["redirect"])
    outcome = bench.attempt().outcome
    assert isinstance(outcome, Dispatched)
    assert outcome.redirected


@pytest.mark.parametrize(
    ("preset", "reason", "seconds"),
    [
        ("outage", "github-unavailable", 2),
        ("rate-limit", "rate-limited", 60),
        ("secondary", "rate-limited", 60),
        ("garbage", "unreadable-answer", 2),
        ("forbidden", "credential-not-permitted", 300),
        ("sso", "credential-needs-sso", 300),
        ("ip-allow-list", "credential-ip-not-allowed", 300),
    ],
)
def test_trouble_is_waited_out_after_one_request(
    bench: Bench, preset: str, reason: str, seconds: float
) -> None:
    """Whatever waiting or a person can mend keeps the delivery, and GitHub is asked once."""
    bench.simulator.inject(PRESETS[preset])
    assert bench.waits(reason) == seconds
    assert len(bench.simulator.seen) == 1


def test_primary_limit_is_waited_out(start: Start, bench: Bench) -> None:
    """When the hour's requests are used up, the wait lasts until GitHub begins a new hour."""
    limited = start(Settings(per_hour=1))
    bench.url = limited.url
    bench.attempt()
    seconds = bench.waits("rate-limited", sent=delivery(version="9"))
    assert HOURS <= seconds <= HOURS + 2
    bench.clock.now += seconds
    assert isinstance(bench.attempt(delivery(version="9")).outcome, Dispatched)
    assert limited.violations == 0


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
    bench: Bench, target: dict[str, str], reason: str, detail: str
) -> None:
    """What waiting will not mend goes to the dead letters with GitHub's words."""
    bench.routes = [replace(ROUTE, target=replace(ROUTE.target, **target))]
    assert detail in bench.dies(reason)
    assert len(bench.simulator.seen) == 1


def test_refusal_that_quotes_a_tag_tells_all_but_the_tag(bench: Bench) -> None:
    """What people wrote into tags is taken out of GitHub's words."""
    bench.simulator.inject(refusal(422, "Provided value 'a tag of prose' for input 'x' not in the list"))
    sent = delivery(tags={"note": "a tag of prose", "empty": ""})
    detail = bench.dies("github-refused", sent=sent)
    assert detail == "Provided value '[redacted]' for input 'x' not in the list"


def test_tag_is_taken_out_before_words_are_cut(bench: Bench) -> None:
    """A long quotation that is cut leaves no half of a tag behind."""
    prose = "a tag of prose. " * 60
    bench.simulator.inject(refusal(422, f"Provided value '{prose}' not in the list"))
    detail = bench.dies("github-refused", sent=delivery(tags={"note": prose, "short": "a"}))
    assert detail == "Provided value '[redacted]' not in the list"


def test_unknown_version_is_dead_lettered(bench: Bench) -> None:
    """An API version that this GitHub does not know names the setting to mend."""
    bench.version = "2030-01-01"
    assert "relay.github.api_version" in bench.dies("github-bad-request")


def test_rejected_token_is_read_anew_once(bench: Bench) -> None:
    """After a rotation the first 401 reads the new token, and the delivery goes through."""
    bench.fill("stale")
    engine = bench.engine()
    bench.simulator.inject(Fault(name="pause", status=503))
    engine.attempt(Message(delivery().to_message(), 1, NOW))
    bench.fill(TOKEN)
    assert isinstance(engine.attempt(Message(delivery().to_message(), 1, NOW)).outcome, Dispatched)
    assert [each.status for each in bench.simulator.requests()] == [200, 401, 503]


def test_token_rejected_twice_is_left_alone(bench: Bench) -> None:
    """Many 401s lock out valid callers too, so after two the delivery waits for minutes."""
    bench.fill("wrong")
    assert bench.waits("credential-rejected") == 300
    assert len(bench.simulator.seen) == 2
    assert len(bench.aws.parameters("GetSecretValue")) == 2


@pytest.mark.parametrize("failing", [False, True])
def test_without_a_token_github_is_not_called(bench: Bench, failing: bool) -> None:  # noqa: FBT001
    """Until the secret is filled and can be read, deliveries wait in the queue."""
    bench.fill("")
    if failing:
        bench.aws.fail("GetSecretValue")
    assert bench.waits("secret-unavailable" if failing else "credential-missing") == 300
    assert bench.simulator.seen == []


@pytest.mark.parametrize("drop", ["before", "after"])
def test_dropped_connection_is_no_answer(bench: Bench, drop: Any) -> None:
    """A connection that ended after sending is told apart from one that never stood."""
    bench.simulator.inject(Fault(drop=drop))
    assert bench.waits("no-answer") == 2
    assert len(bench.simulator.seen) == 1


def test_refused_connection_is_unreachable(bench: Bench) -> None:
    """Where nothing was sent, the log says so."""
    bench.simulator.close()
    assert bench.waits("unreachable") == 2


@pytest.mark.parametrize(
    ("receives", "jitter", "seconds"),
    [
        (1, 1.0, 2),
        (1, 0.0, 1),
        (2, 1.0, 4),
        (2, 0.5, 3),
        (9, 1.0, 512),
        (10, 1.0, 900),
        (10, 0.0, 450),
        (100_000, 1.0, 900),
    ],
)
def test_patience_grows_to_a_quarter_of_an_hour(
    bench: Bench, receives: int, jitter: float, seconds: float
) -> None:
    """Waits double with each receive up to a cap, and half of each is left to chance."""
    bench.simulator.inject(PRESETS["outage"])
    bench.jitter = jitter
    assert bench.waits("github-unavailable", receives=receives) == seconds


def test_chance_is_used_by_default(bench: Bench) -> None:
    """Without a jitter of its own an engine spreads its retries."""
    secret = Secret(clients.client("secretsmanager"), "github", bench.clock)
    engine = Engine(
        routes={"default": ROUTE},
        ledger=bench.ledger,
        github=GitHub(GitHubSettings(bench.url, NEW), bench.pool),
        credentials=Credentials(secret),
        max_age_seconds=HOURS,
        clock=bench.clock,
    )
    bench.simulator.inject(replace(refusal(503), times=0))
    waits = [engine.attempt(Message(delivery().to_message(), 8, NOW)).outcome for _ in range(5)]
    seconds = {wait.seconds for wait in waits if isinstance(wait, Wait)}
    assert len(seconds) > 1
    assert all(128 <= each <= 256 for each in seconds)


def test_old_delivery_expires(bench: Bench) -> None:
    """After a day of trying a delivery is given up, with the reason, and not sent once more."""
    bench.clock.now += 24 * HOURS
    assert isinstance(bench.attempt().outcome, Dispatched)
    bench.clock.now += 1
    assert bench.dies("expired", sent=delivery(version="9")) == "It could not be dispatched within 24 hours."
    assert len(bench.simulator.seen) == 1


def test_delivery_of_a_removed_route_is_explained(bench: Bench) -> None:
    """A route that is gone can't be guessed; the letter says what a person may do."""
    attempt = bench.attempt(delivery("gone"))
    assert isinstance(attempt.outcome, DeadLetter)
    assert attempt.outcome.reason == "unknown-route"
    assert "There is no route 'gone' any more" in attempt.outcome.told.detail
    assert attempt.delivery is not None
    assert attempt.route is None


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (replace(ROUTE, inputs={"alias": "${alias}"}), "missing-field"),
        (replace(ROUTE, inputs={"a": "${model_name}" * 20_000}), "inputs-too-large"),
    ],
)
def test_unshapeable_delivery_is_dead_lettered_unsent(bench: Bench, route: Route, reason: str) -> None:
    """What can't become a request costs none."""
    bench.routes = [route]
    assert bench.dies(reason)
    assert bench.simulator.seen == []


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
    """A message that nobody can read is kept for a person, and no attempt is made of it."""
    attempt = bench.attempt(body)
    assert (attempt.delivery, attempt.route) == (None, None)
    assert detail in bench.dies("malformed", sent=body)
    assert bench.simulator.seen == []
