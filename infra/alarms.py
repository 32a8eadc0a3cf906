"""Alarms: each says what is wrong and where the runbook tells what to do (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from functions.core.metrics import SERVICE, Metric
from infra.queues import Queues

RUNBOOK: Final = "docs/operations.md"

HOUR_SECONDS: Final = 3600
LATE_SECONDS: Final = 900
LOW_QUOTA: Final = 200
MANY_FORGERIES: Final = 20
MANY_UNKNOWN: Final = 5
SLOW: Final = 0.8  # of its time-out

_FIVE: Final = Duration.minutes(5)


def measured(
    scope: Construct, metric: Metric, statistic: str = "Sum", label: str = "", reason: str = ""
) -> cloudwatch.Metric:
    """Give a metric that a function writes, in the stack's namespace, five minutes at a time."""
    return cloudwatch.Metric(
        namespace=Stack.of(scope).stack_name,
        metric_name=metric.title,
        dimensions_map={SERVICE: metric.service, **({"reason": reason} if reason else {})},
        statistic=statistic,
        period=_FIVE,
        label=label or None,
    )


class Alarms(Construct):
    """Alarms and the topic that they report to.

    The embedded AWS knows neither alarms that are made of others nor such as calculate, and has none.

    Attributes:
        all: The alarms by name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        api: apigateway.HttpApi,
        ingest: lambda_.Function,
        dispatch: lambda_.Function,
        queues: Queues,
        email: str | None,
        key: kms.IKey | None,
        embedded: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.all: dict[str, cloudwatch.AlarmBase] = {}
        self._topic = _topic(self, email, key)
        self._embedded = embedded
        self._for_letters(queues)
        self._for_delays(queues)
        self._for_github()
        self._for_senders(api)
        self._for_functions(ingest, dispatch, queues)

    @property
    def single(self) -> dict[str, cloudwatch.Alarm]:
        """The alarms that watch something themselves."""
        return {name: alarm for name, alarm in self.all.items() if isinstance(alarm, cloudwatch.Alarm)}

    def _for_letters(self, queues: Queues) -> None:
        """Ring for letters: the queue shows those that SQS moved, our own count those that are gone again."""
        lying = queues.dead_letters.metric_approximate_number_of_messages_visible(
            period=Duration.minutes(1), statistic="Maximum"
        )
        self._alarm("DeadLetters", lying, "Deliveries lie in the dead-letter queue.", acts=False)
        buried = measured(self, Metric.DEAD_LETTERED)
        self._alarm("DeadLettered", buried, "Deliveries were dead-lettered.", acts=False)
        self._any_of("Undelivered", ("DeadLetters", "DeadLettered"), "Deliveries failed and need a person.")

    def _for_delays(self, queues: Queues) -> None:
        """Ring where deliveries take long, unless the reason rings already: then one call is enough."""
        waiting = measured(self, Metric.WAIT_AGE, "Maximum")
        self._alarm(
            "Waiting", waiting, "A delivery has been tried in vain for an hour.", HOUR_SECONDS, acts=False
        )
        # SQS's own age says nothing of messages received three times or more; it sees what nobody receives.
        unseen = queues.deliveries.metric_approximate_age_of_oldest_message(period=_FIVE, statistic="Maximum")
        self._alarm(
            "Backlog", unseen, "A delivery has lain on the queue for an hour.", HOUR_SECONDS, acts=False
        )
        late = measured(self, Metric.END_TO_END, "p99")
        self._alarm(
            "Late", late, "Workflows start a quarter of an hour after the event.", LATE_SECONDS, acts=False
        )
        self._alarm(
            "Credential",
            measured(self, Metric.CREDENTIAL_WAITS),
            "GitHub's credential is missing, wrong or not permitted; events wait until it is mended.",
        )
        self._any_of(
            "Delayed",
            ("Waiting", "Backlog", "Late"),
            "Deliveries are late, and not because of the credential.",
            unless="Credential",
        )

    def _for_github(self) -> None:
        unknown = measured(self, Metric.UNKNOWN)
        self._alarm(
            "UnknownOutcomes", unknown, "GitHub leaves it open again and again what it did.", MANY_UNKNOWN
        )
        quota = measured(self, Metric.REMAINING_QUOTA, "Minimum")
        self._alarm("LowQuota", quota, "GitHub lets us call few more times this hour.", LOW_QUOTA, below=True)
        self._alarm(
            "Redirected",
            measured(self, Metric.REDIRECTED),
            "A repository was renamed; it is still found, and the configuration should follow.",
        )

    def _for_senders(self, api: apigateway.HttpApi) -> None:
        self._alarm(
            "IngestErrors", api.metric_server_error(period=_FIVE), "Webhooks are answered with a 5xx."
        )
        forged = measured(self, Metric.REJECTED, reason="unauthorized")
        self._alarm(
            "Forgeries", forged, "Many requests prove nothing: a wrong secret, or an attack.", MANY_FORGERIES
        )
        unusable = measured(self, Metric.REJECTED, reason="secret-unusable")
        self._alarm("SenderSecret", unusable, "A sender's secret is empty or of the wrong form.")

    def _for_functions(self, ingest: lambda_.Function, dispatch: lambda_.Function, queues: Queues) -> None:
        self._alarm("DispatchErrors", dispatch.metric_errors(period=_FIVE), "The dispatch function fails.")
        failed = measured(self, Metric.FAILED)
        self._alarm(
            "FailedAttempts", failed, "Attempts end in errors of our own; the deliveries stay queued."
        )
        for name, function in (("Ingest", ingest), ("Dispatch", dispatch)):
            throttles = function.metric_throttles(period=_FIVE)
            self._alarm(f"{name}Throttled", throttles, "Lambda has no room for the function.")
            longest = function.metric_duration(period=_FIVE, statistic="Maximum")
            assert function.timeout  # noqa: S101 - every function of ours has one
            limit = SLOW * function.timeout.to_milliseconds()
            self._alarm(f"{name}Slow", longest, "The function takes nearly as long as it may.", limit)
        if not self._embedded:
            self._alarm(
                "Stalled",
                _stalled(dispatch, queues),
                "Deliveries lie on the queue and nobody takes them.",
                periods=3,
            )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        what: str,
        threshold: float = 1,
        *,
        below: bool = False,
        periods: int = 1,
        acts: bool = True,
    ) -> None:
        operator = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=operator.LESS_THAN_OR_EQUAL_TO_THRESHOLD
            if below
            else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=_description(name, what),
        )
        self._add(name, alarm, acts=acts)

    def _any_of(self, name: str, parts: Iterable[str], what: str, unless: str = "") -> None:
        """Ring once for several alarms, and not while the one rings that explains them."""
        if self._embedded:
            return
        state = cloudwatch.AlarmState.ALARM
        rule: cloudwatch.IAlarmRule = cloudwatch.AlarmRule.any_of(
            *(cloudwatch.AlarmRule.from_alarm(self.all[part], state) for part in parts)
        )
        if unless:
            explained = cloudwatch.AlarmRule.from_alarm(self.all[unless], state)
            rule = cloudwatch.AlarmRule.all_of(rule, cloudwatch.AlarmRule.not_(explained))
        alarm = cloudwatch.CompositeAlarm(
            self, name, alarm_rule=rule, alarm_description=_description(name, what)
        )
        self._add(name, alarm, acts=True)

    def _add(self, name: str, alarm: cloudwatch.AlarmBase, *, acts: bool) -> None:
        if acts:
            alarm.add_alarm_action(actions.SnsAction(self._topic))
            alarm.add_ok_action(actions.SnsAction(self._topic))
        self.all[name] = alarm


def _description(name: str, what: str) -> str:
    return f"{what} What to do: {RUNBOOK}#{name.lower()}"


def _stalled(dispatch: lambda_.Function, queues: Queues) -> cloudwatch.MathExpression:
    """Give 1 where deliveries are there for the taking and dispatch is not even called.

    A function that is not called writes no numbers: silence is filled in with zeros, or nobody would notice.
    """
    visible = queues.deliveries.metric_approximate_number_of_messages_visible(
        period=_FIVE, statistic="Minimum"
    )
    return cloudwatch.MathExpression(
        expression="IF(visible > 0 AND FILL(calls, 0) < 1, 1, 0)",
        using_metrics={"visible": visible, "calls": dispatch.metric_invocations(period=_FIVE)},
        period=_FIVE,
    )


def _topic(scope: Construct, email: str | None, key: kms.IKey | None) -> sns.Topic:
    topic = sns.Topic(scope, "Topic", enforce_ssl=True, master_key=key)
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
