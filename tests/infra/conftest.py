"""The synthesised template, made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra.settings import from_context
from infra.stack import RelayStack
from modelrelay.cdk import ROOT
from tests.infra.test_settings import context

Resources = dict[str, dict[str, Any]]


def synthesise(
    relay: Mapping[str, Any], account: str = "111111111111", found: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Synthesise the stack and give its template.

    Args:
        relay: The settings.
        account: Where to; the embedded AWS has one of its own.
        found: What a look-up in the account has found, by CDK's key for it.
    """
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    app = cdk.App(context=flags | dict(found or {}))
    environment = cdk.Environment(account=account, region="eu-west-1")
    stack = RelayStack(app, "ModelRelay", settings=from_context(context(relay)), env=environment)
    return dict(Template.from_stack(stack).to_json())


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The template with every default."""
    return synthesise({})


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Callable[[str], Resources]:
    """Give the resources of a type, by logical id."""

    def of_type(kind: str) -> Resources:
        found = {name: item for name, item in template["Resources"].items() if item["Type"] == kind}
        assert found, f"the template has no {kind}"
        return found

    return of_type
