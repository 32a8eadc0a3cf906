"""The CloudWatch dashboard: is it well, and if not, where is it stuck.

The first rows are ours, because only we know what being well means here; the parts below are drawn by
cdk-monitoring-constructs, which knows what a function, a queue, an API and a table show.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import cast

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from cdk_monitoring_constructs import (
    DashboardRenderingPreference,
    DefaultDashboardFactory,
    MonitoringFacade,
)
from constructs import Construct

from functions.core.metrics import SERVICE, Metric
from infra.alarms import measured
from infra.queues import Queues


def dashboard(
    scope: Construct,
    *,
    api: apigateway.HttpApi,
    ingest: lambda_.Function,
    dispatch: lambda_.Function,
    queues: Queues,
    ledger: dynamodb.ITable,
    console: lambda_.Function,
    alarms: Iterable[cloudwatch.IAlarm],
) -> cloudwatch.Dashboard:
    """Make the dashboard, called like the stack: whether it is well, then the parts in an event's order."""
    factory = DefaultDashboardFactory(
        scope,
        "Dashboards",
        dashboard_name_prefix=Stack.of(scope).stack_name,
        create_summary_dashboard=False,
        create_alarm_dashboard=False,
        rendering_preference=DashboardRenderingPreference.INTERACTIVE_ONLY,
    )
    board = MonitoringFacade(scope, "Monitoring", dashboard_factory=factory)
    deliveries = cloudwatch.CustomWidget(
        title="Deliveries and dead letters", function_arn=console.function_arn, width=24, height=12
    )
    for row in (_well(scope), [_alarms(alarms)], [deliveries], _way(scope, queues), _pace(scope)):
        board.add_widget(cast("cloudwatch.IWidget", cloudwatch.Row(*row)))  # It is one; its types forget it.
    board.add_large_header("Ingest")
    board.monitor_api_gateway_v2_http_api(api=api)
    board.monitor_lambda_function(lambda_function=ingest, human_readable_name="Ingest")
    board.add_large_header("Queue and ledger")
    board.monitor_sqs_queue_with_dlq(queue=queues.deliveries, dead_letter_queue=queues.dead_letters)
    board.monitor_dynamo_table(table=ledger, billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST)
    board.add_large_header("Dispatch")
    board.monitor_lambda_function(lambda_function=dispatch, human_readable_name="Dispatch")
    made = board.created_dashboard()
    assert made  # noqa: S101 - the factory was told to make it
    return made


def _well(scope: Construct) -> list[cloudwatch.IWidget]:
    """Answer at a glance: how many, how fast, and whether GitHub lets us."""
    measure = partial(measured, scope)
    return [
        _numbers(
            "Deliveries",
            measure(Metric.QUEUED, label="queued"),
            measure(Metric.DISPATCHED, label="dispatched"),
            measure(Metric.DEAD_LETTERED, label="dead-lettered"),
            width=9,
        ),
        _numbers("From event to workflow, in seconds", *_percentiles(scope, Metric.END_TO_END), width=6),
        _numbers(
            "The gate",
            measure(Metric.DEFERRED, label="put off"),
            measure(Metric.CREDENTIAL_WAITS, label="for the credential"),
            measure(Metric.REMAINING_QUOTA, "Minimum", "calls left this hour"),
            width=9,
        ),
    ]


def _alarms(alarms: Iterable[cloudwatch.IAlarm]) -> cloudwatch.IWidget:
    return cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24)


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
            "Deliveries over time",
            measure(Metric.DISPATCHED, label="dispatched"),
            measure(Metric.DEFERRED, label="deferred"),
            measure(Metric.DEAD_LETTERED, label="dead-lettered"),
            measure(Metric.UNKNOWN, label="unknown at first"),
        ),
    ]


def _pace(scope: Construct) -> list[cloudwatch.IWidget]:
    """Graph what holds deliveries back, how long GitHub takes, and what it still lets us do."""
    quota = measured(scope, Metric.REMAINING_QUOTA, "Minimum", "calls left")
    return [
        _graph("What holds deliveries back", _by_reason(scope, Metric.DEFERRED)),
        _graph("GitHub's answers, in milliseconds", *_percentiles(scope, Metric.GITHUB_LATENCY)),
        _graph("GitHub's remaining quota", quota),
    ]


def _by_reason(scope: Construct, metric: Metric) -> cloudwatch.MathExpression:
    """Graph a metric reason by reason, whatever reasons there are."""
    names = f"{{{Stack.of(scope).stack_name},reason,{SERVICE}}}"
    search = f"""SEARCH('{names} MetricName="{metric.title}" {SERVICE}="{metric.service}"', 'Sum', 300)"""
    return cloudwatch.MathExpression(expression=search, label="", using_metrics={})


def _percentiles(scope: Construct, metric: Metric) -> list[cloudwatch.IMetric]:
    return [measured(scope, metric, statistic, statistic) for statistic in ("p50", "p99")]


def _numbers(title: str, *metrics: cloudwatch.IMetric, width: int) -> cloudwatch.SingleValueWidget:
    return cloudwatch.SingleValueWidget(
        title=title, metrics=list(metrics), width=width, height=4, set_period_to_time_range=True
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)
