"""A deployment that fails leaves the pipeline as it was."""

from __future__ import annotations

import json
from typing import Any

from tests.pipeline.conftest import Pipeline, eventually


def template(pipeline: Pipeline, stack: str) -> dict[str, Any]:
    """Give the deployed template."""
    body = pipeline.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    return dict(json.loads(body) if isinstance(body, str) else body)


def test_a_deployment_that_fails_is_rolled_back(pipeline: Pipeline) -> None:
    """After a deployment that broke dispatch and then failed, events still start their workflows."""
    cloudformation = pipeline.client("cloudformation")
    (stack,) = [
        each["StackName"]
        for each in cloudformation.describe_stacks()["Stacks"]
        if each["StackName"].startswith("ModelRelay")
    ]
    deployed = template(pipeline, stack)
    wrong = json.loads(json.dumps(deployed))
    dispatch = next(
        name
        for name, resource in wrong["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function" and name.startswith("Dispatch")
    )
    wrong["Resources"][dispatch]["Properties"]["Handler"] = "functions.dispatch.handler.gone"
    # An alarm that calculates: the embedded AWS can't make one, so here the deployment fails.
    total = {"Id": "total", "Expression": "1 + 1", "ReturnData": True}
    limits = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    wrong["Resources"]["Wrong"] = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"Metrics": [total], **limits},
        "DependsOn": dispatch,
    }
    s3 = pipeline.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    s3.put_object(Bucket=bucket, Key="wrong.json", Body=json.dumps(wrong).encode())
    cloudformation.update_stack(
        StackName=stack,
        TemplateURL=f"{pipeline.ready['aws_endpoint_url']}/{bucket}/wrong.json",
        Capabilities=["CAPABILITY_IAM"],
    )

    def ended() -> str:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return "" if status.endswith("IN_PROGRESS") else str(status)

    assert eventually(ended) == "UPDATE_ROLLBACK_COMPLETE"
    assert template(pipeline, stack)["Resources"] == deployed["Resources"]
    pipeline.send("rolled_back", 1)
    assert len(eventually(lambda: pipeline.runs("rolled_back"))) == 1
