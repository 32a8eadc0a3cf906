"""API Gateway in front of the real ingest function, as a WSGI application: HTTP in, payload format 2.0 on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from modelrelay.openapi import openapi

from .function import Function, gateway_event

_DESCRIPTION = "/openapi.json"


class Gateway:
    """Answers HTTP requests by way of the function.

    Args:
        function: The function.
    """

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"] == _DESCRIPTION:
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(openapi()).encode()]
        with self._function:
            told = self._function.call(event_of(environ))
        start_response(f"{told.status} {HTTPStatus(told.status).phrase}", [*told.answer["headers"].items()])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else told.answer["body"].encode()]


def event_of(environ: dict[str, Any]) -> dict[str, Any]:
    """Write a WSGI request as API Gateway writes one."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-"): value.encode("latin-1").decode("utf-8", "replace")
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value)
    }
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return gateway_event(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        headers=headers,
        body=environ["wsgi.input"].read(length),
    )
