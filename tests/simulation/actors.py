"""The people around the relay: senders of webhooks, and the operator who mends what is broken."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.core.delivery import Delivery, MalformedMessage
from functions.ingest.http import Request
from modelrelay.local.github import Workflow
from tests.simulation.functions import Function
from tests.simulation.github import SimulatedGitHub
from tests.simulation.history import REPLAY, History
from tests.simulation.plan import GENERIC, START, Act, Phase, Plan
from tests.simulation.scheduler import Scheduler
from tests.simulation.secretsmanager import SecretsClient
from tests.simulation.sqs import Message, SQSClient
from tests.simulation.story import Story
from tests.simulation.wiring import DEAD_LETTERS, GITHUB_SECRET, QUEUE, WEBHOOK_SECRET

BYSTANDER: Final = "hubot"
_SHARED: Final = "a secret that the sender knows too"
_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the actors act."""

    plan: Plan
    scheduler: Scheduler
    story: Story
    history: History


class Bystanders:
    """Start runs by hand, of workflows in which they can be told from ours by their titles."""

    def __init__(self, stage: Stage, github: SimulatedGitHub) -> None:
        self._stage = stage
        self._github = github
        self._random = Random(f"{stage.plan.seed}/bystanders")

    def begin(self) -> None:
        """Plan when they do."""
        cooperative = [each for each in self._github.workflows if "${{ inputs." in each.run_name]
        for _ in range(self._random.choice([0, 0, 3, 10])):
            at = START + self._random.random() * self._stage.plan.horizon
            if cooperative:
                self._stage.scheduler.at(at, self._start(self._random.choice(cooperative)))

    def _start(self, workflow: Workflow) -> Callable[[], None]:
        def start() -> None:
            run = self._github.start(workflow, BYSTANDER, inputs={"model_name": self._stage.plan.models[0]})
            self._stage.story.tell(BYSTANDER, f"starts run {run.id} of {workflow.name} by hand")

        return start


class Senders:
    """Send webhooks: true ones, some of them again after a 5xx, and some that nobody should take."""

    def __init__(self, stage: Stage, ingest: Function, secrets: SecretsClient) -> None:
        self._stage = stage
        self._ingest = ingest
        self._random = Random(f"{stage.plan.seed}/senders")
        secrets.keep(WEBHOOK_SECRET, _SHARED)

    def begin(self) -> None:
        """Plan everything that they are going to send."""
        for act in self._stage.plan.acts:
            for delay, name in act.sends:
                webhook = _signed(_payload(act, name))
                self._send_at(act.at + delay, webhook, f"{name} {act.model} v{act.version}", tries=_TRIES)
        for title, request, status in _BAD:
            if self._random.random() < 0.2:
                at = self._random.random() * self._stage.plan.horizon
                self._send_at(at, request, title, expected=status)

    def _send_at(
        self, at: float, request: Request, title: str, *, tries: int = 1, expected: int = 202
    ) -> None:
        self._stage.scheduler.at(START + at, lambda: self._send(request, title, tries, expected))

    def _send(self, request: Request, title: str, tries: int, expected: int) -> None:
        def answered(response: Any) -> None:
            status = int(response.status) if response else 500
            content: Mapping[str, Any] = response.content if response else {}
            ids = [str(each["id"]) for each in content.get("deliveries", ())]
            self._stage.history.answered(status, content)
            self._stage.story.topic(task.name, *(ids or ["nothing"]))
            self._stage.story.tell(task.name, f"answered {status} {json.dumps(content)}")
            if status >= 500:
                self._send_again(request, title, tries, expected)
            elif status != expected:
                self._stage.history.defect(f"{title} was answered {status} and not {expected}")

        task = self._ingest.invoke(request, answered)
        self._stage.story.tell(task.name, f"is given {title}")

    def _send_again(self, request: Request, title: str, tries: int, expected: int) -> None:
        """Send once more what was answered with a 5xx; not every sender does."""
        if tries > 1 and self._random.random() < 0.9:
            at = self._stage.scheduler.now - START + self._random.uniform(30, 90)
            self._send_at(at, request, title, tries=tries - 1, expected=expected)


class Operator:
    """Looks at the dead letters now and then, and sees to the GitHub secret."""

    def __init__(self, stage: Stage, sqs: SQSClient, secrets: SecretsClient, github: SimulatedGitHub) -> None:
        self._stage = stage
        self._sqs = sqs
        self._secrets = secrets
        self._github = github
        self._random = Random(f"{stage.plan.seed}/operator")
        self._replays = 0

    def begin(self) -> None:
        """Fill the secret, and plan the visits and what happens to the credential."""
        self.mend()
        for phase in self._stage.plan.phases:
            if phase.kind == "revoked":
                self._stage.scheduler.at(START + phase.starts, self._breaks(phase))
                self._stage.scheduler.at(START + phase.ends, self.mend)
        if self._random.random() < 0.1:
            at = self._random.random() * self._stage.plan.horizon
            self._stage.scheduler.spawn("operator#0", self._slip, delay=at)
        for number, visit in enumerate(self._stage.plan.visits, 1):
            self._stage.scheduler.spawn(f"operator#{number}", self._visit, delay=visit)

    def _breaks(self, phase: Phase) -> Callable[[], None]:
        """Give what goes wrong with the credential: it is revoked, or somebody spoils the secret."""
        spoilt = ("", "not JSON", '{"token": ""}', '{"token": "github_pat_of_nobody"}')[phase.style % 4]
        if not spoilt:
            return self._revoke
        return lambda: self._keep(spoilt, f"GitHub secret becomes {spoilt}")

    def _revoke(self) -> None:
        self._github.revoke()
        self._stage.story.tell("operator", "GitHub takes no credential any more")

    def mend(self) -> None:
        """Put a new credential into the secret."""
        self._keep(self._github.renew(), "GitHub secret becomes right")

    def _keep(self, value: str, what: str) -> None:
        self._secrets.keep(GITHUB_SECRET, value)
        self._stage.story.tell("operator", what)

    def _slip(self) -> None:
        """Put onto the queue what is no delivery."""
        with suppress(ClientError, BotoCoreError):
            self._sqs.send_message(
                QueueUrl=QUEUE, MessageBody="{}", MessageGroupId="x", MessageDeduplicationId="a slip"
            )

    def _visit(self) -> None:
        """Look at each letter: replay it, throw it away, or leave it."""
        for _ in range(5):
            try:
                answer = self._sqs.receive_message(QueueUrl=DEAD_LETTERS, MaxNumberOfMessages=10)
            except Exception:  # noqa: BLE001 - an operator comes back another day
                return
            if not answer["Messages"]:
                return
            for letter in answer["Messages"]:
                self._handle(letter)

    def _handle(self, letter: Message) -> None:
        choice = self._random.random()
        try:
            delivery = Delivery.from_message(letter.body)
        except MalformedMessage:
            choice, delivery = 1.0, None
        try:
            if delivery and choice < 0.7:
                self._stage.story.topic(self._stage.scheduler.current.name, delivery.id)  # type: ignore[union-attr]  # it is a task
                self._replay(letter, delivery, forced=choice < 0.15)
            elif choice > 0.8:
                self._sqs.delete_message(QueueUrl=DEAD_LETTERS, ReceiptHandle=letter.handle)
        except Exception:  # noqa: BLE001 - an operator comes back another day
            return

    def _replay(self, letter: Message, delivery: Delivery, *, forced: bool) -> None:
        self._replays += 1
        self._sqs.send_message(
            QueueUrl=QUEUE,
            MessageBody=letter.body,
            MessageGroupId=delivery.group,
            MessageDeduplicationId=f"{REPLAY}{self._replays}",
            MessageAttributes={"force": {"DataType": "String", "StringValue": "true"}} if forced else {},
        )
        self._sqs.delete_message(QueueUrl=DEAD_LETTERS, ReceiptHandle=letter.handle)


def _payload(act: Act, name: str) -> dict[str, Any]:
    return {
        "event": name,
        "webhook_id": hashlib.sha256(name.encode()).hexdigest()[:32],
        "event_timestamp": act.timestamp,
        "model_name": act.model,
        "version": str(act.version),
        "from_stage": act.from_stage,
        "to_stage": act.to_stage,
        "text": f"somebody transitioned {act.model} from {act.from_stage} to {act.to_stage}",
    }


def _signed(payload: Any, secret: str = _SHARED) -> Request:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Request("POST", "/databricks", {"x-databricks-signature": signature}, body, "192.0.2.7")


_ACT: Final = Act(0, "model-z", 1, "None", "Staging", 0.0, ())
_TRUE: Final = _payload(_ACT, GENERIC)
_BAD: Final = (
    ("an unsigned webhook", Request("POST", "/databricks", {}, json.dumps(_TRUE).encode(), "192.0.2.9"), 401),
    ("a forged webhook", _signed(_TRUE, "a guess"), 401),
    ("a webhook that is no JSON", _signed(b"garbage"), 400),
    ("a webhook without a model", _signed({**_TRUE, "model_name": None}), 400),
    ("a test delivery", _signed({**_TRUE, "model_name": ""}), 200),
    ("an event that no route wants", _signed({**_TRUE, "event": "MODEL_VERSION_TAG_SET"}), 200),
    ("a webhook for nobody", Request("POST", "/elsewhere", {}, b"{}", "192.0.2.9"), 404),
)
