"""The CloudWatch dashboard: is it well, and if not, where is it stuck."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from functions.core.metrics import Metric
from infra.alarms import measured
from infra.queues import Queues


def dashboard(
    scope: Construct,
    *,
    ingest: lambda_.Function,
    dispatch: lambda_.Function,
    queues: Queues,
    alarms: Iterable[cloudwatch.IAlarm],
) -> cloudwatch.Dashboard:
    """Make the dashboard: alarms, the way of an event, how long it takes, and the functions below."""
    board = cloudwatch.Dashboard(scope, "Dashboard")
    board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24))
    board.add_widgets(*_way(scope, queues))
    board.add_widgets(*_pace(scope))
    board.add_widgets(_health("Ingest", ingest), _health("Dispatch", dispatch))
    return board


def _way(scope: Construct, queues: Queues) -> list[cloudwatch.IWidget]:
    """Graph how many come in, lie on the queues, and go out."""
    measure = partial(measured, scope)
    waiting = queues.deliveries.metric_approximate_number_of_messages_visible(label="waiting")
    hidden = queues.deliveries.metric_approximate_number_of_messages_not_visible(label="in flight or put off")
    letters = queues.dead_letters.metric_approximate_number_of_messages_visible(label="dead letters")
    return [
        _graph(
            "Webhooks",
            measure(Metric.RECEIVED, label="received"),
            measure(Metric.QUEUED, label="queued deliveries"),
            measure(Metric.IGNORED, label="ignored"),
            measure(Metric.REJECTED, label="rejected"),
        ),
        _graph("Queues", waiting, hidden, letters),
        _graph(
            "Deliveries",
            measure(Metric.DISPATCHED, label="dispatched"),
            measure(Metric.DEFERRED, label="deferred"),
            measure(Metric.DEAD_LETTERED, label="dead-lettered"),
        ),
    ]


def _pace(scope: Construct) -> list[cloudwatch.IWidget]:
    """Graph how long a delivery takes, how long GitHub does, and what it still lets us do."""
    quota = measured(scope, Metric.REMAINING_QUOTA, "Minimum", "requests left")
    return [
        _graph("From event to dispatch, in seconds", *_percentiles(scope, Metric.END_TO_END)),
        _graph("GitHub's answers, in milliseconds", *_percentiles(scope, Metric.GITHUB_LATENCY)),
        _graph("GitHub's remaining quota", quota),
    ]


def _percentiles(scope: Construct, metric: Metric) -> list[cloudwatch.IMetric]:
    return [measured(scope, metric, statistic, statistic) for statistic in ("p50", "p95")]


def _health(name: str, function: lambda_.Function) -> cloudwatch.IWidget:
    return _graph(
        f"Function {name}",
        function.metric_invocations(),
        function.metric_errors(),
        function.metric_throttles(),
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)
