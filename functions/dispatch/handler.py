"""The dispatch function: a batch of deliveries in, workflow runs and one log line an attempt out."""

from __future__ import annotations

from functions.core import start

# isort: split
import os
import time
from functools import cache, partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from functions.core import aws
from functions.core.ledger import Ledger
from functions.core.log import line_logger
from functions.core.metrics import DISPATCH, NAMESPACE_VARIABLE, Meter
from functions.core.secrets import Secret
from functions.core.settings import load
from functions.dispatch.batch import Batch
from functions.dispatch.books import Books
from functions.dispatch.calls import Calls
from functions.dispatch.credentials import Credentials
from functions.dispatch.engine import Engine
from functions.dispatch.gate import Gate
from functions.dispatch.github import GitHub
from functions.dispatch.pacing import Pace
from functions.dispatch.settlement import Queues
from functions.dispatch.transport import Transport, pool
from functions.dispatch.trouble import Trouble

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = line_logger(DISPATCH)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Dispatch a batch; the answer names the messages that stay on the queue."""
    return _batch().run(event, context)


@cache
def _batch() -> Batch:
    """Build everything once. A failed attempt is not kept, so the next batch tries again."""
    settings = load()
    secret_id, table = os.environ["GITHUB_SECRET_ID"], os.environ["LEDGER_TABLE"]
    dynamodb = aws.client("dynamodb")
    ledger = Ledger(dynamodb, table)
    github = GitHub(settings.github, Transport(pool(settings.github)))
    secret = Secret(aws.client("secretsmanager"), secret_id, time.time, stages=("AWSCURRENT",))
    credentials = Credentials(secret, github, time.time, apps=settings.github.credential == "any")
    pace = Pace(settings.github.max_per_minute, settings.github.max_per_hour)
    gate = Gate(
        dynamodb,
        os.environ["GATE_TABLE"],
        os.environ["GATE_NAME"],
        ledger=ledger,
        pace=pace,
        clock=time.time,
        sleep=time.sleep,
    )
    books = Books(ledger, time.time, time.sleep)
    routes = {route.name: route for route in settings.routes}
    calls = Calls(
        routes=routes,
        ledger=ledger,
        books=books,
        gate=gate,
        github=github,
        credentials=credentials,
        trouble=Trouble(gate=gate, credentials=credentials, books=books, clock=time.time, sleep=time.sleep),
        clock=time.time,
        sandbox=token_hex(8),
    )
    engine = Engine(
        routes=routes,
        ledger=ledger,
        calls=calls,
        max_age_seconds=settings.max_age_hours * 3600,
        clock=time.time,
        holder=partial(token_hex, 8),
    )
    queues = Queues(aws.client("sqs"), os.environ["QUEUE_URL"], os.environ["DEAD_LETTER_QUEUE_URL"])
    meter = Meter(DISPATCH, os.environ.get(NAMESPACE_VARIABLE, ""))
    return Batch(engine, queues, logger.info, meter, time.time)


start.ready(_batch)
