"""Dispatch with everything around it: the simulated GitHub, a real table, and a clock that sleeping moves.

What a test wants to happen at the moment of a call, it hangs on the call's name: `put claimed` for the claim
in DynamoDB, `POST dispatches` for GitHub (`Hooks`).
"""

import itertools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import urllib3
from botocore.exceptions import EndpointConnectionError

from functions.core import aws as clients
from functions.core.delivery import Delivery
from functions.core.ledger import Entry, Ledger
from functions.core.metrics import DISPATCH, Meter
from functions.core.secrets import Secret
from functions.core.settings import GitHubSettings
from functions.dispatch.batch import Batch
from functions.dispatch.books import Books
from functions.dispatch.calls import Calls
from functions.dispatch.credentials import Credentials
from functions.dispatch.engine import Attempt, Engine, Message
from functions.dispatch.gate import Gate
from functions.dispatch.gate_state import GateState
from functions.dispatch.github import GitHub
from functions.dispatch.outcome import DeadLetter, Outcome, Wait
from functions.dispatch.pacing import Pace
from functions.dispatch.settlement import Queues
from functions.dispatch.transport import Transport
from functions.dispatch.trouble import Trouble

from ..aws import Aws
from ..samples import NOW, ROUTE, Clock, delivery
from .simulator import NEW, TOKEN, Simulator

SECRET = "github"
QUEUE, DEAD_LETTERS = "http://127.0.0.1/queue", "http://127.0.0.1/dead"
NAMESPACE = "ModelRelay"
HOUR = 3600.0
_ROUNDS = 30


def fails() -> None:
    """Fail as a client of AWS's does that gets no answer."""
    raise EndpointConnectionError(endpoint_url="http://dynamodb")


def summary(outcomes: list[Outcome]) -> list[Any]:
    """Tell outcomes as the seconds of a wait, the reason of a dead letter, or the type."""
    told = {Wait: "seconds", DeadLetter: "reason"}
    return [getattr(each, told.get(type(each), ""), type(each)) for each in outcomes]


class Hooks:
    """Keeps the names of calls, and does at the next ones of a name what a test has hung on it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._hung: dict[tuple[str, bool], list[Callable[[], Any]]] = {}

    def hang(self, call: str, do: Callable[[], Any], *, after: bool = False, times: int = 1) -> None:
        """Do something right before (or after) so many calls."""
        self._hung.setdefault((call, after), []).extend([do] * times)

    def around(self, call: str, real: Callable[[], Any]) -> Any:
        """Make a call, with what hangs on it."""
        self.calls.append(call)
        self._do(call, after=False)
        result = real()
        self._do(call, after=True)
        return result

    def _do(self, call: str, *, after: bool) -> None:
        hung = self._hung.get((call, after))
        if hung:
            hung.pop(0)()


class DynamoDb:
    """A client of DynamoDB whose calls are named `put claimed`, `get gate`, `query dispatched`."""

    def __init__(self, client: Any, hooks: Hooks) -> None:
        self._client, self._hooks = client, hooks

    def __getattr__(self, operation: str) -> Any:
        """Give an operation, or what else a client has."""
        real = getattr(self._client, operation)
        if operation == "exceptions":
            return real
        return lambda **told: self._hooks.around(_name(operation, told), lambda: real(**told))


def _name(operation: str, told: Mapping[str, Any]) -> str:
    match operation:
        case "query":
            return f"query {told['ExpressionAttributeValues'][':key']['S']}"
        case "transact_write_items":
            return f"transact {told['TransactItems'][0]['Put']['Item']['state']['S']}"
    item = told.get("Item") or told["Key"]
    kind, hash_, _ = item["id"]["S"].partition("#")
    return f"{operation.partition('_')[0]} {kind if hash_ else item.get('state', {}).get('S', 'delivery')}"


class Pool(urllib3.PoolManager):
    """Connections to GitHub, whose calls are named `POST dispatches`, `GET runs`, `POST access_tokens`."""

    def __init__(self, hooks: Hooks) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._hooks = hooks

    def request(self, method: str, url: str, **told: Any) -> Any:  # type: ignore[override]  # only what is used
        """Send a request, and note the seconds that it may take."""
        self.seconds.append(told["timeout"].total)
        name = f"{method} {url.partition('?')[0].rpartition('/')[2]}"
        return self._hooks.around(name, lambda: super(Pool, self).request(method, url, **told))


class Bench:
    """What a test of dispatch needs; its settings may be changed before an engine is built."""

    def __init__(self, aws: Aws, clock: Clock, simulator: Simulator, dynamodb: Any, table: str) -> None:
        self.aws, self.clock, self.simulator = aws, clock, simulator
        self.ledger = Ledger(dynamodb, table)
        self.hooks = Hooks()
        self.pool = Pool(self.hooks)
        self.routes, self.pace = [ROUTE], Pace(60, 500)
        self.url, self.version = simulator.url, NEW
        self.jitter, self.seconds = 1.0, 600.0
        self.lines: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self._dynamodb, self._table = dynamodb, table
        self._numbers = itertools.count(1)
        self.fill({"token": TOKEN})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.clear()

    def fill(self, content: Mapping[str, Any] | str) -> None:
        """Put something into the secret."""
        self.aws.keep_secret(SECRET, content if isinstance(content, str) else json.dumps(content))

    def hang(self, call: str, do: Callable[[], Any], *, after: bool = False, times: int = 1) -> None:
        """Do something right before (or after) so many calls."""
        self.hooks.hang(call, do, after=after, times=times)

    def takes(self, seconds: float) -> Callable[[], None]:
        """Give something that takes a while."""

        def pass_time() -> None:
            self.clock.now += seconds

        return pass_time

    def use(self, simulator: Simulator, prefix: str = "") -> None:
        """Call another GitHub."""
        self.simulator, self.url = simulator, simulator.url + prefix

    def books(self) -> Books:
        """Build what keeps the ledger."""
        return Books(self.hooked_ledger(), self.clock, self.clock.sleep)

    def engine(self) -> Engine:
        """Build an engine, as another sandbox would."""
        ledger = self.hooked_ledger()
        secret = Secret(clients.client("secretsmanager"), SECRET, self.clock, stages=("AWSCURRENT",))
        github = GitHub(GitHubSettings(self.url, self.version), Transport(self.pool, self.clock))
        credentials = Credentials(secret, github, self.clock)
        gate = self._gate(DynamoDb(self._dynamodb, self.hooks), ledger)
        books = Books(ledger, self.clock, self.clock.sleep)
        trouble = Trouble(
            gate=gate,
            credentials=credentials,
            books=books,
            clock=self.clock,
            sleep=self.clock.sleep,
            jitter=lambda: self.jitter,
        )
        routes = {route.name: route for route in self.routes}
        calls = Calls(
            routes=routes,
            ledger=ledger,
            books=books,
            gate=gate,
            github=github,
            credentials=credentials,
            trouble=trouble,
            clock=self.clock,
            sandbox=f"sandbox-{next(self._numbers)}",
        )
        return Engine(
            routes=routes,
            ledger=ledger,
            calls=calls,
            max_age_seconds=24 * HOUR,
            clock=self.clock,
            holder=lambda: f"attempt-{next(self._numbers)}",
        )

    def attempt(
        self,
        sent: Delivery | str | None = None,
        *,
        sent_at: float = NOW,
        force: bool = False,
        engine: Engine | None = None,
    ) -> Attempt:
        """Attempt a delivery, with a new engine unless one is given."""
        sent = delivery() if sent is None else sent
        message = Message(sent.to_message() if isinstance(sent, Delivery) else sent, sent_at, force)
        ends_at = self.clock.now + self.seconds
        return (engine or self.engine()).attempt(message, lambda: ends_at - self.clock.now)

    def wait(self, reason: str, sent: Delivery | str | None = None, **how: Any) -> Wait:
        """Attempt a delivery that must wait for a reason."""
        outcome = self.attempt(sent, **how).outcome
        assert isinstance(outcome, Wait), outcome
        assert outcome.reason == reason
        return outcome

    def letter(self, reason: str, sent: Delivery | str | None = None, **how: Any) -> DeadLetter:
        """Attempt a delivery that must be dead-lettered for a reason."""
        outcome = self.attempt(sent, **how).outcome
        assert isinstance(outcome, DeadLetter), outcome
        assert outcome.reason == reason
        return outcome

    def deliver(self, sent: Delivery | None = None, **how: Any) -> list[Outcome]:
        """Attempt a delivery until it need not wait any more, each time after the wait; give the outcomes."""
        outcomes: list[Outcome] = []
        for _ in range(_ROUNDS):
            outcomes.append(self.attempt(sent, **how).outcome)
            match outcomes[-1]:
                case Wait(seconds=seconds):
                    self.clock.now += math.ceil(seconds)
                case _:
                    return outcomes
        raise AssertionError(outcomes)

    def entry(self, sent: Delivery | None = None) -> Entry:
        """Give what the ledger says of a delivery."""
        return self.ledger.get((sent or delivery()).id)

    def gate(self) -> GateState:
        """Give the state of the gate."""
        return self._gate(self._dynamodb, self.ledger).read()

    @property
    def posts(self) -> int:
        """How many dispatches were sent to GitHub."""
        return self.hooks.calls.count("POST dispatches")

    @property
    def looks(self) -> int:
        """How often GitHub was asked for its listing of runs."""
        return self.hooks.calls.count("GET runs")

    def by_hand(self, login: str = "mona", **wanted: Any) -> None:
        """Start a run as another person does."""
        super(Pool, self.pool).request(
            "POST", f"{self.simulator.url}/_simulator/runs", json={"login": login, **wanted}
        )

    def run(self, *records: dict[str, Any], engine: Engine | None = None) -> list[str]:
        """Run a batch as Lambda does, and name the messages that stay on the queue."""
        queues = Queues(clients.client("sqs"), QUEUE, DEAD_LETTERS)
        meter = Meter(DISPATCH, NAMESPACE, lambda line: self.metrics.append(json.loads(line)), self.clock)
        batch = Batch(engine or self.engine(), queues, self._log, meter, self.clock)
        answer = batch.run({"Records": list(records)}, _Context(self.clock, self.seconds))  # type: ignore[arg-type]
        assert answer.keys() == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def _log(self, message: str, **fields: Any) -> None:
        self.lines.append({"message": message, **fields})

    def hooked_ledger(self) -> Ledger:
        """Build the ledger, with what hangs on its calls."""
        return Ledger(DynamoDb(self._dynamodb, self.hooks), self._table)  # type: ignore[arg-type]  # as far as used

    def _gate(self, dynamodb: Any, ledger: Ledger) -> Gate:
        return Gate(
            dynamodb,
            self._table,
            SECRET,
            ledger=ledger,
            pace=self.pace,
            clock=self.clock,
            sleep=self.clock.sleep,
        )


class _Context:
    """What Lambda tells of an invocation, as far as a batch asks."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._ends_at = clock, clock.now + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Give the milliseconds that are left."""
        return int((self._ends_at - self._clock.now) * 1000)
