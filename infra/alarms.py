"""Alarms: each says what is wrong and where the runbook tells what to do (docs/operations.md)."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.queues import Queues

RUNBOOK: Final = "docs/operations.md"

CREDENTIAL_REASONS: Final = "credential-*"
"""How the log lines of `functions.dispatch` name what a person must mend about GitHub's credential."""


class Alarms(Construct):
    """Alarms and the topic that they report to.

    Attributes:
        all: The alarms by name, for the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        ingest: lambda_.Function,
        dispatch: lambda_.Function,
        queues: Queues,
        email: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.all: dict[str, cloudwatch.Alarm] = {}
        self._topic = sns.Topic(self, "Topic", enforce_ssl=True)
        if email:
            self._topic.add_subscription(subscriptions.EmailSubscription(email))
        minute, five = Duration.minutes(1), Duration.minutes(5)

        letters = queues.dead_letters.metric_approximate_number_of_messages_visible(
            period=minute, statistic="Maximum"
        )
        self._alarm("DeadLetters", letters, "Deliveries lie in the dead-letter queue and need a person.")
        self._alarm(
            "Credential",
            _credential_metric(self, dispatch.log_group),
            "GitHub's credential is missing, wrong or not permitted; events wait until it is mended.",
        )
        age = queues.deliveries.metric_approximate_age_of_oldest_message(period=five, statistic="Maximum")
        self._alarm("Backlog", age, "A delivery has been waiting for more than an hour.", threshold=3600)
        self._alarm("IngestErrors", ingest.metric_errors(period=five), "The ingest function fails.")
        self._alarm("DispatchErrors", dispatch.metric_errors(period=five), "The dispatch function fails.")

    def _alarm(
        self, name: str, metric: cloudwatch.IMetric, what: str, threshold: float = 1
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{what} What to do: {RUNBOOK}#{name.lower()}",
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        alarm.add_ok_action(actions.SnsAction(self._topic))
        self.all[name] = alarm
        return alarm


def _credential_metric(scope: Construct, log_group: logs.ILogGroup) -> cloudwatch.Metric:
    """Count the attempts that waited for a credential, from dispatch's log lines."""
    waits = logs.MetricFilter(
        scope,
        "CredentialWaits",
        log_group=log_group,
        filter_pattern=logs.FilterPattern.string_value("$.reason", "=", CREDENTIAL_REASONS),
        metric_namespace="ModelRelay",
        metric_name="CredentialWaits",
        metric_value="1",
    )
    return waits.metric(period=Duration.minutes(5), statistic="Sum")
