"""The OpenAPI description of ingest, made from its senders, its answers and what its readers take."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from functions.ingest import databricks, databricks_jobs, mlflow
from functions.ingest.http import Refused
from functions.ingest.sender import Sender
from functions.ingest.senders import SENDERS
from modelrelay.schema import INTEGER, MOMENT, NOTHING, PROSE, TAG_OBJECT, TEXT, WHOLE_NUMBER, event_schema

GATEWAYS: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR})
"""The answers that API Gateway gives by itself, without our function or in its place."""

_NAME: Final = {**TEXT, "minLength": 1}
_OPTIONAL: Final = {"anyOf": [TEXT, NOTHING]}
_ID: Final = {"anyOf": [_NAME, INTEGER]}
_VERSION: Final = {"anyOf": [*WHOLE_NUMBER, NOTHING]}


@dataclass(frozen=True, slots=True)
class Description:
    """What the code of a sender does not say of itself in a form that a program reads.

    Attributes:
        summary: Who calls, in a line.
        proof: The security schemes by name; a request must have all of them.
        body: The JSON Schema of a request's body. What is valid by it is never malformed.
        example: A body.
    """

    summary: str
    proof: Mapping[str, Mapping[str, str]]
    body: Mapping[str, Any]
    example: Mapping[str, Any]


def _header(name: str, words: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name, "description": words}


def _shape(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": properties}


_STANDARD: Final = "`v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`"

_DATABRICKS: Final = Description(
    "A webhook of Databricks' Workspace Model Registry.",
    {
        "databricksSignature": _header(
            "X-Databricks-Signature",
            "The lower-case hex HMAC-SHA256 of the body's bytes, with the secret as key.",
        )
    },
    _shape(
        ("event", "webhook_id", "event_timestamp", "model_name"),
        event={**TEXT, "examples": [*databricks.EVENTS], "description": "Another one is answered 200."},
        webhook_id=TEXT,
        event_timestamp={
            "description": "When it happened, in milliseconds since the epoch.",
            "type": "integer",
            "minimum": 0,
            "maximum": 32_503_680_000_000,
        },
        model_name={**TEXT, "description": "Empty in a test delivery."},
        version=_VERSION,
        from_stage=_OPTIONAL,
        to_stage=_OPTIONAL,
        tags={
            "anyOf": [
                {
                    "type": "array",
                    "items": _shape(
                        ("key", "value"), key={"type": "string", "pattern": TEXT["pattern"]}, value=PROSE
                    ),
                },
                NOTHING,
            ]
        },
        comment={"type": ["string", "null"]},
        text={"description": "Prose. It is never read, but for how a test delivery's begins."},
    ),
    {
        "event": "MODEL_VERSION_TRANSITIONED_STAGE",
        "webhook_id": "c5596721253c4b429368cf6f4341b88a",
        "event_timestamp": 1589859029343,
        "model_name": "Airline_Delay_SparkML",
        "version": "8",
        "to_stage": "Production",
        "from_stage": "None",
        "text": "Registered model 'someModel' version 8 transitioned from None to Production.",
    },
)

_MLFLOW: Final = Description(
    "A webhook of MLflow's own registry.",
    {
        "mlflowDeliveryId": _header("X-MLflow-Delivery-Id", "The delivery's id, which is signed along."),
        "mlflowTimestamp": _header(
            "X-MLflow-Timestamp", "When it was signed, in epoch seconds; five minutes off at the most."
        ),
        "mlflowSignature": _header("X-MLflow-Signature", f"{_STANDARD}, with the secret as key."),
    },
    {
        **_shape(
            ("entity", "action", "timestamp", "data"),
            entity={**TEXT, "examples": sorted({name.partition(".")[0] for name in mlflow.EVENTS})},
            action={**TEXT, "examples": sorted({name.partition(".")[2] for name in mlflow.EVENTS})},
            timestamp=MOMENT,
            workspace=_OPTIONAL,
            data=_shape(
                (),
                name=_NAME,
                version=_VERSION,
                alias=_OPTIONAL,
                key=_OPTIONAL,
                value=PROSE,
                tags={"anyOf": [TAG_OBJECT, NOTHING]},
                run_id=_OPTIONAL,
                workspace=_OPTIONAL,
                budget_policy_id=_NAME,
            ),
        ),
        "if": {"properties": {"entity": {"const": "budget_policy"}}},
        "then": {"properties": {"data": {"required": ["budget_policy_id"]}}},
        "else": {"properties": {"data": {"required": ["name"]}}},
    },
    {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": "2026-11-22T20:22:10.969402+00:00",
        "data": {"name": "churn", "alias": "champion", "version": "3"},
    },
)

_JOBS: Final = Description(
    "A notification of Databricks Jobs, from a generic webhook destination.",
    {
        "databricksJobsLogin": {
            "type": "http",
            "scheme": "basic",
            "description": "User name and password of the secret. Nothing signs the body.",
        }
    },
    _shape(
        ("event_type", "workspace_id", "run", "job"),
        event_type={
            **TEXT,
            "examples": [*databricks_jobs.EVENTS],
            "description": "Any other than `jobs.on_…` is answered 200.",
        },
        workspace_id=_ID,
        run=_shape(("run_id",), run_id=_ID, parent_run_id={"anyOf": [TEXT, INTEGER, NOTHING]}),
        job=_shape(("job_id",), job_id=_ID, name=_OPTIONAL),
        task={"anyOf": [_shape((), task_key=_OPTIONAL), NOTHING]},
    ),
    {
        "event_type": "jobs.on_success",
        "workspace_id": 1234567890,
        "run": {"run_id": 41847992357943},
        "job": {"job_id": 281874479417551, "name": "nightly-etl"},
    },
)

_EVENTS: Final = Description(
    "Our own event, by the Standard Webhooks scheme.",
    {
        "webhookId": _header("webhook-id", "The sender's id of the act; the same when it tries again."),
        "webhookTimestamp": _header(
            "webhook-timestamp", "When it was signed, in epoch seconds; five minutes off at the most."
        ),
        "webhookSignature": _header(
            "webhook-signature",
            f"{_STANDARD}, with the secret, decoded from base64, as key. Of several, with a space between "
            "them, one will do.",
        ),
    },
    {key: value for key, value in event_schema().items() if key != "$schema"},
    {
        "type": "model_version.alias_set",
        "timestamp": "2026-11-22T20:22:10.969Z",
        "data": {"model_name": "main.ml.churn", "version": "3", "alias": "champion"},
    },
)

DESCRIPTIONS: Final[Mapping[str, Description]] = {
    "databricks": _DATABRICKS,
    "mlflow": _MLFLOW,
    "databricks-jobs": _JOBS,
    "events": _EVENTS,
}
"""Each sender's."""

_ACCEPTED: Final = {
    **_shape(
        ("deliveries",),
        deliveries={
            "type": "array",
            "minItems": 1,
            "items": {
                **_shape(
                    ("id", "route"),
                    id={
                        "type": "string",
                        "pattern": "^[0-9a-f]{32}$",
                        "description": "The same for whatever tells of the same act.",
                    },
                    route={"type": "string", "minLength": 1},
                ),
                "additionalProperties": False,
            },
        },
    ),
    "additionalProperties": False,
}
_SENTENCE: Final = {"type": "string", "minLength": 1}
_HEADERS: Final[Mapping[str, str]] = {
    "allow": "The method that is taken.",
    "retry-after": "After how many seconds to send it again.",
}


def openapi() -> dict[str, Any]:
    """Give the description (OpenAPI 3.1): a path for each sender that can be enabled."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Model Relay: webhooks in",
            "version": version("model-relay"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "A path for each sender, and for each a proof of its own. A sender that is not enabled, and "
                "every other path, is answered 404. Try again on 429, 5xx and silence; another 4xx says "
                "what is wrong."
            ),
        },
        "servers": [
            {
                "url": "{ingest_url}",
                "variables": {
                    "ingest_url": {
                        "default": "https://example.execute-api.eu-west-1.amazonaws.com",
                        "description": "The stack's output IngestUrl.",
                    }
                },
            }
        ],
        "paths": {f"/{name}": _path(sender) for name, sender in SENDERS.items()},
        "components": {
            "schemas": _schemas(),
            "responses": _responses(),
            "securitySchemes": {
                name: scheme for name in SENDERS for name, scheme in DESCRIPTIONS[name].proof.items()
            },
        },
    }


def _path(sender: Sender) -> dict[str, Any]:
    described = DESCRIPTIONS[sender.name]
    return {
        "post": {
            "operationId": f"take{sender.title}",
            "summary": described.summary,
            "security": [{name: [] for name in described.proof}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": f"#/components/schemas/{sender.title}"},
                        "example": described.example,
                    }
                },
            },
            "responses": {name: {"$ref": f"#/components/responses/{name}"} for name in _responses()},
        }
    }


def _schemas() -> dict[str, Any]:
    bodies = {sender.title: dict(DESCRIPTIONS[name].body) for name, sender in SENDERS.items()}
    return {
        **bodies,
        "Accepted": _ACCEPTED,
        "Ignored": {**_shape(("ignored",), ignored=_SENTENCE), "additionalProperties": False},
        "Refused": {**_shape(("error",), error=_SENTENCE), "additionalProperties": False},
        "Gateway": _shape(("message",), message={"type": "string"}),
    }


def _responses() -> dict[str, Any]:
    """Give each answer by its status, in their order. The 404 and 405 are the path's whatever the method."""
    answers = {
        HTTPStatus.OK: _response("A test delivery, or an event that no route wants.", "Ignored"),
        HTTPStatus.ACCEPTED: _response("It is stored: a delivery for each route that wants it.", "Accepted"),
        HTTPStatus.TOO_MANY_REQUESTS: _response(
            "API Gateway's own: more comes in than `relay.ingest.throttle` lets through. Send it again.",
            "Gateway",
        ),
        HTTPStatus.INTERNAL_SERVER_ERROR: _response(
            "API Gateway's own: the function did not answer. Send it again.", "Gateway"
        ),
        **{status: _refusal(status) for status in {each.status for each in refusals()}},
    }
    return {str(int(status)): answers[status] for status in sorted(answers)}


def refusals() -> Iterator[type[Refused]]:
    """Give every way in which ingest refuses a request, the general ones before their kinds."""
    waiting = Refused.__subclasses__()
    while waiting:
        refusal = waiting.pop(0)
        waiting.extend(refusal.__subclasses__())
        yield refusal


def _refusal(status: HTTPStatus) -> dict[str, Any]:
    same = [refusal for refusal in refusals() if refusal.status == status]
    words = str(inspect.getdoc(same[0])).replace("Raised", "Given", 1)
    headers = {name: value for refusal in same for name, value in refusal.headers.items()}
    told = {
        name: {"required": True, "description": _HEADERS[name], "schema": {"type": "string", "const": value}}
        for name, value in headers.items()
    }
    return {**_response(words, "Refused"), **({"headers": told} if told else {})}


def _response(words: str, schema: str) -> dict[str, Any]:
    return {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
