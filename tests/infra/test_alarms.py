"""Alarms and dashboard: each alarm reports and has its page in the runbook, and all read what is written."""

from __future__ import annotations

import json
import re
from typing import Any

from functions.core.metrics import NAMESPACE_VARIABLE, SERVICE, Metric
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


def test_alarms_ring_for_what_dispatch_writes(resources: OfType) -> None:
    """Alarms on our own metrics read them as dispatch writes them, in the stack's own namespace."""
    alarms = [
        alarm
        for alarm in properties(resources("AWS::CloudWatch::Alarm"))
        if alarm["Namespace"] == "ModelRelay"
    ]
    assert {
        (alarm["MetricName"], alarm["Statistic"], alarm["Period"], alarm["Threshold"]) for alarm in alarms
    } == {
        ("CredentialWaits", "Sum", 300, 1),
        ("WaitAgeSeconds", "Maximum", 300, 3600),
        ("Redirected", "Sum", 300, 1),
        ("Failed", "Sum", 300, 1),
    }
    assert all(alarm["Dimensions"] == [{"Name": "service", "Value": "dispatch"}] for alarm in alarms)


def graphs(resources: OfType) -> dict[str, list[list[Any]]]:
    """Give the metrics of each graph on the dashboard, by its title."""
    (board,) = properties(resources("AWS::CloudWatch::Dashboard"))
    parts = board["DashboardBody"]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "deployed" for part in parts))
    widgets = [widget["properties"] for widget in body["widgets"]]
    return {widget["title"]: widget["metrics"] for widget in widgets if "metrics" in widget}


def test_the_dashboard_follows_an_event_and_tells_how_long_it_takes(resources: OfType) -> None:
    """Our own metrics are on the dashboard, each with the statistic that means something."""
    ours = {
        title: [(metric[1], metric[-1]["stat"]) for metric in metrics if metric[0] == "ModelRelay"]
        for title, metrics in graphs(resources).items()
    }
    assert {title: metrics for title, metrics in ours.items() if metrics} == {
        "Webhooks": [("Received", "Sum"), ("Queued", "Sum"), ("Ignored", "Sum"), ("Rejected", "Sum")],
        "Deliveries": [("Dispatched", "Sum"), ("Deferred", "Sum"), ("DeadLettered", "Sum")],
        "From event to dispatch, in seconds": [("EndToEndSeconds", "p50"), ("EndToEndSeconds", "p95")],
        "GitHub's answers, in milliseconds": [("GitHubMilliseconds", "p50"), ("GitHubMilliseconds", "p95")],
        "GitHub's remaining quota": [("RemainingQuota", "Minimum")],
    }


def test_no_graph_or_alarm_reads_what_no_function_writes(resources: OfType) -> None:
    """Whatever is read of our own is in the table of metrics, under the function that writes it."""
    drawn = [
        metric[1:4] for metrics in graphs(resources).values() for metric in metrics if "AWS/" not in metric[0]
    ]
    rung = [
        [alarm["MetricName"], *alarm["Dimensions"][0].values()]
        for alarm in properties(resources("AWS::CloudWatch::Alarm"))
        if "AWS/" not in alarm["Namespace"]
    ]
    written = [[metric.title, SERVICE, metric.service] for metric in Metric]
    assert [read for read in drawn + rung if read not in written] == []


def test_functions_write_where_alarms_and_graphs_read(resources: OfType) -> None:
    """Every function is told the namespace in which its metrics are looked for."""
    for function in properties(resources("AWS::Lambda::Function")):
        assert function["Environment"]["Variables"][NAMESPACE_VARIABLE] == "ModelRelay"


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
