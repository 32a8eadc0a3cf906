"""Sends the sample webhook through a local run and shows what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from modelrelay import send
from modelrelay.errors import CommandError
from modelrelay.local.emulator import Emulator
from modelrelay.local.progress import Progress
from modelrelay.local.target import GitHubTarget

_SECONDS: Final = 60.0


def show_sample(
    ingest_url: str, secret: str, target: GitHubTarget, emulator: Emulator, progress: Progress
) -> None:
    """Send the sample and wait until dispatch has told what became of it.

    Raises:
        CommandError: Ingest refused it, or nothing is known of it after a minute.
    """
    body = send.sample()
    with progress.step("Sending the sample webhook", "The sample webhook was accepted"):
        reply = send.post(f"{ingest_url}/databricks", body, send.signature_headers(secret, body))
        if reply.status != 202:  # noqa: PLR2004 - the HTTP status
            raise CommandError(f"Ingest did not accept the sample: {reply.status} {reply.content}")
    delivery = reply.content["deliveries"][0]["id"]
    with progress.step("Waiting for dispatch", "Dispatch has tried it"):
        attempt = _attempt(emulator, delivery)
    story = _story(attempt)
    progress.console.print(f"\n  Delivery {delivery}: {story}", highlight=False, markup=False, soft_wrap=True)
    if target.simulator:
        _show_request(target, progress)


def _attempt(emulator: Emulator, delivery: str) -> Mapping[str, Any]:
    """Wait for dispatch's log line about a delivery."""
    logs = emulator.client("logs")
    group = next(
        group["logGroupName"]
        for group in logs.describe_log_groups()["logGroups"]
        if "DispatchLog" in group["logGroupName"]
    )
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for event in logs.filter_log_events(logGroupName=group)["events"]:
            line = _json(event["message"])
            if line.get("delivery") == delivery:
                return line
        time.sleep(0.2)
    raise CommandError(f"Dispatch said nothing of delivery {delivery} within {_SECONDS:.0f} s.")


def _json(message: str) -> Mapping[str, Any]:
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _story(attempt: Mapping[str, Any]) -> str:
    if attempt["outcome"] == "Dispatched":
        return f"GitHub started run {attempt.get('run_id', '')} {attempt.get('run_url', '')}".rstrip()
    told = f"{attempt.get('reason')} (status {attempt.get('status', 'none')}) {attempt.get('detail', '')}"
    if attempt["outcome"] == "Wait":
        return f"not dispatched yet, next try in {attempt['wait_seconds']:.0f} s: {told}"
    return f"dead-lettered: {told}"


def _show_request(target: GitHubTarget, progress: Progress) -> None:
    assert target.simulator  # noqa: S101 - tells the type checker
    for run in target.simulator.runs()[:1]:
        console = progress.console
        console.print(f"  Run {run.id} of {run.workflow.file} on {run.ref}, asked for with", highlight=False)
        console.print(f"  {json.dumps(run.request)}", highlight=False, markup=False, soft_wrap=True)
