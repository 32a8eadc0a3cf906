"""The stack, read like the way of an event: in through the API, onto the queue, out to GitHub."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from functions.ingest.senders import SENDERS
from infra import bundling
from infra.alarms import Alarms
from infra.api import IngestApi
from infra.dashboard import dashboard
from infra.function import RelayFunction
from infra.ledger import ledger_table
from infra.network import vpc_of
from infra.queues import Queues
from infra.secrets import Secrets
from infra.settings import StackSettings

INGEST_TIMEOUT: Final = Duration.seconds(29)  # API Gateway waits no longer
DISPATCH_TIMEOUT: Final = Duration.seconds(90)
VISIBILITY_FACTOR: Final = (
    6  # AWS's advice for a queue that feeds a function, so that a batch isn't seen twice
)
BATCH_SIZE: Final = 10
CONCURRENCY: Final = 2  # the least that an SQS event source takes; GitHub wants its calls one after another


class RelayStack(Stack):
    """Model Relay."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: StackSettings, **stack: Any) -> None:
        super().__init__(scope, construct_id, description="Model Relay: model events to GitHub", **stack)
        relay = settings.relay
        keep = RemovalPolicy.RETAIN if relay.retain_data else RemovalPolicy.DESTROY
        vpc = vpc_of(self, relay.vpc)
        secrets = Secrets(self, "Secrets", relay=relay, keep=keep)
        ledger = ledger_table(self, keep=keep)
        visibility = Duration.seconds(VISIBILITY_FACTOR * DISPATCH_TIMEOUT.to_seconds())
        queues = Queues(self, "Queues", visibility=visibility, keep=keep)

        ingest = RelayFunction(
            self,
            "Ingest",
            bundle=bundling.INGEST,
            settings=settings.functions,
            environment={
                "QUEUE_URL": queues.deliveries.queue_url,
                **{
                    SENDERS[name].secret_variable: secret.secret_name
                    for name, secret in secrets.senders.items()
                },
            },
            timeout=INGEST_TIMEOUT,
            vpc=vpc,
        )
        api = IngestApi(self, "IngestApi", function=ingest, throttle=relay.ingest.throttle)
        queues.deliveries.grant_send_messages(ingest)
        for secret in secrets.senders.values():
            secret.grant_read(ingest)

        dispatch = RelayFunction(
            self,
            "Dispatch",
            bundle=bundling.DISPATCH,
            settings=settings.functions,
            environment={
                "QUEUE_URL": queues.deliveries.queue_url,
                "DEAD_LETTER_QUEUE_URL": queues.dead_letters.queue_url,
                "GITHUB_SECRET_ID": secrets.github.secret_name,
            },
            timeout=DISPATCH_TIMEOUT,
            vpc=vpc,
        )
        dispatch.add_event_source(
            SqsEventSource(
                queues.deliveries,
                batch_size=BATCH_SIZE,
                max_concurrency=CONCURRENCY,
                report_batch_item_failures=True,
            )
        )
        queues.dead_letters.grant_send_messages(dispatch)
        secrets.github.grant_read(dispatch)

        alarms = Alarms(
            self, "Alarms", ingest=ingest, dispatch=dispatch, queues=queues, email=relay.alarms.email
        )
        board = dashboard(self, ingest=ingest, dispatch=dispatch, queues=queues, alarms=alarms.all.values())

        self._output("IngestUrl", api.url)
        self._output("DatabricksWebhookUrl", f"{api.url}/databricks")
        self._output("QueueUrl", queues.deliveries.queue_url)
        self._output("DeadLetterQueueUrl", queues.dead_letters.queue_url)
        self._output("LedgerTableName", ledger.table_name)
        self._output("GitHubSecretName", secrets.github.secret_name)
        for name, secret in secrets.senders.items():
            self._output(f"{SENDERS[name].title}SecretName", secret.secret_name)
        console = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        self._output("DashboardUrl", f"{console}#dashboards/dashboard/{board.dashboard_name}")

    def _output(self, name: str, value: str) -> None:
        CfnOutput(self, name, value=value)
