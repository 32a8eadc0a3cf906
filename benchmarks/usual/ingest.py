"""A webhook onto a queue, the usual way."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from http import HTTPStatus
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, UnauthorizedError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import BaseModel, ValidationError, parse
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="ingest")
metrics = Metrics(namespace="Usual", service="ingest")
app = APIGatewayHttpResolver()
sqs = boto3.client("sqs")
persistence = DynamoDBPersistenceLayer(table_name=os.environ["LEDGER_TABLE"])
config = IdempotencyConfig(expires_after_seconds=3600)


class Webhook(BaseModel):
    """A stage's transition."""

    event: str
    webhook_id: str
    event_timestamp: int
    model_name: str
    version: str
    from_stage: str
    to_stage: str


@app.post("/databricks")
def receive() -> Response[str]:
    """Verify, parse, store."""
    body = app.current_event.body or ""
    secret = str(parameters.get_secret(os.environ["DATABRICKS_SECRET_ID"], max_age=240))
    given = app.current_event.headers.get("x-databricks-signature", "")
    if not hmac.compare_digest(given, hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()):
        raise UnauthorizedError("The signature is wrong.")
    try:
        webhook = parse(event=json.loads(body), model=Webhook)
    except (ValueError, ValidationError) as error:
        raise BadRequestError("The body is malformed.") from error
    message_id = store(webhook=webhook.model_dump())
    metrics.add_metric(name="Queued", unit=MetricUnit.Count, value=1)
    logger.info("stored", model=webhook.model_name, message_id=message_id)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, '{"stored": true}')


@idempotent_function(data_keyword_argument="webhook", persistence_store=persistence, config=config)  # type: ignore[untyped-decorator]
def store(*, webhook: dict[str, Any]) -> str:
    """Put a webhook onto the queue, once."""
    answer = sqs.send_message(
        QueueUrl=os.environ["QUEUE_URL"],
        MessageBody=Webhook(**webhook).model_dump_json(),
        MessageGroupId=webhook["model_name"],
        MessageDeduplicationId=f"{webhook['model_name']}-{webhook['version']}-{webhook['event_timestamp']}",
    )
    return answer["MessageId"]


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    config.register_lambda_context(context)
    return app.resolve(event, context)
