"""The synthesised template, made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from functions.core.settings import RelaySettings
from functions.ingest.senders import SENDERS
from infra import bundling
from infra.settings import from_context
from infra.stack import RelayStack
from modelrelay.cdk import ROOT
from tests.infra.test_settings import context

Resources = dict[str, dict[str, Any]]


ZONES = {"availability-zones:account=111111111111:region=eu-west-1": ["eu-west-1a", "eu-west-1b"]}
"""What CDK asks an account for where a VPC is made."""

HARDENED: Mapping[str, Any] = {
    "kms": {"new": True},
    "vpc": {"new": True, "static_egress_ip": True},
    "alarms": {"email": "oncall@example.com"},
    "ingest": {
        "senders": list(SENDERS),
        "domain": {
            "name": "hooks.example.com",
            "certificate_arn": "arn:aws:acm:eu-west-1:111111111111:certificate/0a1b",
        },
    },
    "termination_protection": True,
}
"""Everything that a careful company would ask for."""


@pytest.fixture(scope="package", autouse=True)
def _empty_bundles() -> Iterator[None]:
    """Leave the bundles empty: what is in them is the business of tests/bundle, and of test_synth."""

    def make(_: bundling.Bundle, settings: RelaySettings, folder: Path, machine: bundling.Machine) -> None:
        folder.mkdir()
        (folder / "relay.json").write_text(settings.to_json() + machine.name, encoding="utf-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundling, "make", make)
        yield


def built(
    relay: Mapping[str, Any],
    account: str = "111111111111",
    found: Mapping[str, Any] | None = None,
    **more: Any,
) -> RelayStack:
    """Build the stack.

    Args:
        relay: The settings.
        account: Where to; the embedded AWS has one of its own.
        found: What a look-up in the account has found, by CDK's key for it.
        more: More context.
    """
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    app = cdk.App(context=flags | ZONES | dict(found or {}))
    environment = cdk.Environment(account=account, region="eu-west-1")
    settings = from_context(context(relay) | more)
    return RelayStack(app, settings.environment.stack, settings=settings, env=environment)


def synthesise(
    relay: Mapping[str, Any],
    account: str = "111111111111",
    found: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Build the stack and give its template."""
    return dict(Template.from_stack(built(relay, account, found, **more)).to_json())


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


@pytest.fixture(scope="session")
def hardened() -> dict[str, Any]:
    """The template with everything that a careful company would ask for."""
    return synthesise(HARDENED)
