"""The stack, read like the way of an event: in through the API, onto the queue, out to GitHub."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import Annotations, CfnOutput, Duration, Names, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from functions.core.ledger import BY_STATE
from functions.core.metrics import DISPATCH, INGEST
from functions.ingest.senders import SENDERS
from infra import bundling
from infra.alarms import Alarms
from infra.api import IngestApi
from infra.dashboard import dashboard
from infra.encryption import key_of
from infra.function import RelayFunction, Surroundings
from infra.gate import Gate, export, gate_of
from infra.ledger import ledger_table
from infra.network import network_of
from infra.queries import saved_queries
from infra.queues import Queues
from infra.secrets import Secrets
from infra.settings import MIN_CONCURRENCY, StackSettings

INGEST_TIMEOUT: Final = Duration.seconds(29)  # API Gateway waits no longer
# A sender waits for a cold start, which is half as long as with 512 MB, and costs the same.
INGEST_MEMORY: Final = 1024
DISPATCH_TIMEOUT: Final = Duration.seconds(120)
CONSOLE_TIMEOUT: Final = Duration.seconds(60)
# Six time-outs are AWS's advice for a queue that feeds a function, so that no batch is seen twice.
VISIBILITY: Final = Duration.seconds(6 * DISPATCH_TIMEOUT.to_seconds())
# Of a model's backlog, SQS would hand over as many messages as a batch holds, and all but the first would go
# back unread whenever that one has to wait: each of them would be received ten times.
BATCH_SIZE: Final = 1
EMBEDDED_ACCOUNT: Final = "000000000000"  # the embedded AWS's, which doesn't know all that the stack has
CONCURRENCY: Final = MIN_CONCURRENCY


class RelayStack(Stack):
    """Model Relay."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: StackSettings, **stack: Any) -> None:
        relay = settings.relay
        super().__init__(
            scope,
            construct_id,
            description="Model Relay: model events to GitHub",
            termination_protection=relay.termination_protection,
            **stack,
        )
        self._relay = relay
        self._embedded = self.account == EMBEDDED_ACCOUNT
        keep = RemovalPolicy.RETAIN if relay.retain_data else RemovalPolicy.DESTROY
        key = key_of(self, relay.kms, keep=keep)
        network = network_of(self, relay.vpc, github=relay.github, key=key)
        self._surroundings = Surroundings(settings.functions, network, key)

        self.secrets = Secrets(self, "Secrets", relay=relay, keep=keep, key=key)
        self.queues = Queues(self, "Queues", visibility=VISIBILITY, keep=keep, key=key)
        self.ledger = ledger_table(self, keep=keep, key=key)
        other = relay.github.same_credential_as
        self.gate = gate_of(other) if other else Gate(self.ledger.table_name, self.secrets.github.name)
        self.ingest = self._ingest()
        self.api = IngestApi(
            self,
            "IngestApi",
            function=self.ingest,
            throttle=relay.ingest.throttle,
            domain=relay.ingest.domain,
            key=key,
        )
        self.dispatch = self._dispatch()
        self.console = self._console()
        self.alarms = self._alarms()
        self.dashboard = self._dashboard()
        if not self._embedded:
            saved_queries(self, log_groups={INGEST: self.ingest.log_group, DISPATCH: self.dispatch.log_group})
        for number, warning in enumerate(settings.warnings):
            Annotations.of(self).add_warning_v2(f"ModelRelay:configuration-{number}", warning)
        for name, value in self._outputs().items():
            CfnOutput(self, name, value=value)
        for name, value in self.gate.outputs.items():
            CfnOutput(self, name, value=value, export_name=export(self.stack_name, name))

    def _ingest(self) -> RelayFunction:
        """Make the function that may put deliveries onto the queue and read the senders' secrets."""
        secrets = self.secrets.senders
        function = RelayFunction(
            self,
            "Ingest",
            bundle=bundling.INGEST,
            surroundings=self._surroundings,
            environment={
                "QUEUE_URL": self.queues.deliveries.queue_url,
                **{SENDERS[name].secret_variable: secret.name for name, secret in secrets.items()},
            },
            timeout=INGEST_TIMEOUT,
            memory=INGEST_MEMORY,
            reserved=self._relay.reserved_concurrency.ingest,
        )
        function.may("sqs:SendMessage", on=self.queues.deliveries.queue_arn)
        for secret in secrets.values():
            function.may("secretsmanager:GetSecretValue", on=secret.arn)
        function.may_reach("sqs", "secretsmanager")
        return function

    def _dispatch(self) -> RelayFunction:
        """Make the function that may take deliveries, bury them, keep the ledger and read GitHub's secret."""
        deliveries = self.queues.deliveries
        only_token = self._relay.github.credential == "token"
        function = RelayFunction(
            self,
            "Dispatch",
            bundle=bundling.DISPATCH_WITH_A_TOKEN if only_token else bundling.DISPATCH,
            surroundings=self._surroundings,
            environment={
                "QUEUE_URL": deliveries.queue_url,
                "DEAD_LETTER_QUEUE_URL": self.queues.dead_letters.queue_url,
                "LEDGER_TABLE": self.ledger.table_name,
                "GITHUB_SECRET_ID": self.secrets.github.name,
                "GATE_TABLE": self.gate.table,
                "GATE_NAME": self.gate.name,
            },
            timeout=DISPATCH_TIMEOUT,
            reserved=self._relay.reserved_concurrency.dispatch,
        )
        # The first three are Lambda's, which takes the messages in the function's role.
        function.may("sqs:ReceiveMessage", "sqs:DeleteMessage", on=deliveries.queue_arn)
        function.may("sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility", on=deliveries.queue_arn)
        function.may("sqs:SendMessage", on=self.queues.dead_letters.queue_arn)
        function.may("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=self.ledger.table_arn)
        function.may("dynamodb:Query", on=f"{self.ledger.table_arn}/index/{BY_STATE}")
        if self._relay.github.same_credential_as:
            function.add_to_role_policy(self.gate.statement(self))
        function.may("secretsmanager:GetSecretValue", on=self.secrets.github.arn)
        function.may_reach("sqs", "dynamodb", "secretsmanager")
        function.add_event_source_mapping(
            f"SqsEventSource:{Names.node_unique_id(deliveries.node)}",
            event_source_arn=deliveries.queue_arn,
            batch_size=BATCH_SIZE,
            max_concurrency=CONCURRENCY,
            report_batch_item_failures=True,
        )
        return function

    def _console(self) -> RelayFunction:
        """Make the function that draws the dashboard's widget, and may replay dead letters."""
        dead_letters = self.queues.dead_letters
        function = RelayFunction(
            self,
            "Console",
            bundle=bundling.CONSOLE,
            surroundings=self._surroundings,
            environment={
                "QUEUE_URL": self.queues.deliveries.queue_url,
                "DEAD_LETTER_QUEUE_URL": dead_letters.queue_url,
                "LEDGER_TABLE": self.ledger.table_name,
            },
            timeout=CONSOLE_TIMEOUT,
        )
        function.may("sqs:SendMessage", on=self.queues.deliveries.queue_arn)
        function.may("sqs:ReceiveMessage", "sqs:DeleteMessage", on=dead_letters.queue_arn)
        function.may("sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility", on=dead_letters.queue_arn)
        function.may("dynamodb:GetItem", "dynamodb:PutItem", on=self.ledger.table_arn)
        function.may("dynamodb:Query", on=f"{self.ledger.table_arn}/index/{BY_STATE}")
        function.may_reach("sqs", "dynamodb")
        return function

    def _alarms(self) -> Alarms:
        """Make what calls a person."""
        return Alarms(
            self,
            "Alarms",
            api=self.api.api,
            ingest=self.ingest,
            dispatch=self.dispatch,
            queues=self.queues,
            email=self._relay.alarms.email,
            key=self._surroundings.key,
            embedded=self._embedded,
        )

    def _dashboard(self) -> cloudwatch.Dashboard:
        """Make what a person looks at."""
        return dashboard(
            self,
            api=self.api.api,
            ingest=self.ingest,
            dispatch=self.dispatch,
            queues=self.queues,
            ledger=self.ledger,
            console=self.console,
            alarms=self.alarms.single.values(),
        )

    def _outputs(self) -> dict[str, str]:
        """Give what people and tools outside rely on, by the fixed names."""
        console = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        return {
            "IngestUrl": self.api.url,
            "DatabricksWebhookUrl": f"{self.api.url}/databricks",
            "QueueUrl": self.queues.deliveries.queue_url,
            "DeadLetterQueueUrl": self.queues.dead_letters.queue_url,
            "LedgerTableName": self.ledger.table_name,
            "GitHubSecretName": self.secrets.github.name,
            **{
                f"{SENDERS[name].title}SecretName": secret.name
                for name, secret in self.secrets.senders.items()
            },
            "DashboardUrl": f"{console}#dashboards/dashboard/{self.dashboard.dashboard_name}",
        }
