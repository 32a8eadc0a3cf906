"""What the functions are invoked with: a signed webhook of Databricks, and a message of the queue."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from functions.core.delivery import Delivery
from functions.core.event import STAGE_TRANSITIONED, Event
from functions.core.settings import GitHubSettings, IngestSettings, RelaySettings
from tests.unit.samples import ROUTE

SECRET: Final = "a made-up webhook secret"  # noqa: S105 - it opens nothing
SMALL_BYTES: Final = 1_000
LARGE_BYTES: Final = 250_000


def settings(github_url: str) -> RelaySettings:
    """Give the settings of a stack with the default route, and GitHub at some address."""
    return RelaySettings(
        routes=(ROUTE,),
        github=GitHubSettings(github_url, "2026-03-10"),
        ingest=IngestSettings(("databricks",), (), 1024 * 1024),
        max_age_hours=24,
    )


def body(size: int) -> bytes:
    """Give a stage transition of about so many bytes."""
    event = {
        "event": "MODEL_VERSION_TRANSITIONED_STAGE",
        "webhook_id": "c5596721253c4b429368cf6f4341b88a",
        "event_timestamp": 1589859029343,
        "model_name": "Airline_Delay_SparkML",
        "version": "8",
        "from_stage": "None",
        "to_stage": "Production",
        "text": "",
    }
    event["text"] = "x" * (size - len(json.dumps(event)))
    return json.dumps(event).encode()


def request(content: bytes, secret: str = SECRET) -> dict[str, Any]:
    """Give the event with which API Gateway calls ingest (HTTP API, payload format 2.0).

    Args:
        content: The body.
        secret: What it is signed with.
    """
    signature = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/databricks",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "x-databricks-signature": signature},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "api.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "api",
            "http": {
                "method": "POST",
                "path": "/databricks",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "benchmark",
            },
            "requestId": "r",
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:06:00:00 +0000",
            "timeEpoch": 1795413600000,
        },
        "body": content.decode(),
        "isBase64Encoded": False,
    }


def batch() -> dict[str, Any]:
    """Give the event with which SQS's event source calls dispatch: one delivery, sent now."""
    now = int(time.time() * 1000)
    event = Event(
        source="databricks",
        kind=STAGE_TRANSITIONED,
        name="MODEL_VERSION_TRANSITIONED_STAGE",
        fact="0" * 64,
        occurred_at="2026-11-23T06:00:00.000Z",
        model_name="Airline_Delay_SparkML",
        version="8",
        from_stage="None",
        to_stage="Production",
    )
    delivery = Delivery(event, "default", now)
    message = delivery.to_message()
    record = {
        "messageId": "m-1",
        "receiptHandle": "handle",
        "body": message,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(now),
            "SequenceNumber": "1",
            "MessageGroupId": delivery.group,
            "MessageDeduplicationId": delivery.id,
            "SenderId": "S",
            "ApproximateFirstReceiveTimestamp": str(now),
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(message.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:deliveries.fifo",
        "awsRegion": "eu-west-1",
    }
    return {"Records": [record]}


@cache
def app_secret() -> str:
    """Give a GitHub App's secret with a key that was made just now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return json.dumps({"client_id": "Iv1.made-up", "installation_id": "41", "private_key": pem.decode()})
