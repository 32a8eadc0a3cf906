"""Alarms and dashboard: each alarm reports and has its page in the runbook, and all read what is written."""

from __future__ import annotations

import json
import re
from typing import Any

from functions.core.metrics import NAMESPACE_VARIABLE, SERVICE, Metric
from infra.queries import QUERIES
from modelrelay.cdk import ROOT
from tests.infra.conftest import synthesise
from tests.infra.test_stack import OfType, properties


def anchors() -> set[str]:
    """Give the anchors of the runbook's sections."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return {heading.lower().replace(" ", "-") for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}


EXPLAINS = "Credential"
"""The alarm that is part of a composite one only to silence it."""

WORDS = re.compile(
    "fields|filter|sort|desc|limit|like|stats|count|ispresent|message|attempt|request|timestamp|outcome|name"
    "|waits|oldest|longest|calls|quota|requests"
)
"""What queries are made of besides the names of fields."""

LOGGED = re.compile(
    "delivery|model|version|route|attempt|outcome|reason|status|detail|run_url|wait_seconds|gate|look_up|kind"
    "|path|github_request_id|age_seconds|github_milliseconds|remaining"
)
"""The fields of log lines that queries ask for; each is in the lines that tests/pipeline looks at."""


def single(resources: OfType) -> dict[str, dict[str, Any]]:
    """Give the alarms that watch something themselves, by name."""
    return named(resources("AWS::CloudWatch::Alarm"))


def composite(resources: OfType) -> dict[str, dict[str, Any]]:
    """Give the alarms that are made of others, by name."""
    return named(resources("AWS::CloudWatch::CompositeAlarm"))


def named(alarms: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give alarms by the name that their descriptions lead to."""
    return {name_of(logical_id): alarm["Properties"] for logical_id, alarm in alarms.items()}


def name_of(logical_id: str) -> str:
    """Give an alarm's name from its logical id: `AlarmsStalled1A2B3C4D` is `Stalled`."""
    return logical_id.removeprefix("Alarms")[:-8]


def rule(alarm: dict[str, Any]) -> str:
    """Write a composite alarm's rule with the names of its parts."""
    parts = alarm["AlarmRule"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else name_of(part["Fn::GetAtt"][0]) for part in parts)
    return re.sub(r'ALARM\("(\w+)"\)', r"\1", text)


def statistic(alarm: dict[str, Any]) -> str:
    """Give an alarm's statistic, which CloudFormation writes in two ways."""
    return str(alarm.get("Statistic") or alarm["ExtendedStatistic"])


def reason(alarm: dict[str, Any]) -> str | None:
    """Give the reason whose count an alarm watches."""
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    return dimensions.get("reason")


def runbook_links(alarms: list[dict[str, Any]]) -> set[str]:
    """Give the anchors that the alarms' descriptions lead to."""
    return {alarm["AlarmDescription"].rpartition("docs/operations.md#")[2] for alarm in alarms}


def test_every_alarm_leads_to_a_section_and_every_section_has_an_alarm(resources: OfType) -> None:
    """Whoever an alarm wakes finds what to do, and the runbook speaks of no alarm that is gone."""
    assert runbook_links([*single(resources).values(), *composite(resources).values()]) == anchors()


def test_every_alarm_has_an_action_or_is_part_of_one_that_has(resources: OfType) -> None:
    """No alarm rings unheard, and none that is part of another rings twice."""
    parts = {part for alarm in composite(resources).values() for part in re.findall(r"\w+", rule(alarm))}
    for name, alarm in single(resources).items():
        acts = bool(alarm.get("AlarmActions") and alarm.get("OKActions"))
        assert acts is (name not in parts or name == EXPLAINS), name
    assert all(alarm["AlarmActions"] and alarm["OKActions"] for alarm in composite(resources).values())


def test_one_trouble_is_one_call(resources: OfType) -> None:
    """Letters ring once, and what is late because of the credential does not ring beside it."""
    rules = {name: rule(alarm) for name, alarm in composite(resources).items()}
    assert rules == {
        "Undelivered": "(DeadLetters OR DeadLettered)",
        "Delayed": "((Waiting OR Backlog OR Late) AND (NOT (Credential)))",
    }


def test_runbook_says_what_is_part_of_what(resources: OfType) -> None:
    """Whoever reads of an alarm that never rings by itself is told through which one it does."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, alarm in composite(resources).items():
        for part in set(re.findall(r"\w+", rule(alarm))) & set(single(resources)) - {EXPLAINS}:
            assert f"### {part}\n\n*Part of {name}.*\n" in text


def test_alarms_ring_for_what_dispatch_writes(resources: OfType) -> None:
    """Alarms on our own metrics read them as dispatch writes them, in the stack's own namespace."""
    alarms = [alarm for alarm in single(resources).values() if alarm.get("Namespace") == "ModelRelay"]
    assert {
        (alarm["MetricName"], statistic(alarm), alarm["Period"], alarm["Threshold"], reason(alarm))
        for alarm in alarms
    } == {
        ("CredentialWaits", "Sum", 300, 1, None),
        ("WaitAgeSeconds", "Maximum", 300, 3600, None),
        ("EndToEndSeconds", "p99", 300, 900, None),
        ("DeadLettered", "Sum", 300, 1, None),
        ("Unknown", "Sum", 300, 5, None),
        ("RemainingQuota", "Minimum", 300, 200, None),
        ("Redirected", "Sum", 300, 1, None),
        ("Failed", "Sum", 300, 1, None),
        ("Rejected", "Sum", 300, 20, "unauthorized"),
        ("Rejected", "Sum", 300, 1, "secret-unusable"),
    }
    (quota,) = [alarm for alarm in alarms if alarm["MetricName"] == "RemainingQuota"]
    assert quota["ComparisonOperator"] == "LessThanOrEqualToThreshold"
    assert all(alarm["TreatMissingData"] == "notBreaching" for alarm in single(resources).values())


def test_silence_rings_where_it_is_bad(resources: OfType) -> None:
    """A dispatch function that nobody calls writes no numbers: its silence counts as zero calls."""
    stalled = single(resources)["Stalled"]
    expression = next(each["Expression"] for each in stalled["Metrics"] if "Expression" in each)
    assert expression == "IF(visible > 0 AND FILL(calls, 0) < 1, 1, 0)"
    assert stalled["EvaluationPeriods"] == 3


def test_slowness_is_measured_against_each_functions_own_time(resources: OfType) -> None:
    """Four fifths of a function's time-out is slow, and it is told which function that is."""
    for name in ("Ingest", "Dispatch"):
        (timeout,) = [
            function["Properties"]["Timeout"]
            for logical_id, function in resources("AWS::Lambda::Function").items()
            if logical_id.startswith(name)
        ]
        assert single(resources)[f"{name}Slow"]["Threshold"] == timeout * 800


def test_what_the_embedded_aws_does_not_know_is_made_on_aws_alone(template: dict[str, Any]) -> None:
    """A local run deploys the very stack, but for composite and calculating alarms and saved queries."""
    types = [
        {item["Type"] for item in found["Resources"].values()}
        for found in (template, synthesise({}, account="000000000000"))
    ]
    assert types[0] - types[1] == {"AWS::CloudWatch::CompositeAlarm", "AWS::Logs::QueryDefinition"}
    assert types[1] <= types[0]
    embedded = synthesise({}, account="000000000000")["Resources"].values()
    assert not [item for item in embedded if "Metrics" in item.get("Properties", {})]


def test_saved_queries_ask_for_what_is_logged(resources: OfType) -> None:
    """Each query reads the log of the function that answers it, by fields that its lines have."""
    queries = properties(resources("AWS::Logs::QueryDefinition"))
    assert {query["Name"].partition("/")[2] for query in queries} == QUERIES.keys()
    for query in queries:
        function, text = QUERIES[query["Name"].partition("/")[2]]
        [log_group] = query["LogGroupNames"]
        assert log_group["Ref"].lower().startswith(function)
        asked = [word for word in re.findall(r"\b[a-z_]{4,}\b", text) if not WORDS.fullmatch(word)]
        assert [word for word in asked if not LOGGED.fullmatch(word)] == []


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
        "Deliveries": [("Queued", "Sum"), ("Dispatched", "Sum"), ("DeadLettered", "Sum")],
        "From event to workflow, in seconds": [("EndToEndSeconds", "p50"), ("EndToEndSeconds", "p99")],
        "The gate": [("Deferred", "Sum"), ("CredentialWaits", "Sum"), ("RemainingQuota", "Minimum")],
        "Webhooks": [("Received", "Sum"), ("Queued", "Sum"), ("Ignored", "Sum"), ("Rejected", "Sum")],
        "Deliveries over time": [
            ("Dispatched", "Sum"),
            ("Deferred", "Sum"),
            ("DeadLettered", "Sum"),
            ("Unknown", "Sum"),
        ],
        "GitHub's answers, in milliseconds": [("GitHubMilliseconds", "p50"), ("GitHubMilliseconds", "p99")],
        "GitHub's remaining quota": [("RemainingQuota", "Minimum")],
    }


def test_the_dashboard_has_the_deliveries_and_their_replay(resources: OfType) -> None:
    """The console's widget calls the console's function, again each time that the dashboard is refreshed."""
    (board,) = properties(resources("AWS::CloudWatch::Dashboard"))
    parts = board["DashboardBody"]["Fn::Join"][1]
    names = [part if isinstance(part, str) else part.get("Fn::GetAtt", [""])[0] for part in parts]
    (widget,) = [each for each in json.loads("".join(names))["widgets"] if each["type"] == "custom"]
    assert widget["properties"]["endpoint"].startswith("Console")
    assert widget["properties"]["updateOn"] == {"refresh": True, "resize": True, "timeRange": True}


def test_no_graph_or_alarm_reads_what_no_function_writes(resources: OfType) -> None:
    """Whatever is read of our own is in the table of metrics, under the function that writes it."""
    drawn = [
        metric[1:4]
        for metrics in graphs(resources).values()
        for metric in metrics
        if isinstance(metric[0], str) and "AWS/" not in metric[0]
    ]
    rung = [
        [alarm["MetricName"], *alarm["Dimensions"][-1].values()]
        for alarm in single(resources).values()
        if "AWS/" not in alarm.get("Namespace", "AWS/")
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
