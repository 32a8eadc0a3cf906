"""The console function: CloudWatch's dashboard in; HTML out, whatever happens."""

from __future__ import annotations

from functions.core import start

# isort: split
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from functions.console import view
from functions.console.act import Replayer, Wanted
from functions.console.look import Looker
from functions.core import aws
from functions.core.ledger import Ledger, LedgerUnavailable
from functions.core.log import line_logger
from functions.core.settings import load
from functions.operate.audit import Audit
from functions.operate.letters import DeadLetters
from functions.operate.replay import DeliveryQueue, ReplayStopped

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SPARE_SECONDS: Final = 15.0
"""What must be left of the invocation to let go of letters and to write the record."""

logger = line_logger("console")


class Console:
    """Answers the dashboard.

    Args:
        looker: Reads what is shown.
        replayer: Does what is asked for.
        ledger: What happened to each delivery.
    """

    def __init__(self, looker: Looker, replayer: Replayer, ledger: Ledger) -> None:
        self._looker = looker
        self._replayer = replayer
        self._ledger = ledger

    def answer(self, event: Mapping[str, Any], endpoint: str, seconds: float) -> str:
        """Answer a call of the dashboard with HTML.

        Args:
            event: The parameters of a button, if one was pressed, and `widgetContext`.
            endpoint: This function's ARN.
            seconds: How long it may take.

        Raises:
            LedgerUnavailable, ClientError, BotoCoreError, ReplayStopped: AWS fails.
        """
        context = event.get("widgetContext") or {}
        theme, delivery = str(context.get("theme", "")), str(event.get("delivery") or "")
        match event.get("action"):
            case "replay":
                wanted = Wanted(delivery, str(event.get("reason") or ""))
                until = time.time() + seconds - SPARE_SECONDS
                who = f"the dashboard {context.get('dashboardName', '')}".strip()
                return view.done(self._replayer.replay(wanted, who, until), theme)
            case "show":
                record = self._ledger.find(delivery)
                if record is None:
                    return view.trouble("The ledger knows no such delivery any more.", theme)
                return view.story(record, time.time(), theme)
            case _:
                return view.overview(self._looker.overview(), endpoint, theme)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> str | dict[str, str]:
    """Answer the dashboard; what goes wrong is told in a sentence."""
    if event.get("describe"):
        return {"markdown": view.DESCRIPTION}
    try:
        seconds = context.get_remaining_time_in_millis() / 1000
        html = _console().answer(event, context.invoked_function_arn, seconds)
    except (LedgerUnavailable, ClientError, BotoCoreError, ReplayStopped) as error:
        logger.warning("failed", action=str(event.get("action"))[:20], error=type(error).__name__)
        return view.trouble(f"AWS did not do as it was told ({type(error).__name__}). Try again.", "")
    if event.get("action"):
        logger.info("acted", action=str(event["action"])[:20])
    return html


@cache
def _console() -> Console:
    """Build everything once. A failed attempt is not kept, so the next call tries again."""
    sqs, dynamodb, table = aws.client("sqs"), aws.client("dynamodb"), os.environ["LEDGER_TABLE"]
    ledger = Ledger(dynamodb, table)
    letters = DeadLetters(sqs, os.environ["DEAD_LETTER_QUEUE_URL"], patience=0)
    replayer = Replayer(
        letters=letters,
        queue=DeliveryQueue(sqs, os.environ["QUEUE_URL"]),
        ledger=ledger,
        audit=Audit(dynamodb, table),
        routes=frozenset(route.name for route in load().routes),
        clock=time.time,
    )
    return Console(Looker(ledger, letters, time.time), replayer, ledger)


start.ready(_console)
