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


def test_the_alarms_read_what_dispatch_logs(resources: OfType) -> None:
    """Alarms on log lines match dispatch's own fields, in dispatch's own log."""
    metrics = properties(resources("AWS::Logs::MetricFilter"))
    assert {metric["FilterPattern"] for metric in metrics} == {
        '{ $.reason = "credential-*" }',
        '{ $.outcome = "Wait" }',
        '{ $.outcome = "Failed" }',
        "{ $.redirected IS TRUE }",
    }
    assert {metric["LogGroupName"]["Ref"][:8] for metric in metrics} == {"Dispatch"}


def test_alarms_may_publish_to_the_topic(resources: OfType) -> None:
    """The topic's own policy lets this account's alarms in; without that, none would arrive."""
    (policy,) = properties(resources("AWS::SNS::TopicPolicy"))
    (allowed,) = [item for item in policy["PolicyDocument"]["Statement"] if item["Effect"] == "Allow"]
    assert allowed["Action"] == "sns:Publish"
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": "111111111111"}}


def test_an_address_gets_the_alarms_by_mail() -> None:
    """`alarms.email` is subscribed to the alarms."""
    resources = synthesise({"alarms": {"email": "ops@example.com"}})["Resources"].values()
    (subscription,) = [item for item in resources if item["Type"] == "AWS::SNS::Subscription"]
    assert subscription["Properties"]["Endpoint"] == "ops@example.com"
