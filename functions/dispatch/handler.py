"""The dispatch function: a batch of deliveries in, workflow runs and one log line an attempt out."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import urllib3
from aws_lambda_powertools import Logger

from functions.core import aws
from functions.core.ledger import Ledger
from functions.core.secrets import Secret
from functions.core.settings import load
from functions.dispatch.batch import Batch
from functions.dispatch.credentials import Credentials
from functions.dispatch.engine import Engine
from functions.dispatch.github import GitHub
from functions.dispatch.settlement import Queues

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="dispatch")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Dispatch a batch; the answer names the messages that stay on the queue."""
    return _batch().run(event, context)


@cache
def _batch() -> Batch:
    """Build everything once. A failed attempt is not kept, so the next batch tries again."""
    settings = load()
    secret = Secret(
        aws.client("secretsmanager"), os.environ["GITHUB_SECRET_ID"], time.time, stages=("AWSCURRENT",)
    )
    engine = Engine(
        routes={route.name: route for route in settings.routes},
        ledger=Ledger(aws.client("dynamodb"), os.environ["LEDGER_TABLE"]),
        github=GitHub(settings.github, urllib3.PoolManager()),
        credentials=Credentials(secret),
        max_age_seconds=settings.max_age_hours * 3600,
        clock=time.time,
    )
    queues = Queues(aws.client("sqs"), os.environ["QUEUE_URL"], os.environ["DEAD_LETTER_QUEUE_URL"])
    return Batch(engine, queues, logger.info, time.time)
