"""The clients of a bundle, of whose botocore much was removed, do what whole ones do."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra import bundling

from .conftest import MakeBundle
from .running import run

WHOLE = Path(botocore.__file__).parents[1]

KEY: dict[str, Any] = {"id": {"S": "d-1"}}
PUT = {
    "TableName": "ledger",
    "Item": {**KEY, "revision": {"N": "2"}},
    "ConditionExpression": "revision = :revision",
    "ExpressionAttributeValues": {":revision": {"N": "1"}},
}
MESSAGE = {
    "QueueUrl": "http://127.0.0.1/0/q.fifo",
    "MessageBody": "{}",
    "MessageGroupId": "g",
    "MessageDeduplicationId": "d",
    "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "expired"}},
}
QUEUE = {"QueueUrl": "http://127.0.0.1/0/q.fifo"}
RECEIPT = {**QUEUE, "ReceiptHandle": "h"}

CALLS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "secretsmanager",
        "get_secret_value",
        {"SecretId": "s", "VersionStage": "AWSCURRENT"},
        {"SecretString": "x"},
    ),
    (
        "sqs",
        "send_message",
        MESSAGE,
        {
            "MessageId": "m",
            "MD5OfMessageBody": "99914b932bd37a50b983c5e7c90ae93b",
            "SequenceNumber": "1",
        },
    ),
    ("sqs", "change_message_visibility", {**RECEIPT, "VisibilityTimeout": 7}, {}),
    ("sqs", "get_queue_attributes", {**QUEUE, "AttributeNames": ["All"]}, {"Attributes": {"a": "1"}}),
    (
        "sqs",
        "receive_message",
        {**QUEUE, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "VisibilityTimeout": 30},
        {"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "{}"}]},
    ),
    ("sqs", "delete_message", RECEIPT, {}),
    (
        "sqs",
        "change_message_visibility_batch",
        {**QUEUE, "Entries": [{"Id": "0", "ReceiptHandle": "h", "VisibilityTimeout": 0}]},
        {"Successful": [{"Id": "0"}], "Failed": []},
    ),
    ("dynamodb", "get_item", {"TableName": "ledger", "Key": KEY, "ConsistentRead": True}, {"Item": KEY}),
    ("dynamodb", "put_item", PUT, {}),
    ("dynamodb", "transact_write_items", {"TransactItems": [{"Put": PUT}]}, {}),
    (
        "dynamodb",
        "query",
        {
            "TableName": "ledger",
            "IndexName": "by-state",
            "KeyConditionExpression": "#key = :key",
            "ExpressionAttributeNames": {"#key": "state"},
            "ExpressionAttributeValues": {":key": {"S": "waiting"}},
            "ScanIndexForward": False,
            "Limit": 100,
        },
        {"Items": [KEY], "Count": 1},
    ),
]
"""Each call that the functions make: service, method, parameters, and what AWS answers."""

CALL = """
from functions.core import aws
service, method, parameters = asked
said = getattr(aws.client(service), method)(**parameters)
said.pop("ResponseMetadata")
answer = said
"""

WHOLE_CALL = """
import botocore.session
from botocore.config import Config
service, method, parameters = asked
config = Config(retries={"mode": "standard", "total_max_attempts": 2})
said = getattr(botocore.session.get_session().create_client(service, config=config), method)(**parameters)
said.pop("ResponseMetadata")
answer = said
"""


class Service:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.asked.append((self.command, self.path, dict(self.headers), body))
                status, content = service.answers.pop(0)
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST  # noqa: N815 - what http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    """A service of AWS on this machine."""
    started = Service()
    thread = threading.Thread(target=started.server.serve_forever, args=(0.01,))
    thread.start()
    yield started
    started.server.shutdown()
    started.server.server_close()
    thread.join()


@pytest.fixture
def folder(made: MakeBundle) -> Path:
    """The bundle that has clients for all services."""
    return made(bundling.DISPATCH, bundling.HERE)


def asked_for(request: tuple[str, str, dict[str, str], bytes]) -> dict[str, Any]:
    """Give what a request asks for, without what tells one time, port or program from another."""
    method, path, headers, body = request
    own = {"X-Amz-Date", "Authorization", "User-Agent", "amz-sdk-invocation-id", "Host", "amz-sdk-request"}
    own |= {"Content-Length"} if b"ClientRequestToken" in body else set()
    kept = {name: value for name, value in headers.items() if name not in own}
    content = json.loads(body)
    content.pop("ClientRequestToken", None)  # made up anew for each call
    return {"method": method, "path": path, "headers": kept, "body": content}


@pytest.mark.parametrize(("name", "method", "parameters", "said"), CALLS, ids=lambda part: str(part)[:30])
def test_every_call_is_the_one_of_a_whole_botocore(
    service: Service, folder: Path, name: str, method: str, parameters: dict[str, Any], said: dict[str, Any]
) -> None:
    """The request is the same to the byte, and the answer is read the same."""
    service.answers += [(200, said), (200, said)]
    variables = {"AWS_ENDPOINT_URL": service.url}
    ours = run(CALL, folder, (name, method, parameters), variables)
    whole = run(WHOLE_CALL, WHOLE, (name, method, parameters), variables)
    assert ours == whole == said
    one, other = map(asked_for, service.asked)
    assert one == other


def test_the_calls_are_all_that_the_functions_make() -> None:
    """Whatever method of a client is called anywhere in the functions is in the list above."""
    called = re.compile(r"(?:_client|\.client)\.([a-z_]+)\(")
    sources = [path.read_text(encoding="utf-8") for path in (bundling.ROOT / "functions").rglob("*.py")]
    found = {name for source in sources for name in called.findall(source)} - {"get_paginator"}
    assert found <= {method for _, method, _, _ in CALLS}
    assert len(found) >= 8


def test_the_signature_is_right(service: Service, folder: Path) -> None:
    """A whole botocore comes to the same signature for the same request at the same moment."""
    service.answers.append((200, {"SecretString": "x"}))
    parameters = {"SecretId": "s", "VersionStage": "AWSCURRENT"}
    token = {"AWS_ENDPOINT_URL": service.url, "AWS_SESSION_TOKEN": "session"}
    run(CALL, folder, ("secretsmanager", "get_secret_value", parameters), token)
    [(method, path, headers, body)] = service.asked
    given = re.search(r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$", headers["Authorization"])
    assert given
    signed = {name: value for name, value in headers.items() if name.lower() in given[1].split(";")}
    request = AWSRequest(method, f"{service.url}{path}", headers=signed, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    credentials = Credentials("AKIDEXAMPLE", "made-up", "session")
    judge = SigV4Auth(credentials, "secretsmanager", "eu-west-1")
    text = judge.string_to_sign(request, judge.canonical_request(request))
    assert judge.signature(text, request) == given[2]
    assert headers["X-Amz-Security-Token"] == "session"


@pytest.mark.parametrize("failure", [(500, {}), (400, {"__type": "ThrottlingException"})])
def test_a_failed_call_is_tried_once_more(service: Service, folder: Path, failure: tuple[int, Any]) -> None:
    """What the service fails at, or is too busy for, is asked twice."""
    service.answers += [failure, (200, {"Item": KEY})]
    asked = ("dynamodb", "get_item", {"TableName": "ledger", "Key": KEY})
    assert run(CALL, folder, asked, {"AWS_ENDPOINT_URL": service.url}) == {"Item": KEY}
    told = [request[2]["amz-sdk-request"].split("; ") for request in service.asked]
    assert [[part for part in parts if not part.startswith("ttl=")] for parts in told] == [
        ["attempt=1"],
        ["attempt=2", "max=2"],
    ]


REFUSED = """
from functions.core import aws
client = aws.client(asked["service"])
try:
    getattr(client, asked["method"])(**asked["parameters"])
except getattr(client.exceptions, asked["error"]) as error:
    answer = [error.response["Error"]["Code"], error.response.get("CancellationReasons")]
"""


@pytest.mark.parametrize(
    ("name", "method", "parameters", "error", "told"),
    [
        ("secretsmanager", "get_secret_value", {"SecretId": "s"}, "ResourceNotFoundException", {}),
        ("dynamodb", "put_item", PUT, "ConditionalCheckFailedException", {}),
        (
            "dynamodb",
            "transact_write_items",
            {"TransactItems": [{"Put": PUT}]},
            "TransactionCanceledException",
            {"CancellationReasons": [{"Code": "ConditionalCheckFailed"}]},
        ),
    ],
)
def test_the_errors_that_are_told_apart_keep_their_names(
    service: Service, folder: Path, name: str, method: str, parameters: Any, error: str, told: Any
) -> None:
    """The errors on which the functions decide are there, with what they tell."""
    service.answers.append((400, {"__type": error, **told}))
    asked = {"service": name, "method": method, "parameters": parameters, "error": error}
    said = run(REFUSED, folder, asked, {"AWS_ENDPOINT_URL": service.url})
    assert said == [error, told.get("CancellationReasons")]


ENDPOINTS = """
import botocore.session
from botocore.config import Config
def endpoint(service, region, options):
    try:
        client = botocore.session.get_session().create_client(service, region, config=Config(**options))
        return client.meta.endpoint_url
    except Exception as error:
        return type(error).__name__
answer = [endpoint(*one) for one in asked]
"""


def test_endpoints_are_those_of_a_whole_botocore(folder: Path) -> None:
    """In every partition, and with every kind of endpoint, a client goes where a whole one goes."""
    services = ("dynamodb", "secretsmanager", "sqs")
    regions = ("us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "xx-none-1")
    options: list[dict[str, bool]] = [{}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}]
    asked = [[service, region, option] for service in services for region in regions for option in options]
    ours = run(ENDPOINTS, folder, asked)
    assert ours == run(ENDPOINTS, WHOLE, asked)
    assert ours[3] == "https://dynamodb.eu-west-1.amazonaws.com"
    assert len(set(ours)) > 25


KEYS = """
import botocore.session
found = botocore.session.get_session().get_credentials()
answer = [found.access_key, found.token, found.method]
"""


def test_credentials_come_from_where_lambda_keeps_them(service: Service, folder: Path) -> None:
    """They are in the environment, or, where a snapshot is restored, at an address on the same machine."""
    environment = {"AWS_SESSION_TOKEN": "session"}
    assert run(KEYS, folder, None, environment) == ["AKIDEXAMPLE", "session", "env"]
    keys = {"AccessKeyId": "there", "SecretAccessKey": "s", "Token": "t"}
    keys["Expiration"] = "2099-01-01T00:00:00Z"
    service.answers.append((200, keys))
    snapshot = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{service.url}/keys",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "proof",
    }
    assert run(KEYS, folder, None, snapshot) == ["there", "t", "container-role"]
    assert service.asked[0][2]["Authorization"] == "proof"


IMPORT_ALL = """
import importlib, pathlib
def names(folder):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        parts = path.relative_to(folder).with_suffix("").parts
        if path.suffix in {".py", ".pyc"} and "__pycache__" not in parts:
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
answer = {}
for name in names(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ImportError as error:
        answer[name] = str(error)
"""


@pytest.mark.parametrize(
    "bundle", [bundling.INGEST, bundling.DISPATCH, bundling.CONSOLE], ids=lambda bundle: bundle.name
)
def test_every_module_that_was_kept_can_be_imported(made: MakeBundle, bundle: bundling.Bundle) -> None:
    """No module needs one that was removed."""
    assert run(IMPORT_ALL, made(bundle, bundling.HERE)) == {}


def test_a_paginator_pages(service: Service, folder: Path) -> None:
    """What reads many pages reads them all."""
    service.answers += [(200, {"Items": [KEY], "LastEvaluatedKey": KEY}), (200, {"Items": [KEY]})]
    code = """
from functions.core import aws
pages = aws.client("dynamodb").get_paginator("query").paginate(**asked)
answer = [item for page in pages for item in page["Items"]]
"""
    asked = {"TableName": "ledger", "KeyConditionExpression": "id = :id"}
    assert run(code, folder, asked, {"AWS_ENDPOINT_URL": service.url}) == [KEY, KEY]
