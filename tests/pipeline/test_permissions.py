"""Each role has what its function needs, and nothing else: IAM decides here as it does on AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import pytest
import urllib3
from botocore.exceptions import ClientError

from functions.core.ledger import BY_STATE
from tests.pipeline.conftest import Pipeline, eventually
from tests.pipeline.permissions import Permission, Roles
from tests.pipeline.permissions_uses import AT_ONCE, EXCUSED, PUT_OFF, Bench, new_model

FUNCTIONS: Final = ("Ingest", "Dispatch", "Console")
USES: Final = {**PUT_OFF, **AT_ONCE}


@pytest.fixture(scope="module")
def roles(pipeline: Pipeline) -> Roles:
    """The deployed roles."""
    return Roles(pipeline)


class Stories:
    """The uses that take a while and were begun, each once.

    Args:
        pipeline: The pipeline.
        roles: The deployed roles.
    """

    def __init__(self, pipeline: Pipeline, roles: Roles) -> None:
        self._pipeline = pipeline
        self._roles = roles
        self._begun: dict[Permission, Iterator[None]] = {}

    def bench(self, permission: Permission) -> Bench:
        """Give what a use works with."""
        return Bench(self._pipeline, self._roles, permission, self._letter)

    def begin(self, permission: Permission) -> Bench:
        """Begin a use that takes a while."""
        bench = self.bench(permission)
        story = PUT_OFF[permission](bench)
        next(story)
        self._begun[permission] = story
        return bench

    def end(self, permission: Permission) -> bool:
        """Go on with it, having begun it if nobody has; tell whether it is over."""
        if permission not in self._begun:
            self.begin(permission)
        return next(self._begun.pop(permission), "over") == "over"

    @cached_property
    def _letter(self) -> str:
        """The delivery of a dead letter that only lies there."""
        nothing = Permission("", "", "")
        return Bench(self._pipeline, self._roles, nothing, letter="").buried()


@pytest.fixture(scope="module")
def stories(pipeline: Pipeline, roles: Roles) -> Stories:
    """The uses of this file's tests."""
    return Stories(pipeline, roles)


def test_every_permission_has_a_use_or_an_excuse(roles: Roles) -> None:
    """A permission that is new is used in a test, or an excuse says why it can't be."""
    strangers = sorted(map(str, roles.granted().keys() - USES.keys() - EXCUSED.keys()))
    assert strangers == [], "add a use to tests/pipeline/permissions_uses.py, or take the permission away"


def test_every_use_and_excuse_has_its_permission(roles: Roles) -> None:
    """What is not granted any more is not talked about any more, and nothing has both."""
    assert sorted(map(str, (USES.keys() | EXCUSED.keys()) - roles.granted().keys())) == []
    assert USES.keys() & EXCUSED.keys() == set()


def test_no_role_has_a_managed_policy(roles: Roles) -> None:
    """All that a role may do is in its own policy, where each permission can be taken away."""
    assert set(roles.functions) == set(FUNCTIONS)
    assert roles.managed() == []


@pytest.mark.parametrize("permission", PUT_OFF, ids=str)
def test_what_lacks_a_permission_is_put_off(stories: Stories, permission: Permission) -> None:
    """Without it deliveries wait and senders are told to come again, so it is not idle."""
    assert stories.begin(permission).taken


@pytest.mark.parametrize("permission", AT_ONCE, ids=str)
def test_what_lacks_a_permission_is_told_and_mended(stories: Stories, permission: Permission) -> None:
    """Without it the caller is told of a failure, so it is not idle; with it the next try succeeds."""
    bench = stories.bench(permission)
    AT_ONCE[permission](bench)
    assert bench.taken


@pytest.mark.parametrize("permission", PUT_OFF, ids=str)
def test_what_was_put_off_is_done_later(stories: Stories, permission: Permission) -> None:
    """With the permission back, what had to wait is done, once, and senders are let in."""
    assert stories.end(permission)


def test_the_excused_are_not_asked_about_here(pipeline: Pipeline, roles: Roles) -> None:
    """An excuse is needed: without all of the excused permissions a webhook still arrives, and is logged."""
    model = new_model()
    with ExitStack() as taken:
        for permission in EXCUSED:
            taken.enter_context(roles.without(permission))
        assert not EXCUSED.keys() & roles.granted().keys()
        delivery = pipeline.send(model, 1)
        eventually(lambda: pipeline.attempts(delivery))
        assert len(pipeline.runs(model)) == 1
    assert EXCUSED.keys() <= roles.granted().keys()


class Probe:
    """Tries single actions in a role, changing nothing where they are allowed.

    Args:
        roles: The deployed roles.
        function: Whose role.
        outputs: The stack's outputs.
    """

    def __init__(self, roles: Roles, function: str, outputs: Mapping[str, str]) -> None:
        self._clients = {
            service: roles.client(function, service) for service in ("sqs", "dynamodb", "secretsmanager")
        }
        self._queues = {"deliveries": outputs["QueueUrl"], "dead letters": outputs["DeadLetterQueueUrl"]}
        self._outputs = outputs

    def allowed(self, permission: Permission) -> bool:
        """Tell whether IAM lets an action through; that it then comes to nothing is wanted."""
        service, _, action = permission.action.partition(":")
        try:
            getattr(self, f"_{service}")(action, permission.on)
        except ClientError as error:
            return "AccessDenied" not in error.response["Error"]["Code"]
        return True

    def _sqs(self, action: str, on: str) -> None:
        sqs, queue = self._clients["sqs"], {"QueueUrl": self._queues[on]}
        handle = {"ReceiptHandle": "of-no-message"}
        calls: Mapping[str, Callable[[], Any]] = {
            "SendMessage": lambda: sqs.send_message(**queue, MessageBody="without a group"),
            "ReceiveMessage": lambda: sqs.receive_message(**queue, VisibilityTimeout=0),
            "DeleteMessage": lambda: sqs.delete_message(**queue, **handle),
            "GetQueueAttributes": lambda: sqs.get_queue_attributes(**queue),
            "ChangeMessageVisibility": lambda: sqs.change_message_visibility(
                **queue, **handle, VisibilityTimeout=0
            ),
        }
        assert action in calls, f"say here how {action} is tried"
        calls[action]()

    def _dynamodb(self, action: str, _on: str) -> None:
        client = self._clients["dynamodb"]
        table, key = {"TableName": self._outputs["LedgerTableName"]}, {"id": {"S": "of-no-delivery"}}
        only_if_there = {"ConditionExpression": "attribute_exists(id)"}
        calls: Mapping[str, Callable[[], Any]] = {
            "GetItem": lambda: client.get_item(**table, Key=key),
            "PutItem": lambda: client.put_item(**table, Item=key, **only_if_there),
            "UpdateItem": lambda: client.update_item(**table, Key=key, **only_if_there),
            "Query": lambda: client.query(
                **table,
                IndexName=BY_STATE,
                KeyConditionExpression="#state = :none",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":none": {"S": "none"}},
            ),
        }
        assert action in calls, f"say here how {action} is tried"
        calls[action]()

    def _secretsmanager(self, action: str, on: str) -> None:
        assert action == "GetSecretValue"
        self._clients["secretsmanager"].get_secret_value(SecretId=self._outputs[f"{on}Name"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_confined_to_its_own(pipeline: Pipeline, roles: Roles, function: str) -> None:
    """Of all that any of the functions may do, each may do its own part and nothing of the others'."""
    # The emulator names a log group without the streams in it, which the policies do name.
    granted = {each for each in roles.granted() if not each.action.startswith("logs:")}
    probe = Probe(roles, function, pipeline.ready["outputs"])
    every = {replace(each, function=function) for each in granted}
    allowed = {each for each in every if probe.allowed(each)}
    assert sorted(map(str, allowed)) == sorted(str(each) for each in granted if each.function == function)
    assert len(every) > len(allowed)


@pytest.mark.parametrize(
    ("function", "action", "on"),
    [
        ("Ingest", "sqs:ReceiveMessage", "deliveries"),
        ("Ingest", "secretsmanager:GetSecretValue", "GitHubSecret"),
        ("Ingest", "dynamodb:GetItem", "ledger"),
        ("Dispatch", "sqs:SendMessage", "deliveries"),
        ("Dispatch", "secretsmanager:GetSecretValue", "DatabricksSecret"),
        ("Dispatch", "sqs:ReceiveMessage", "dead letters"),
        ("Console", "secretsmanager:GetSecretValue", "DatabricksSecret"),
        ("Console", "secretsmanager:GetSecretValue", "GitHubSecret"),
        ("Console", "dynamodb:UpdateItem", "ledger"),
    ],
)
def test_what_docs_promise_is_refused(
    pipeline: Pipeline, roles: Roles, function: str, action: str, on: str
) -> None:
    """What docs/security.md says of the roles holds whatever the policies are called."""
    probe = Probe(roles, function, pipeline.ready["outputs"])
    assert not probe.allowed(Permission(function, action, on))


def _as_plain_http(request: Any, **_: Any) -> None:
    """Say of a request that it came without TLS, as a proxy before AWS would."""
    request.headers["X-Forwarded-Proto"] = "http"


@pytest.mark.parametrize("queue", ["QueueUrl", "DeadLetterQueueUrl"])
def test_a_queue_refuses_plain_http_by_its_policy(pipeline: Pipeline, roles: Roles, queue: str) -> None:
    """Who may ask a queue may do so over TLS alone, and it is the queue's own policy that says so."""
    url = {"QueueUrl": pipeline.ready["outputs"][queue]}
    function = "Dispatch" if queue == "QueueUrl" else "Console"
    tls, plain, owner = roles.client(function, "sqs"), roles.client(function, "sqs"), pipeline.client("sqs")
    plain.meta.events.register("before-send.sqs.*", _as_plain_http)
    policy: Any = owner.get_queue_attributes(**url, AttributeNames=["Policy"])["Attributes"]
    assert tls.get_queue_attributes(**url)["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        plain.get_queue_attributes(**url)
    owner.set_queue_attributes(**url, Attributes={"Policy": ""})
    try:
        assert plain.get_queue_attributes(**url)["ResponseMetadata"]["HTTPStatusCode"] == 200
    finally:
        owner.set_queue_attributes(**url, Attributes=policy)


def test_nothing_is_answered_without_tls(pipeline: Pipeline) -> None:
    """Plain HTTP gets no answer, and who does not know the certificate breaks off."""
    address = pipeline.ready["aws_endpoint_url"].removeprefix("https://")
    for url in (f"http://{address}/", f"https://{address}/"):
        with pytest.raises(urllib3.exceptions.HTTPError), urllib3.PoolManager(retries=False) as pool:
            pool.request("GET", url, timeout=10.0)
    with urllib3.PoolManager(retries=False, ca_certs=pipeline.ready["ca_bundle"]) as pool:
        assert pool.request("GET", f"https://{address}/_ministack/health", timeout=10.0).status == 200
