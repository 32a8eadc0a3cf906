"""The check-up's questions to both ends of the webhook: is it registered, and does ingest take it?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from functions.ingest.senders import SENDERS
from modelrelay import send
from modelrelay.operate import secrets, webhooks
from modelrelay.operate.findings import Chain, Finding, not_checked, ok, problem

HOST_VARIABLE: Final = "DATABRICKS_HOST"
_DATABRICKS: Final = SENDERS["databricks"]
_WEBHOOK_ID: Final = "modelrelay-doctor"
_MOST_WORDS: Final = 300
_MENDS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "A rotated secret is known after five minutes. If not: is --url this stack's?",
    HTTPStatus.FORBIDDEN: "This machine's address is not in relay.ingest.allowed_cidrs.",
}


def databricks_webhook(chain: Chain) -> Iterator[Finding]:
    """Look whether Databricks' webhook posts here and is active."""
    if _DATABRICKS.name not in chain.settings.ingest.senders:
        yield not_checked("the sender databricks is not enabled")
        return
    if not chain.variables.get(HOST_VARIABLE):
        yield not_checked(f"{HOST_VARIABLE} is not set")
        return
    url = webhooks.address(chain.session, _DATABRICKS, chain.url)
    found = webhooks.ours(webhooks.Databricks(webhooks.workspace()), url)
    if not found:
        yield problem(f"None posts to {url}.", "modelrelay webhook register")
    for each in found:
        whose = each.model or "all models"
        if each.status == webhooks.ACTIVE:
            yield ok(f"it is active, for {whose} and {', '.join(each.events)}", each.id)
        else:
            yield problem(
                f"It is {each.status}, for {whose}.", f"modelrelay webhook update {each.id}", each.id
            )


def ingest(chain: Chain) -> Iterator[Finding]:
    """Post a signed test delivery as Databricks does, which starts nothing."""
    if _DATABRICKS.name not in chain.settings.ingest.senders:
        yield not_checked("the sender databricks is not enabled, and only its test delivery is sent")
        return
    secret = secrets.value(chain.session, secrets.name_of(chain.session, _DATABRICKS))
    if not secrets.is_usable(_DATABRICKS, secret):
        yield not_checked("there is no secret to sign with")
        return
    body = sample_delivery(chain.clock())
    url = webhooks.address(chain.session, _DATABRICKS, chain.url)
    reply = send.post(url, body, send.signature_headers(secret, body))
    if reply.status == HTTPStatus.OK:
        yield ok(f"{url} takes a signed test delivery")
        return
    said = json.dumps(reply.content)[:_MOST_WORDS]
    mend = _MENDS.get(reply.status, "See the log of the ingest function.")
    yield problem(f"{url} answers {reply.status}: {said}", mend)


def sample_delivery(now: float) -> bytes:
    """Write what Databricks sends when somebody tests a webhook: it names no model."""
    return json.dumps(
        {
            "event": "MODEL_VERSION_TRANSITIONED_STAGE",
            "webhook_id": _WEBHOOK_ID,
            "event_timestamp": int(now * 1000),
            "model_name": "",
            "text": "A test webhook trigger for modelrelay doctor",
        }
    ).encode()
