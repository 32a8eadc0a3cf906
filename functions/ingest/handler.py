"""The ingest function: API Gateway in; a log line, a line of metrics and an answer out."""

from __future__ import annotations

from functions.core import start

# isort: split
import os
import time
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from functions.core import aws
from functions.core.log import line_logger
from functions.core.metrics import INGEST, NAMESPACE_VARIABLE, Meter
from functions.core.secrets import Secret
from functions.core.settings import load
from functions.ingest.http import Refused, Request, Response, Unexpected
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.senders import SENDERS

logger = line_logger(INGEST)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer one HTTP request. Never fails: what we did not expect is a 503, so that nothing is lost."""
    try:
        ingest = _ingest()
        response = ingest.answer(Request.from_api_gateway(event, ingest.max_body_bytes))
    except Refused as refused:
        response = Response.refusing(refused)
    except Exception as error:  # noqa: BLE001 - a sender that gets a 5xx with Retry-After can come again
        # The error's text may quote the payload, so only its type and place are logged.
        logger.error("unexpected", error=type(error).__name__, where=_place(error))  # noqa: TRY400 - see above
        response = Response.refusing(Unexpected("Something failed here; please send it again."))
    _log(event, response)
    _meter().record(response.counts, response.reason)
    return response.to_api_gateway()


@cache
def _ingest() -> Ingest:
    """Build ingest once. A failed attempt is not kept, so the next request tries again."""
    settings = load()
    senders = {name: SENDERS[name] for name in settings.ingest.senders}
    secrets_manager = aws.client("secretsmanager")
    return Ingest(
        settings,
        senders,
        secrets={
            name: Secret(secrets_manager, os.environ[sender.secret_variable], time.time)
            for name, sender in senders.items()
        },
        queue=DeliveryQueue(aws.client("sqs"), os.environ["QUEUE_URL"]),
        clock=time.time,
    )


@cache
def _meter() -> Meter:
    """Build the meter apart from ingest: a function that could not be built must be counted too."""
    return Meter(INGEST, os.environ.get(NAMESPACE_VARIABLE, ""))


def _log(event: Mapping[str, Any], response: Response) -> None:
    level = logger.warning if response.status >= HTTPStatus.BAD_REQUEST else logger.info
    facts = {"reason": response.reason, **response.facts} if response.reason else response.facts
    level(
        "request",
        **_asked(event),
        status=int(response.status),
        **facts,
    )


def _asked(event: Mapping[str, Any]) -> dict[str, Any]:
    """Give method and path; nothing where the event is none of API Gateway's, which must not fail either."""
    try:
        return {"method": event["requestContext"]["http"]["method"][:20], "path": event["rawPath"][:100]}
    except (KeyError, TypeError):
        return {}


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"


start.ready(_ingest)
