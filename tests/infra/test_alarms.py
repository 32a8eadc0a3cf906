"""Alarms: each reports, and each has its page in the runbook."""

from __future__ import annotations

import re
from typing import Any

from modelrelay.cdk import ROOT
from tests.infra.conftest import synthesise
from tests.infra.test_stack import OfType, properties


def anchors() -> set[str]:
    """Give the anchors of the runbook's sections."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return {heading.lower().replace(" ", "-") for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}


def runbook_links(alarms: list[dict[str, Any]]) -> set[str]:
    """Give the anchors that the alarms' descriptions lead to."""
    return {alarm["AlarmDescription"].rpartition("docs/operations.md#")[2] for alarm in alarms}


def test_every_alarm_leads_to_a_section_and_every_section_has_an_alarm(resources: OfType) -> None:
    """Whoever an alarm wakes finds what to do, and the runbook speaks of no alarm that is gone."""
    assert runbook_links(properties(resources("AWS::CloudWatch::Alarm"))) == anchors()


def test_every_alarm_has_an_action(resources: OfType) -> None:
    """No alarm rings unheard."""
    for alarm in properties(resources("AWS::CloudWatch::Alarm")):
        assert alarm["AlarmActions"]
        assert alarm["OKActions"]


def test_the_credential_alarm_counts_what_dispatch_logs(resources: OfType) -> None:
    """The alarm matches every reason that dispatch gives for a credential, in dispatch's own log."""
    (metric,) = properties(resources("AWS::Logs::MetricFilter"))
    assert metric["FilterPattern"] == '{ $.reason = "credential-*" }'
    assert metric["LogGroupName"]["Ref"].startswith("Dispatch")


def test_an_address_gets_the_alarms_by_mail() -> None:
    """`alarms.email` is subscribed to the alarms."""
    resources = synthesise({"alarms": {"email": "ops@example.com"}})["Resources"].values()
    (subscription,) = [item for item in resources if item["Type"] == "AWS::SNS::Subscription"]
    assert subscription["Properties"]["Endpoint"] == "ops@example.com"
