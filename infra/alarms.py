"""Alarms: each says what is wrong and where the runbook tells what to do (docs/operations.md)."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from functions.core.metrics import SERVICE, Metric
from infra.queues import Queues

RUNBOOK: Final = "docs/operations.md"

HOUR_SECONDS: Final = 3600


def measured(scope: Construct, metric: Metric, statistic: str = "Sum", label: str = "") -> cloudwatch.Metric:
    """Give a metric that a function writes, in the stack's namespace, five minutes at a time."""
    return cloudwatch.Metric(
        namespace=Stack.of(scope).stack_name,
        metric_name=metric.title,
        dimensions_map={SERVICE: metric.service},
        statistic=statistic,
        period=Duration.minutes(5),
        label=label or None,
    )


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
        api: apigateway.HttpApi,
        dispatch: lambda_.Function,
        queues: Queues,
        email: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.all: dict[str, cloudwatch.Alarm] = {}
        self._topic = _topic(self, email)
        five = Duration.minutes(5)
        letters = queues.dead_letters.metric_approximate_number_of_messages_visible(
            period=Duration.minutes(1), statistic="Maximum"
        )
        self._alarm("DeadLetters", letters, "Deliveries lie in the dead-letter queue and need a person.")
        self._alarm(
            "Credential",
            measured(self, Metric.CREDENTIAL_WAITS),
            "GitHub's credential is missing, wrong or not permitted; events wait until it is mended.",
        )
        waiting = measured(self, Metric.WAIT_AGE, "Maximum")
        self._alarm("Waiting", waiting, "A delivery has been tried in vain for an hour.", HOUR_SECONDS)
        # SQS's own age says nothing of messages received three times or more; it sees what nobody receives.
        unseen = queues.deliveries.metric_approximate_age_of_oldest_message(period=five, statistic="Maximum")
        self._alarm("Backlog", unseen, "A delivery has lain on the queue for an hour.", HOUR_SECONDS)
        self._alarm(
            "Redirected",
            measured(self, Metric.REDIRECTED),
            "A repository was renamed; it is still found, and the configuration should follow.",
        )
        self._alarm("IngestErrors", api.metric_server_error(period=five), "Webhooks are answered with a 5xx.")
        self._alarm("DispatchErrors", dispatch.metric_errors(period=five), "The dispatch function fails.")
        failed = measured(self, Metric.FAILED)
        self._alarm(
            "FailedAttempts", failed, "Attempts end in errors of our own; the deliveries stay queued."
        )

    def _alarm(self, name: str, metric: cloudwatch.IMetric, what: str, threshold: float = 1) -> None:
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


def _topic(scope: Construct, email: str | None) -> sns.Topic:
    topic = sns.Topic(scope, "Topic", enforce_ssl=True)
    # A topic with a policy of its own is no longer open to the account's alarms by default.
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
        )
    )
    if email:
        topic.add_subscription(subscriptions.EmailSubscription(email))
    return topic
