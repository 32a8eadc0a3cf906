"""Invariants of the stack: what must hold of every queue, function and policy, however many there are."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any

import pytest

from functions.core import aws
from functions.core.ledger import CALL_SECONDS, LEASE_SECONDS
from functions.dispatch.batch import BEGIN_SECONDS
from functions.dispatch.books import SETTLE_SECONDS
from functions.dispatch.calls import ATTEMPT_SECONDS, BUSY_SECONDS, PATIENCE_SECONDS
from functions.dispatch.gate_state import START_SECONDS, TICKET_SECONDS
from functions.ingest.senders import SENDERS
from infra.stack import DISPATCH_TIMEOUT
from tests.infra.conftest import Resources, synthesise

OfType = Callable[[str], Resources]

FUNCTION = "AWS::Lambda::Function"
QUEUE = "AWS::SQS::Queue"

OUTPUTS = {
    "IngestUrl",
    "DatabricksWebhookUrl",
    "QueueUrl",
    "DeadLetterQueueUrl",
    "LedgerTableName",
    "GitHubSecretName",
    "GateTableName",
    "GateName",
    "DatabricksSecretName",
    "DashboardUrl",
}


def properties(resources: Resources) -> list[dict[str, Any]]:
    """Give the properties of resources."""
    return [resource["Properties"] for resource in resources.values()]


def deliveries(resources: OfType) -> dict[str, Any]:
    """Give the queue that has dead letters."""
    return next(queue for queue in properties(resources(QUEUE)) if "RedrivePolicy" in queue)


def test_the_outputs_are_the_fixed_ones(template: dict[str, Any]) -> None:
    """Outside tools rely on these outputs by name."""
    assert set(template["Outputs"]) == OUTPUTS


def test_every_queue_is_fifo_encrypted_and_keeps_messages_for_14_days(resources: OfType) -> None:
    """No queue forgets a message earlier than SQS must, or stores it in the clear."""
    for queue in properties(resources(QUEUE)):
        assert queue["FifoQueue"]
        assert queue["SqsManagedSseEnabled"]
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_every_queue_limits_and_deduplicates_per_group(resources: OfType) -> None:
    """Models don't wait for each other: limits and deduplication hold per message group."""
    for queue in properties(resources(QUEUE)):
        assert queue["DeduplicationScope"] == "messageGroup"
        assert queue["FifoThroughputLimit"] == "perMessageGroupId"


def test_every_queue_has_a_tls_policy_of_its_own(resources: OfType) -> None:
    """Each queue refuses plain HTTP by a policy that names this queue and no other."""
    guarded = []
    for policy in properties(resources("AWS::SQS::QueuePolicy")):
        (queue,) = policy["Queues"]
        denial = next(item for item in policy["PolicyDocument"]["Statement"] if item["Effect"] == "Deny")
        assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert denial["Resource"]["Fn::GetAtt"][0] == queue["Ref"]
        guarded.append(queue["Ref"])
    assert sorted(guarded) == sorted(resources(QUEUE))


def test_the_dead_letters_of_the_delivery_queue_are_the_other_queue(resources: OfType) -> None:
    """SQS's own redrive, the net under a crash, is as wide as SQS allows, and leads into the dead letters."""
    redrive = deliveries(resources)["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 1000
    assert "DeadLetters" in redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]


def test_visibility_is_six_times_the_time_out(resources: OfType) -> None:
    """A batch is not received again while the function may still work on it."""
    dispatch = next(item for name, item in resources(FUNCTION).items() if name.startswith("Dispatch"))
    assert deliveries(resources)["VisibilityTimeout"] >= 6 * dispatch["Properties"]["Timeout"]


def test_the_time_out_leaves_time_for_an_attempt() -> None:
    """A fresh invocation has time for at least one whole attempt, and for some waiting on the spot."""
    waiting = PATIENCE_SECONDS + BUSY_SECONDS
    assert BEGIN_SECONDS + waiting < DISPATCH_TIMEOUT.to_seconds()


def test_a_claim_outlasts_a_call_and_its_outcome_and_not_the_message(resources: OfType) -> None:
    """A claim never lapses under a living attempt, and has lapsed when a dead one's message comes back."""
    times = [
        CALL_SECONDS + SETTLE_SECONDS,
        LEASE_SECONDS,
        DISPATCH_TIMEOUT.to_seconds(),
        deliveries(resources)["VisibilityTimeout"],
    ]
    assert times == sorted(set(times))


def test_what_is_begun_with_time_enough_is_written_down_before_the_function_is_stopped() -> None:
    """Who enters the gate late in an invocation can still start, call and write once, retry included."""
    assert START_SECONDS + CALL_SECONDS + aws.CALL_SECONDS < ATTEMPT_SECONDS


def test_a_ticket_outlasts_its_call() -> None:
    """Nobody takes a call for over that may still be under way: it starts late and takes long, at worst."""
    assert START_SECONDS + CALL_SECONDS <= TICKET_SECONDS


def test_the_event_source_reports_single_failures_two_at_a_time(resources: OfType) -> None:
    """One bad delivery does not send its whole batch back, and GitHub sees two callers at the most."""
    (source,) = properties(resources("AWS::Lambda::EventSourceMapping"))
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_every_function_is_arm64_on_the_bundled_python_with_json_logs(resources: OfType) -> None:
    """All functions run where their bundles were made for, and log what a program can read."""
    for function in properties(resources(FUNCTION)):
        assert function["Architectures"] == ["arm64"]
        assert function["Runtime"] == "python3.13"
        assert function["LoggingConfig"]["LogFormat"] == "JSON"


def reserved(template: dict[str, Any]) -> dict[str, int | None]:
    """Give how many copies each function has for itself, by the beginning of its logical id."""
    return {
        name[:6]: item["Properties"].get("ReservedConcurrentExecutions")
        for name, item in template["Resources"].items()
        if item["Type"] == FUNCTION
    }


def test_dispatch_has_copies_that_no_flood_can_take(template: dict[str, Any]) -> None:
    """As many as its event source runs are reserved for dispatch, and none of ingest's are held back."""
    assert reserved(template) == {"Ingest": None, "Dispat": 2, "Consol": None}
    none = synthesise({"reserved_concurrency": {"dispatch": None, "ingest": 150}})
    assert reserved(none) == {"Ingest": 150, "Dispat": None, "Consol": None}


def test_every_log_group_forgets_after_a_while(resources: OfType) -> None:
    """Nothing is logged for ever, and every function logs into a group of ours."""
    groups = resources("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] == 90 for group in properties(groups))
    assert {item["LoggingConfig"]["LogGroup"]["Ref"] for item in properties(resources(FUNCTION))} <= set(
        groups
    )


def test_a_functions_environment_fits_into_lambdas(resources: OfType) -> None:
    """Lambda's environment holds 4 KB in all; ours is far below."""
    for function in properties(resources(FUNCTION)):
        assert len(json.dumps(function["Environment"])) < 2048


def test_the_api_is_throttled_and_logged_without_headers(resources: OfType) -> None:
    """The API takes what the settings say and logs each request without anything secret."""
    (stage,) = properties(resources("AWS::ApiGatewayV2::Stage"))
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 100, "ThrottlingRateLimit": 50}
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"status", "requestId", "path"} <= set(logged)
    assert not [value for value in logged.values() if "header" in value or "query" in value.lower()]


def test_the_github_secret_is_made_empty(resources: OfType) -> None:
    """Nobody's value is invented for GitHub: an empty secret is waited for, a wrong one is tried."""
    github = next(item for name, item in resources("AWS::SecretsManager::Secret").items() if "GitHub" in name)
    assert not {"GenerateSecretString", "SecretString"} & set(github["Properties"])


def test_a_webhook_secret_is_generated() -> None:
    """A sender's secret is long and random from the first moment: letters and digits, or a login."""
    relay = {"ingest": {"senders": list(SENDERS)}}
    generated = {
        name: item["Properties"].get("GenerateSecretString")
        for name, item in synthesise(relay)["Resources"].items()
        if item["Type"] == "AWS::SecretsManager::Secret" and "GitHub" not in name
    }
    password = {"ExcludeCharacters": string.punctuation, "PasswordLength": 48}
    login = {"SecretStringTemplate": '{"username": "databricks"}', "GenerateStringKey": "password"}
    assert len(generated) == len(SENDERS)
    for name, how in generated.items():
        assert how == (password | login if "DatabricksJobs" in name else password)


def test_the_ledger_can_be_restored_and_forgets(resources: OfType) -> None:
    """The ledger has point-in-time recovery and lets items go by themselves."""
    (table,) = properties(resources("AWS::DynamoDB::GlobalTable"))
    (replica,) = table["Replicas"]
    assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_ledger_is_asked_by_delivery_by_model_and_by_state(resources: OfType) -> None:
    """The table has one key and these two indexes, each with all that the ledger knows, and no other."""
    (table,) = properties(resources("AWS::DynamoDB::GlobalTable"))

    def index(name: str, key: str, order: str) -> dict[str, Any]:
        keys = [{"AttributeName": key, "KeyType": "HASH"}, {"AttributeName": order, "KeyType": "RANGE"}]
        return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}

    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    assert types == {"id": "S", "model": "S", "accepted_at": "N", "state": "S", "updated_at": "N"}
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["GlobalSecondaryIndexes"] == [
        index("by-model", "model", "accepted_at"),
        index("by-state", "state", "updated_at"),
    ]


STATEFUL = [QUEUE, "AWS::SQS::QueuePolicy", "AWS::SecretsManager::Secret", "AWS::DynamoDB::GlobalTable"]


@pytest.mark.parametrize("kind", STATEFUL)
def test_data_stays_when_the_stack_goes(resources: OfType, kind: str) -> None:
    """Queues, secrets and ledger survive the stack, and the queues stay guarded."""
    for resource in resources(kind).values():
        assert resource["DeletionPolicy"] == "Retain"
        assert resource["UpdateReplacePolicy"] == "Retain"


def test_data_goes_where_that_is_wanted() -> None:
    """With `retain_data` false nothing is left behind."""
    resources = synthesise({"retain_data": False})["Resources"].values()
    assert not [item for item in resources if item.get("DeletionPolicy") == "Retain"]


def test_existing_secrets_are_used_and_none_is_made() -> None:
    """Named secrets take the place of the stack's own, in the functions and in the outputs."""
    relay = {"github": {"secret_name": "ci/github"}, "ingest": {"secret_names": {"databricks": "ci/dbx"}}}
    template = synthesise(relay)
    assert "AWS::SecretsManager::Secret" not in {item["Type"] for item in template["Resources"].values()}
    assert template["Outputs"]["GitHubSecretName"]["Value"] == "ci/github"
    assert template["Outputs"]["DatabricksSecretName"]["Value"] == "ci/dbx"
