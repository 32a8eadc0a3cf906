"""The log lines that dispatch's attempts have left."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from modelrelay.errors import CommandError
from modelrelay.operate.ages import iso
from modelrelay.operate.relay import Relay

MOST: Final = 20
_LOG: Final = "DispatchLog"
"""How the log group is called in the stack (`infra/function.py`)."""

_TOLD: Final = (
    "outcome",
    "reason",
    "status",
    "detail",
    "wait_seconds",
    "github_request_id",
    "gate",
    "look_up",
)
_PAGES: Final = 100
"""CloudWatch gives many empty pages where a log is long and has few lines that fit."""

_MARGIN_SECONDS: Final = 600.0


def of_delivery(relay: Relay, delivery: str, since: float, until: float) -> list[dict[str, Any]]:
    """Give the newest attempts at a delivery, oldest first.

    Args:
        relay: The pipeline.
        delivery: Its id.
        since: From when on to look, in epoch seconds.
        until: Up to when; some minutes are added, because a line is written after the ledger.

    Raises:
        CommandError: The log can't be read.
    """
    with relay.asked():
        lines = deque(_lines(relay, delivery, since, until), maxlen=MOST)
    return list(lines)


def _lines(relay: Relay, delivery: str, since: float, until: float) -> Iterator[dict[str, Any]]:
    page = {
        "logGroupName": _group(relay),
        "filterPattern": f'"{delivery}"',
        "startTime": int((since - _MARGIN_SECONDS) * 1000),
        "endTime": int((until + _MARGIN_SECONDS) * 1000),
    }
    for _ in range(_PAGES):
        answer = relay.client("logs").filter_log_events(**page)
        yield from filter(None, (_line(event, delivery) for event in answer["events"]))
        if "nextToken" not in answer:
            return
        page["nextToken"] = answer["nextToken"]


def _line(event: dict[str, Any], delivery: str) -> dict[str, Any] | None:
    try:
        content = json.loads(event["message"])
    except ValueError:
        return None  # Lambda's own lines, and those of a function that died.
    if not isinstance(content, dict) or content.get("delivery") != delivery:
        return None
    at = iso(event["timestamp"] / 1000)
    return {"at": at, **{name: content[name] for name in _TOLD if name in content}}


def _group(relay: Relay) -> str:
    pages = relay.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=relay.stack):
        for found in page["StackResourceSummaries"]:
            if found["LogicalResourceId"].startswith(_LOG):
                return str(found["PhysicalResourceId"])
    raise CommandError(f"The stack {relay.stack} has no log group of dispatch's.")
