"""The ingest function against its own OpenAPI description: requests made from it, signed and not.

schemathesis makes bodies that the description allows and such as it forbids, leaves headers out, tries other
methods, and judges the answers.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.specs.openapi.definitions import OPENAPI_31

from functions.ingest.senders import SENDERS
from modelrelay.openapi import openapi

from . import oracle
from .function import MOMENT, SECRETS, Function
from .function import settings as relay_settings
from .gateway import Gateway

EXAMPLES: Final = 300
"""How many requests are made for each sender, in each of the tests."""

SEEN: Final[Counter[tuple[str, int]]] = Counter()
"""How often each path gave each status."""

_CONFIG: Final = SchemathesisConfig.from_dict(
    {"checks": {"positive_data_acceptance": {"expected-statuses": [200, 202]}}}
)
SCHEMA: Final = schemathesis.openapi.from_wsgi(
    "/openapi.json", Gateway(Function(relay_settings(max_body_bytes=1_048_576))), config=_CONFIG
)
MANY: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Signature:
    """Signs a request as its sender does, over the bytes that will be sent."""

    def get(self, case: Case[Any], _context: object) -> dict[str, str]:
        """Give the headers that prove it."""
        sender = case.path.removeprefix("/")
        return oracle.headers_of(
            sender, SECRETS[sender][0], body=body_of(case), number="msg-1", moment=MOMENT
        )

    def set(self, case: Case[Any], data: dict[str, str], _context: object) -> None:
        """Put them on."""
        case.headers.update(data)


def body_of(case: Case[Any]) -> bytes:
    """Give the bytes of a request's body."""
    sent = case.as_transport_kwargs()
    if "json" in sent:
        return json.dumps(sent["json"]).encode()
    data = sent.get("data", b"")
    return data if isinstance(data, bytes) else str(data).encode()


def whole(content: Any) -> Any:
    """Write whole numbers without a fraction: to a schema 3.0 is one, and ingest wants 3."""
    if isinstance(content, dict):
        return {key: whole(value) for key, value in content.items()}
    if isinstance(content, list):
        return [whole(value) for value in content]
    return int(content) if isinstance(content, float) and content.is_integer() else content


@SCHEMA.hook("map_body")
def _map_body(_context: object, body: Any) -> Any:
    return whole(body)


def answered(case: Case[Any], *excluded: Any) -> int:
    """Send a request, hold its answer against the description, and give the status."""
    response = case.call()
    # What the schema forbids may be taken: an unknown event is answered 200 whatever else it holds.
    case.validate_response(response, excluded_checks=[negative_data_rejection, *excluded])
    SEEN[case.path, response.status_code] += 1
    return int(response.status_code)


@SCHEMA.auth(Signature, refresh_interval=None)
@SCHEMA.parametrize()
@MANY
def test_signed_requests_are_answered_as_described(case: Case[Any]) -> None:
    """What the description allows is taken, and what it forbids is no error of ours."""
    positive = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    assert answered(case) in ({200, 202} if positive else {200, 202, 400, 401, 405})


@SCHEMA.parametrize()
@MANY
def test_unsigned_requests_are_refused(case: Case[Any]) -> None:
    """Whatever is sent without a proof, or with made-up ones, is a 401; another method is a 405."""
    assert answered(case, positive_data_acceptance) in {401, 405}


@pytest.mark.parametrize("sender", SENDERS)
def test_every_outcome_was_seen(sender: str) -> None:
    """The tests above reached requests that were stored, ignored, malformed, forged and no POST."""
    seen = {status for path, status in SEEN if path == f"/{sender}"}
    assert seen >= {200, 202, 400, 401, 405}


def test_description_is_valid_openapi() -> None:
    """The document as a whole is valid by the schema that the OpenAPI Initiative publishes for 3.1."""
    validator: Any = Draft202012Validator(dict(OPENAPI_31))
    validator.validate(openapi())
    assert not validator.is_valid({**openapi(), "paths": {"databricks": {}}})
