"""The webhooks of an MLflow server of one's own, over its REST API.

Source: the protocol in MLflow's `protos/webhooks.proto`, since 3.3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3

from functions.ingest.senders import SENDERS
from modelrelay.errors import CommandError
from modelrelay.operate.webhooks import ACTIVE, DESCRIPTION, Tested, Wanted, Webhook, without

_PATH: Final = "/api/2.0/mlflow/webhooks"
_SECONDS: Final = 30.0
_NAME: Final = "model-relay"
_BAD_REQUEST: Final = 400


class Mlflow:
    """An MLflow server's webhooks.

    Args:
        uri: The server's address.
        variables: Where MLflow's own tools find a login: `MLFLOW_TRACKING_TOKEN`, or `…_USERNAME` and
            `…_PASSWORD`.
    """

    sender = SENDERS["mlflow"]

    def __init__(self, uri: str, variables: Mapping[str, str] = os.environ) -> None:
        self._base = f"{uri.rstrip('/')}{_PATH}"
        self._headers = {"Content-Type": "application/json", **_login(variables)}

    def webhooks(self) -> list[Webhook]:
        """List all webhooks."""
        found: list[Webhook] = []
        token = ""
        while True:
            query = urlencode({"max_results": 100} | ({"page_token": token} if token else {}))
            page = self._call("GET", f"?{query}")
            found += [_webhook(each) for each in page.get("webhooks", [])]
            token = page.get("next_page_token", "")
            if not token:
                return found

    def create(self, wanted: Wanted) -> Webhook:
        """Make a webhook. MLflow has none for a single model."""
        if wanted.model:
            raise CommandError(
                "MLflow's webhooks are for all models: leave --model out, and filter by routes."
            )
        content = {**_content(wanted), "name": _NAME, "description": DESCRIPTION}
        return _webhook(self._call("POST", "", content, wanted.secret)["webhook"])

    def update(self, webhook_id: str, wanted: Wanted) -> Webhook:
        """Change a webhook, and make it active."""
        content = {**_content(wanted), "status": ACTIVE}
        return _webhook(self._call("PATCH", _of(webhook_id), content, wanted.secret)["webhook"])

    def delete(self, webhook_id: str) -> None:
        """Remove a webhook."""
        self._call("DELETE", _of(webhook_id))

    def test(self, webhook_id: str, event: str | None) -> Tested:
        """Have a test delivery sent."""
        content = {"event": _event(event)} if event else {}
        told = self._call("POST", f"{_of(webhook_id)}/test", content)["result"]
        return Tested(
            int(told.get("response_status") or 0),
            str(told.get("response_body") or told.get("error_message") or ""),
        )

    def _call(self, method: str, path: str, content: Any = None, hidden: str = "") -> Any:
        body = None if content is None else json.dumps(content)
        try:
            answer = urllib3.request(
                method, self._base + path, body=body, headers=self._headers, timeout=_SECONDS, retries=False
            )
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise CommandError(f"MLflow does not answer at that address ({type(error).__name__}).") from None
        try:
            told = json.loads(answer.data or b"{}")
        except ValueError:
            told = None
        if answer.status >= _BAD_REQUEST or not isinstance(told, dict):
            message = told.get("message", "") if isinstance(told, dict) else "no MLflow is there"
            raise CommandError(f"MLflow refused ({answer.status}): {without(message, hidden)}")
        return told


def _content(wanted: Wanted) -> dict[str, Any]:
    events = {"events": [_event(name) for name in wanted.events]} if wanted.events else {}
    return {"url": wanted.url, "secret": wanted.secret, **events}


def _event(name: str) -> dict[str, str]:
    entity, dot, action = name.partition(".")
    if not dot:
        raise CommandError(f"{name} is no event of MLflow's: those are like model_version_alias.created.")
    return {"entity": entity.upper(), "action": action.upper()}


def _webhook(told: Mapping[str, Any]) -> Webhook:
    events: Sequence[Mapping[str, str]] = told.get("events", [])
    return Webhook(
        id=str(told.get("webhook_id", "")),
        url=str(told.get("url", "")),
        events=tuple(f"{each['entity']}.{each['action']}".lower() for each in events),
        status=str(told.get("status", "")),
        description=str(told.get("description", "")),
    )


def _of(webhook_id: str) -> str:
    return f"/{quote(webhook_id, safe='')}"


def _login(variables: Mapping[str, str]) -> dict[str, str]:
    if token := variables.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    username = variables.get("MLFLOW_TRACKING_USERNAME")
    password = variables.get("MLFLOW_TRACKING_PASSWORD")
    if username and password:
        return urllib3.make_headers(basic_auth=f"{username}:{password}")
    return {}
