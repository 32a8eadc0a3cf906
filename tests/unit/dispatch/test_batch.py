"""A batch: order within groups, what stays on the queue, and the log line of each attempt."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from functions.core import aws as clients
from functions.core.ledger import Ledger
from functions.core.secrets import Secret
from functions.core.settings import GitHubSettings
from functions.dispatch.batch import ATTEMPT_MILLISECONDS, Batch
from functions.dispatch.credentials import Credentials
from functions.dispatch.engine import Engine
from functions.dispatch.github import GitHub
from functions.dispatch.settlement import MAX_HIDE_SECONDS, Queues
from modelrelay.local.github import PRESETS, Fault

from ..aws import Aws
from ..samples import ROUTE, Clock, delivery, lambda_context
from .simulator import NEW, TOKEN, Simulator, record, refusal

QUEUE, DEAD_LETTERS = "http://127.0.0.1/queue", "http://127.0.0.1/dead"
STRICT = replace(ROUTE, name="strict", target=replace(ROUTE.target, workflow_id="strict.yml"))
CANARY = "canary-4be1"


class Bench:
    """A batch processor between the stand-ins, and the lines that it logs."""

    def __init__(self, aws: Aws, clock: Clock, simulator: Simulator, ledger: Ledger) -> None:
        self.aws, self.clock, self.simulator = aws, clock, simulator
        self.lines: list[dict[str, Any]] = []
        self.pool = urllib3.PoolManager()
        aws.keep_secret("github", json.dumps({"token": TOKEN}))
        engine = Engine(
            routes={route.name: route for route in (ROUTE, STRICT)},
            ledger=ledger,
            github=GitHub(GitHubSettings(simulator.url, NEW), self.pool),
            credentials=Credentials(
                Secret(clients.client("secretsmanager"), "github", clock, stages=("AWSCURRENT",))
            ),
            max_age_seconds=86_400,
            clock=clock,
            jitter=lambda: 1.0,
        )
        queues = Queues(clients.client("sqs"), QUEUE, DEAD_LETTERS)
        self.batch = Batch(engine, queues, self.log, clock)

    def log(self, message: str, **fields: Any) -> None:
        """Keep a line."""
        self.lines.append({"message": message, **fields})

    def run(self, *records: dict[str, Any], remaining: Any = 600_000) -> list[str]:
        """Run a batch, and name the messages that stay on the queue."""
        context = lambda_context()
        given = iter(remaining) if isinstance(remaining, list) else None
        context.get_remaining_time_in_millis = lambda: next(given) if given else remaining
        answer = self.batch.run({"Records": list(records)}, context)
        assert answer.keys() == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    @property
    def hidden(self) -> list[tuple[str, int]]:
        """Which messages were hidden for how long, in order."""
        calls = self.aws.parameters("ChangeMessageVisibility")
        return [(each["ReceiptHandle"], each["VisibilityTimeout"]) for each in calls]

    @property
    def versions(self) -> list[str]:
        """The versions for which runs were started, in order."""
        return [run.inputs["model_version"] for run in reversed(self.simulator.runs())]


@pytest.fixture
def bench(aws: Aws, clock: Clock, simulator: Simulator, ledger: Ledger) -> Iterator[Bench]:
    """A bench whose connections end with the test."""
    made = Bench(aws, clock, simulator, ledger)
    yield made
    made.pool.clear()


def versions(*numbers: int, model: str = "churn") -> list[dict[str, Any]]:
    """Give messages of one model, in the order of its versions."""
    return [record(delivery(model_name=model, version=str(number)), number) for number in numbers]


def test_good_batch_leaves_nothing(bench: Bench) -> None:
    """Dispatched messages are deleted by SQS: none is named, none hidden, and order is kept."""
    assert bench.run(*versions(1, 2, 3)) == []
    assert bench.versions == ["1", "2", "3"]
    assert bench.hidden == []


def test_group_waits_for_its_first_message(bench: Bench) -> None:
    """The rest of a group is not tried after one that waits, and comes back right behind it."""
    bench.simulator.inject(PRESETS["rate-limit"])
    assert bench.run(*versions(1, 2, 3)) == ["m-1", "m-2", "m-3"]
    assert len(bench.simulator.seen) == 1
    assert bench.hidden == [("r-1", 60), ("r-2", 0), ("r-3", 0)]


def test_other_groups_do_not_wait(bench: Bench) -> None:
    """Another model in the batch goes on, also between messages of the one that waits."""
    bench.simulator.inject(Fault(status=503, match='"churn"'))
    first, third = versions(1, 3)
    [second] = versions(2, model="fraud")
    assert bench.run(first, second, third) == ["m-1", "m-3"]
    assert bench.versions == ["2"]
    assert bench.hidden == [("r-1", 2), ("r-3", 0)]


def test_messages_before_the_one_that_waits_are_done(bench: Bench) -> None:
    """What was dispatched stays dispatched."""
    bench.simulator.inject(Fault(status=503, match='"2"'))
    assert bench.run(*versions(1, 2, 3)) == ["m-2", "m-3"]
    assert bench.versions == ["1"]


def test_dead_letter_frees_its_group(bench: Bench) -> None:
    """A message that no wait will mend is buried, and those behind it are tried."""
    bench.simulator.inject(PRESETS["unprocessable"])
    assert bench.run(*versions(1, 2)) == []
    assert bench.versions == ["2"]
    [letter] = bench.aws.parameters("SendMessage")
    buried = versions(1)[0]
    assert (letter["QueueUrl"], letter["MessageBody"]) == (DEAD_LETTERS, buried["body"])
    assert letter["MessageGroupId"] == buried["attributes"]["MessageGroupId"]
    assert letter["MessageDeduplicationId"] == "m-1"
    told = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert told == {
        "reason": "github-refused",
        "detail": 'Unexpected inputs provided: ["model"]',
        "status": "422",
        "github_request_id": bench.simulator.requests()[-1].request_id,
    }


def test_message_without_a_group_is_buried_all_the_same(bench: Bench) -> None:
    """Something that is no delivery, and came in no group, still ends where a person looks."""
    assert bench.run(record("not a delivery")) == []
    [letter] = bench.aws.parameters("SendMessage")
    assert letter["MessageGroupId"] == "unknown"
    assert letter["MessageBody"] == "not a delivery"


def test_little_time_left_starts_no_attempt(bench: Bench) -> None:
    """An attempt that could be cut off is not begun; the messages are let go of at once."""
    assert bench.run(*versions(1, 2), remaining=ATTEMPT_MILLISECONDS - 1) == ["m-1", "m-2"]
    assert bench.simulator.seen == []
    assert bench.hidden == [("r-1", 0), ("r-2", 0)]
    assert bench.lines == []


def test_time_is_looked_at_before_each_attempt(bench: Bench) -> None:
    """What there is time for is done, and only the rest comes back."""
    others = versions(2, model="fraud") + versions(3, model="cost")
    remaining = [ATTEMPT_MILLISECONDS, ATTEMPT_MILLISECONDS - 1, ATTEMPT_MILLISECONDS - 1]
    assert bench.run(*versions(1), *others, remaining=remaining) == ["m-2", "m-3"]
    assert bench.versions == ["1"]
    assert bench.hidden == [("r-2", 0), ("r-3", 0)]


def test_very_long_wait_is_capped(bench: Bench) -> None:
    """A day's pause is waited out in pieces, since SQS hides for 12 hours at most."""
    bench.simulator.inject(refusal(429, retry_after="86400"))
    assert bench.run(*versions(1)) == ["m-1"]
    assert bench.hidden == [("r-1", MAX_HIDE_SECONDS)]
    assert MAX_HIDE_SECONDS < 12 * 3600


def test_receives_make_patience_grow(bench: Bench) -> None:
    """SQS counts how often a message came, and the wait follows."""
    bench.simulator.inject(PRESETS["outage"])
    bench.run(record(delivery(), receives=5))
    assert bench.hidden == [("r-1", 32)]
    assert bench.lines[0]["receives"] == 5


def test_message_that_cannot_be_hidden_stays(bench: Bench) -> None:
    """When SQS fails to hide it, a message comes back by itself, and the rest of its group behind it."""
    bench.simulator.inject(PRESETS["outage"])
    bench.aws.fail("ChangeMessageVisibility", times=1)
    assert bench.run(*versions(1, 2)) == ["m-1", "m-2"]
    [line] = bench.lines
    assert (line["outcome"], line["error"], line["message_id"]) == ("Failed", "ClientError", "m-1")
    assert bench.hidden[1:] == [("r-2", 0)]


def test_message_that_cannot_be_buried_stays(bench: Bench) -> None:
    """Nothing is deleted before it lies among the dead letters, and nothing overtakes it."""
    bench.simulator.inject(PRESETS["unprocessable"])
    bench.aws.fail("SendMessage", times=1)
    assert bench.run(*versions(1, 2)) == ["m-1", "m-2"]
    assert bench.versions == []
    [line] = bench.lines
    assert (line["outcome"], line["error"], line["reason"]) == ("Failed", "ClientError", "github-refused")
    assert bench.run(*versions(1)) == []


def test_failed_put_back_is_no_failure_of_the_batch(bench: Bench) -> None:
    """A message that can't be let go of comes back later by itself; the others are let go of."""
    bench.simulator.inject(PRESETS["outage"])
    bench.aws.fail("ChangeMessageVisibility", after=1, times=1)
    assert bench.run(*versions(1, 2, 3)) == ["m-1", "m-2", "m-3"]
    assert bench.hidden == [("r-1", 2), ("r-2", 0), ("r-3", 0)]
    assert bench.lines[1:] == [{"message": "put-back-failed", "error": "ClientError"}]


def test_failure_that_nobody_expected_keeps_the_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of our own is told with its type, not its text, and the other groups go on."""
    request = bench.pool.request

    def break_once(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(bench.pool, "request", request)
        raise RuntimeError(CANARY)

    monkeypatch.setattr(bench.pool, "request", break_once)
    assert bench.run(*versions(1), *versions(2, model="fraud")) == ["m-1"]
    assert bench.versions == ["2"]
    line = bench.lines[0]
    assert (line["outcome"], line["error"], line["message_id"]) == ("Failed", "RuntimeError", "m-1")
    assert CANARY not in str(line)


def test_line_of_a_success(bench: Bench) -> None:
    """One line tells which delivery became which run, and how long it took."""
    sent = delivery()
    bench.run(record(sent, receives=3))
    run = bench.simulator.run
    assert bench.lines == [
        {
            "message": "attempt",
            "receives": 3,
            "milliseconds": 0,
            "age_seconds": 0,
            "message_id": "m-1",
            "outcome": "Dispatched",
            "status": 200,
            "github_request_id": bench.simulator.requests()[0].request_id,
            "delivery": sent.id,
            "route": "default",
            "kind": "model_version.stage_transitioned",
            "model": "churn",
            "version": "8",
            "run_id": run.id,
            "run_url": run.html_url,
        }
    ]


def test_line_of_a_duplicate(bench: Bench) -> None:
    """A duplicate is done with, and its line names the run that there is."""
    bench.run(*versions(1))
    assert bench.run(*versions(1)) == []
    told = {"outcome": "Duplicate", "state": "dispatched", "run_id": bench.simulator.run.id}
    assert told.items() <= bench.lines[1].items()


def test_line_of_a_superseded_delivery(bench: Bench) -> None:
    """A replay that came too late is done with, and its line says what was dispatched in its place."""
    bench.run(record(delivery(version="9", occurred_at="2026-01-02T00:00:00.000Z")))
    late = delivery(version="8", occurred_at="2026-01-01T00:00:00.000Z", accepted_at=0)
    assert bench.run(record(late)) == []
    assert bench.lines[1]["outcome"] == "Superseded"
    assert "2026-01-02" in bench.lines[1]["detail"]


def test_line_of_a_redirect(bench: Bench) -> None:
    """A renamed repository shows in the line, so that somebody mends the configuration."""
    bench.simulator.inject(PRESETS["redirect"])
    bench.run(*versions(1))
    assert bench.lines[0].items() >= {"outcome": "Dispatched", "redirected": True}.items()


def test_line_of_a_wait(bench: Bench) -> None:
    """The line of a wait has the reason, GitHub's words and the seconds."""
    bench.simulator.inject(PRESETS["secondary"])
    bench.run(*versions(1))
    told = {"outcome": "Wait", "reason": "rate-limited", "wait_seconds": 60.0, "status": 429}
    assert told.items() <= bench.lines[0].items()
    assert bench.lines[0]["detail"].startswith("You have exceeded a secondary rate limit.")


def test_line_of_a_dead_letter(bench: Bench) -> None:
    """The line of a dead letter has the reason, and no field that has no value."""
    bench.run(record("{", receives=2))
    assert bench.lines == [
        {
            "message": "attempt",
            "receives": 2,
            "milliseconds": 0,
            "age_seconds": 0,
            "message_id": "m-1",
            "outcome": "DeadLetter",
            "reason": "malformed",
            "detail": "The message was refused: it is not a delivery (JSONDecodeError).",
        }
    ]


@pytest.mark.parametrize("failing", ["", "SendMessage", "ChangeMessageVisibility"])
@pytest.mark.parametrize("fault", ["outage", "unprocessable", "bad-credentials", "garbage"])
def test_log_gives_nothing_away(
    bench: Bench, capsys: pytest.CaptureFixture[str], failing: str, fault: str
) -> None:
    """No line holds the token, a tag or the fact's digest, whatever fails."""
    bench.aws.fail(failing)
    bench.simulator.inject(replace(PRESETS[fault], times=0))
    sent = delivery(tags={"note": CANARY})
    bench.run(record(sent), record(f'{{"{CANARY}": 1}}', 2), record(CANARY, 3))
    printed = capsys.readouterr()
    shown = json.dumps(bench.lines) + printed.out + printed.err
    assert len(bench.lines) >= 3
    assert not [each for each in (CANARY, TOKEN, sent.event.fact) if each in shown]
