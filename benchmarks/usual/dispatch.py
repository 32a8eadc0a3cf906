"""A queue's messages to GitHub, the usual way."""

from __future__ import annotations

import os
from typing import Any

import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import BaseModel
from aws_lambda_powertools.utilities.parser.models import SqsRecordModel
from aws_lambda_powertools.utilities.parser.types import Json
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="dispatch")
metrics = Metrics(namespace="Usual", service="dispatch")
persistence = DynamoDBPersistenceLayer(table_name=os.environ["LEDGER_TABLE"])
config = IdempotencyConfig(expires_after_seconds=3600)


class Event(BaseModel):
    """What happened."""

    model_name: str
    version: str
    to_stage: str


class Message(BaseModel):
    """What ingest wrote."""

    id: str
    route: str
    event: Event


class Record(SqsRecordModel):
    """A record of the queue."""

    body: Json[Message]


processor = SqsFifoPartialProcessor(model=Record)


@idempotent_function(data_keyword_argument="message", persistence_store=persistence, config=config)  # type: ignore[untyped-decorator]
def start(*, message: dict[str, Any]) -> int:
    """Start the workflow, once."""
    token = parameters.get_secret(os.environ["GITHUB_SECRET_ID"], transform="json", max_age=240)["token"]
    answer = requests.post(
        f"{os.environ['GITHUB_API_URL']}/repos/acme/models/actions/workflows/deploy.yml/dispatches",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
        json={"ref": "main", "inputs": {"model_name": message["event"]["model_name"]}},
        timeout=10,
    )
    answer.raise_for_status()
    return answer.status_code


def work(record: Record) -> None:
    """Work on one record."""
    status = start(message=record.body.model_dump())
    metrics.add_metric(name="Dispatched", unit=MetricUnit.Count, value=1)
    logger.info("dispatched", status=status, delivery=record.body.id)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch."""
    config.register_lambda_context(context)
    return dict(process_partial_response(event, work, processor, context))
