"""The published OpenAPI description: it is one, and it says what the ingest function does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from typer.testing import CliRunner

from functions.ingest.senders import SENDERS
from modelrelay.cdk import ROOT
from modelrelay.cli import app
from modelrelay.openapi import DESCRIPTIONS, GATEWAYS, openapi
from tests.audit.function import MOMENT, SECRETS, Function, Told, gateway_event, settings
from tests.audit.oracle import headers_of

DOCUMENT = openapi()
_REGISTRY: Registry[Any] = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(DOCUMENT))


def validator(pointer: str) -> Any:
    """Give the validator of a schema in the document."""
    return OAS31Validator(
        {"$ref": f"urn:openapi{pointer}"}, registry=_REGISTRY, format_checker=oas31_format_checker
    )


def described(sender: str) -> dict[str, dict[str, Any]]:
    """Give the answers that are described for a sender's path, by their status."""
    responses = DOCUMENT["paths"][f"/{sender}"]["post"]["responses"]
    return {
        status: DOCUMENT["components"]["responses"][each["$ref"].rpartition("/")[2]]
        for status, each in responses.items()
    }


@dataclass(frozen=True)
class Situation:
    """A request, and the circumstances under which it comes.

    Attributes:
        status: What it is answered with.
        body: Its body; the sender's example, unless another is given.
        secret: What it is signed with; nothing where it is empty.
        without: The header that is left out.
        method: Its method.
        limits: The settings of ingest that differ.
        failing: The call to AWS that fails.
    """

    status: int
    body: bytes | None = None
    secret: str | None = None
    without: str = ""
    method: str = "POST"
    limits: tuple[tuple[str, Any], ...] = ()
    failing: str = ""

    def answer(self, sender: str) -> Told:
        """Have the function answer it."""
        body = json.dumps(DESCRIPTIONS[sender].example).encode() if self.body is None else self.body
        secret = SECRETS[sender][0] if self.secret is None else self.secret
        headers = headers_of(sender, secret, body=body, number="msg-1", moment=MOMENT) if secret else {}
        headers = {name: value for name, value in headers.items() if name != self.without}
        event = gateway_event(method=self.method, path=f"/{sender}", headers=headers, body=body)
        with Function(settings(**dict(self.limits))) as function:
            return function.call(event, self.failing)


WRONG = dict.fromkeys(SENDERS, "d3Jvbmc=") | {"databricks-jobs": '{"username": "a", "password": "b"}'}
UNKNOWN: dict[str, dict[str, Any]] = {
    "databricks": {"event": "NEW_KIND"},
    "mlflow": {"action": "new"},
    "databricks-jobs": {"event_type": "clusters.on_start"},
    "events": {"type": "job.not_routed", "data": {"job_id": "5"}},
}


def situations(sender: str) -> Iterator[Situation]:
    """Give a situation for everything that can become of a request to a sender's path."""
    ignored = json.dumps({**DESCRIPTIONS[sender].example, **UNKNOWN[sender]}).encode()
    yield Situation(202)
    yield Situation(202, secret=SECRETS[sender][1])
    yield Situation(200, body=ignored)
    yield Situation(400, body=b"[]")
    yield Situation(400, body=b"{}")
    yield Situation(401, secret="")
    yield Situation(401, secret=WRONG[sender])
    yield from (Situation(401, without=header) for header in SENDERS[sender].proof)
    yield Situation(403, limits=(("allowed_cidrs", ("198.51.100.0/24",)),))
    yield Situation(404, limits=(("senders", tuple(each for each in SENDERS if each != sender)),))
    yield from (
        Situation(405, method=method) for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
    )
    yield Situation(413, body=b" " * 65_537)
    yield Situation(503, failing="SendMessage")
    yield Situation(503, failing="GetSecretValue")


TABLE = [(sender, situation) for sender in SENDERS for situation in situations(sender)]


@pytest.mark.parametrize(("sender", "situation"), TABLE, ids=lambda each: str(each)[:90])
def test_every_answer_is_as_described(sender: str, situation: Situation) -> None:
    """Status, headers and body of whatever the function answers are in the description."""
    told = situation.answer(sender)
    assert told.status == situation.status
    answer = described(sender)[str(told.status)]
    headers = dict(told.answer["headers"])
    [media_type] = answer["content"]
    assert headers.pop("content-type") == media_type
    assert headers.keys() == answer.get("headers", {}).keys()
    for name, value in headers.items():
        OAS31Validator(answer["headers"][name]["schema"]).validate(value)
    pointer = answer["content"][media_type]["schema"]["$ref"]
    validator(pointer).validate(told.content)
    assert not validator(pointer).is_valid({**told.content, "more": 1})


@pytest.mark.parametrize("sender", SENDERS)
def test_every_described_status_is_given(sender: str) -> None:
    """Nothing is described that does not happen; what API Gateway answers by itself never comes from us."""
    given = {str(situation.status) for name, situation in TABLE if name == sender}
    gateways = {str(int(status)) for status in GATEWAYS}
    assert described(sender).keys() == given | gateways
    assert not given & gateways


def test_published_description_is_the_one_of_this_code() -> None:
    """docs/openapi.json is what `modelrelay events openapi` prints."""
    printed = CliRunner().invoke(app, ["events", "openapi"]).output
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == printed


def test_every_sender_is_described() -> None:
    """A sender that is added is described too (modelrelay/openapi.py), or nobody learns how to call it."""
    assert DESCRIPTIONS.keys() == SENDERS.keys()
    assert [*DOCUMENT["paths"]] == [f"/{name}" for name in SENDERS]
    operations = [path["post"]["operationId"] for path in DOCUMENT["paths"].values()]
    assert len({*operations}) == len(SENDERS)


@pytest.mark.parametrize("sender", SENDERS.values(), ids=lambda sender: sender.name)
def test_proof_is_the_one_that_ingest_asks_for(sender: Any) -> None:
    """The security schemes of a path name the headers without which its sender proves nothing."""
    [needed] = DOCUMENT["paths"][f"/{sender.name}"]["post"]["security"]
    schemes = [DOCUMENT["components"]["securitySchemes"][name] for name in needed]
    basic = {"type": "http", "scheme": "basic"}
    headers = ["authorization" if basic.items() <= each.items() else each["name"].lower() for each in schemes]
    assert headers == [*sender.proof]


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_one(name: str) -> None:
    """Each schema is valid by the dialect of OpenAPI 3.1."""
    schema = DOCUMENT["components"]["schemas"][name]
    OAS31Validator.check_schema(schema)
    assert schema["type"] == "object"


def references(content: Any) -> Iterator[str]:
    """Give every reference in the document."""
    if isinstance(content, dict):
        yield from [content["$ref"]] if "$ref" in content else ()
        for each in content.values():
            yield from references(each)
    elif isinstance(content, list):
        for each in content:
            yield from references(each)


def test_every_reference_leads_somewhere() -> None:
    """Nothing refers to what is not there, and nothing is there that nothing refers to."""
    found = {*references(DOCUMENT)}
    for reference in found:
        place = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    kept = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in DOCUMENT["components"][kind]
    }
    assert found == kept


@pytest.mark.parametrize("sender", SENDERS)
def test_example_is_valid(sender: str) -> None:
    """The example of each body is one, and stops being one without a field that is required."""
    content = DOCUMENT["paths"][f"/{sender}"]["post"]["requestBody"]["content"]["application/json"]
    schema = validator(content["schema"]["$ref"])
    schema.validate(content["example"])
    for key in DESCRIPTIONS[sender].body["required"]:
        assert not schema.is_valid({name: each for name, each in content["example"].items() if name != key})
