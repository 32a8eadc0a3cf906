"""The CloudWatch dashboard: is it well, and if not, where is it stuck."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.queues import Queues


def dashboard(
    scope: Construct,
    *,
    ingest: lambda_.Function,
    dispatch: lambda_.Function,
    queues: Queues,
    alarms: Iterable[cloudwatch.IAlarm],
) -> cloudwatch.Dashboard:
    """Make the dashboard, from the alarms on top along the way of an event."""
    board = cloudwatch.Dashboard(scope, "Dashboard")
    board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24))
    waiting = queues.deliveries.metric_approximate_number_of_messages_visible(label="waiting")
    hidden = queues.deliveries.metric_approximate_number_of_messages_not_visible(label="in flight or put off")
    letters = queues.dead_letters.metric_approximate_number_of_messages_visible(label="dead letters")
    board.add_widgets(
        _graph("Ingest", ingest.metric_invocations(), ingest.metric_errors(), ingest.metric_throttles()),
        _graph("Queue", waiting, hidden, letters),
        _graph(
            "Dispatch", dispatch.metric_invocations(), dispatch.metric_errors(), dispatch.metric_throttles()
        ),
    )
    return board


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)
