"""Saved queries of CloudWatch Logs Insights: the questions that people ask of the logs."""

from __future__ import annotations

from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from functions.core.metrics import DISPATCH, INGEST

_ATTEMPT: Final = "@timestamp, delivery, model, version, route, attempt, outcome, reason, status"

QUERIES: Final = {
    "What happened to a model": (
        DISPATCH,
        f"""fields {_ATTEMPT}, detail, run_url, wait_seconds
| filter message = "attempt" and model like /NAME/
| sort @timestamp desc
| limit 200""",
    ),
    "What happened to a delivery": (
        DISPATCH,
        f"""fields {_ATTEMPT}, detail, run_url, wait_seconds, gate, look_up, github_request_id
| filter delivery = "ID"
| sort @timestamp asc""",
    ),
    "What was dead-lettered": (
        DISPATCH,
        f"""fields {_ATTEMPT}, detail, github_request_id
| filter outcome = "DeadLetter"
| sort @timestamp desc""",
    ),
    "Why deliveries wait": (
        DISPATCH,
        """filter outcome = "Wait"
| stats count(*) as waits, max(age_seconds) as oldest, max(wait_seconds) as longest by reason, gate
| sort waits desc""",
    ),
    "How GitHub answers": (
        DISPATCH,
        """filter ispresent(github_milliseconds)
| stats count(*) as calls, pct(github_milliseconds, 50) as p50, pct(github_milliseconds, 99) as p99,
    min(remaining) as quota by status, bin(5m)
| sort @timestamp desc""",
    ),
    "What webhooks were refused": (
        INGEST,
        """filter message = "request" and status >= 400
| stats count(*) as requests by path, status, reason
| sort requests desc""",
    ),
    "What webhooks started nothing": (
        INGEST,
        """fields @timestamp, path, kind, model, version, reason
| filter message = "request" and status = 200
| sort @timestamp desc""",
    ),
}
"""Each question, the function whose log answers it, and the query."""


def saved_queries(scope: Construct, *, log_groups: dict[str, logs.ILogGroup]) -> None:
    """Save the questions in a folder that is called like the stack.

    Args:
        scope: Where they belong.
        log_groups: Each function's.
    """
    for number, (question, (function, query)) in enumerate(QUERIES.items()):
        logs.CfnQueryDefinition(
            scope,
            f"Query{number}",
            name=f"{Stack.of(scope).stack_name}/{question}",
            log_group_names=[log_groups[function].log_group_name],
            query_string=query,
        )
