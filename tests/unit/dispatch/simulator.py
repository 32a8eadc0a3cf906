"""The simulated GitHub with a memory for headers, and the messages that lead to it."""

import json
from collections.abc import Callable
from typing import Any

from functions.core.delivery import Delivery
from modelrelay.local.github import (
    App,
    Fault,
    GitHub,
    GitHubServer,
    Outcome,
    Request,
    Run,
    Settings,
    Workflow,
)

from ..samples import NOW

TOKEN = "github_pat_made_up_for_tests"
OLD, NEW = "2022-11-28", "2026-03-10"
DISPATCHES = "/repos/acme/models/actions/workflows/deploy.yml/dispatches"
RUNS = "/repos/acme/models/actions/workflows/deploy.yml/runs"
WORKFLOWS = (
    Workflow("acme", "models", 7, "deploy.yml", "Deploy"),
    Workflow("acme", "models", 8, "strict.yml", "Strict", inputs=("model_name",)),
    Workflow("acme", "models", 9, "paused.yml", "Paused", state="disabled_manually"),
    Workflow("acme", "others", 10, "deploy.yml", "Deploy others"),
    Workflow(
        "acme",
        "models",
        11,
        "on-promoted.yml",
        "Promote",
        has_dispatch_trigger=False,
        event_types=("promoted",),
        run_name="${{ github.event.client_payload.delivery_id }}",
    ),
)


class Simulator(GitHubServer):
    """Keeps every request of the API as it came in."""

    def __init__(self, clock: Callable[[], float], settings: Settings, app: App | None = None) -> None:
        self.seen: list[Request] = []
        super().__init__(GitHub(WORKFLOWS, tokens=[TOKEN], clock=clock, settings=settings, app=app))

    def respond(self, request: Request) -> Outcome:
        """Keep the request, and answer it."""
        self.seen.append(request)
        return super().respond(request)

    @property
    def run(self) -> Run:
        """The one run that was started."""
        [run] = self.runs()
        return run


def refusal(status: int, message: str = "", /, **headers: str) -> Fault:
    """Give a fault that answers like GitHub; headers are given with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status=status, body=json.dumps({"message": message}), headers=named)


def record(
    body: str | Delivery,
    number: int = 1,
    *,
    receives: int = 1,
    group: str | None = None,
    sent_at: float = NOW,
) -> dict[str, Any]:
    """Write a message as SQS hands it to the function."""
    attributes = {"ApproximateReceiveCount": str(receives), "SentTimestamp": str(int(sent_at * 1000))}
    if isinstance(body, Delivery):
        group, body = group or body.group, body.to_message()
    if group:
        attributes["MessageGroupId"] = group
    return {
        "messageId": f"m-{number}",
        "receiptHandle": f"r-{number}",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:deliveries.fifo",
    }
