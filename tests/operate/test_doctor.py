"""`doctor`: each link of the chain, in order and broken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.dispatch import gate_state
from functions.dispatch.gate_state import CREDENTIAL
from functions.dispatch.gate_store import GateStore
from modelrelay.errors import CommandError
from modelrelay.local.emulator import Emulator
from modelrelay.local.github import PRESETS, App, Fault, Workflow
from modelrelay.operate.doctor import CHECKS, Check, examine
from modelrelay.operate.findings import Chain as Examined
from modelrelay.operate.findings import Finding, Verdict, ok
from modelrelay.stack import Session
from tests.examples.server import Reply
from tests.operate import databricks
from tests.operate.chain import (
    ACCOUNT,
    PASSWORD,
    TOKEN,
    WORKFLOWS,
    Chain,
    app_secret,
    deployed,
    settings,
    token_filled,
)
from tests.operate.databricks import workspace
from tests.simulator import keys

EVENT = {"name": "event", "target": {"type": "repository_dispatch", "event_type": "promoted"}}


@pytest.fixture
def chain(cloud: Emulator) -> Iterator[Chain]:
    """A chain in good order."""
    with deployed(cloud) as made:
        yield token_filled(made)


def examined(chain: Chain, *arguments: str, **variables: str) -> list[Any]:
    """Give what a program is told, and hold the exit code against it."""
    found = chain.run("doctor", "--json", *arguments, **variables)
    told = json.loads(found.stdout)
    assert found.exit_code == (0 if told["ok"] else 1)
    assert [each["check"] for each in told["checks"]]
    problems = [each for each in told["checks"] if each["verdict"] == "problem"]
    assert told["problems"] == len(problems)
    assert all(each["mend"] for each in problems)
    checks: list[Any] = told["checks"]
    return checks


def problems(chain: Chain, *arguments: str, **variables: str) -> dict[str, str]:
    """Give what is wrong, by check."""
    found = examined(chain, *arguments, **variables)
    return {each["check"]: each["says"] for each in found if each["verdict"] == "problem"}


def of(chain: Chain, check: str, *arguments: str, **variables: str) -> Any:
    """Give the one thing that a check finds."""
    [found] = [each for each in examined(chain, *arguments, **variables) if each["check"] == check]
    return found


def test_a_chain_in_good_order_has_no_problem(chain: Chain) -> None:
    """Every check runs in its order; only Databricks, which nobody has named, is not checked."""
    found = examined(chain)
    assert list(dict.fromkeys(each["check"] for each in found)) == [check.name for check in CHECKS]
    assert {each["check"] for each in found if each["verdict"] != "ok"} == {"databricks-webhook"}
    subjects = [each["subject"] for each in found if each["check"] == "webhook-secrets"]
    assert subjects == ["databricks", "mlflow", "databricks-jobs", "events"]
    assert not chain.github.runs()


def test_people_see_a_line_each_and_what_to_do(chain: Chain) -> None:
    """A person sees a mark for each check, and an arrow to what mends a problem."""
    said = chain.run("doctor").output
    assert "✓ stack" in said
    assert "✓ workflows           default: deploy.yml on main takes its inputs" in said
    assert "· databricks-webhook  not checked: DATABRICKS_HOST is not set" in said
    assert "\nNo problems." in said
    chain.fill("GitHubSecretName", "{}")
    said = chain.run("doctor").output
    assert "✗ github-secret" in said
    assert "→ modelrelay secrets set-github" in said
    assert "\n1 problem." in said


def test_without_aws_the_rest_is_not_checked(chain: Chain) -> None:
    """What can't be known without AWS is not guessed; it is said what comes first."""
    found = examined(chain, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert found[0]["verdict"] == "problem"
    assert "AWS can't be reached" in found[0]["says"]
    assert {each["verdict"] for each in found[1:]} == {"not checked"}
    assert found[1]["says"] == "aws comes first"


def test_a_missing_login_to_aws_is_said(chain: Chain) -> None:
    """A profile that is not there is the first problem."""
    assert "could not be found" in problems(chain, "--profile", "none")["aws"]


def test_a_stack_that_is_not_there_is_said(chain: Chain) -> None:
    """A wrong stack's name is told from a wrong login."""
    chain.name = "Nowhere"
    assert problems(chain) == {
        "stack": "There is no stack Nowhere in this account and region. Deploy it first."
    }


def test_a_stack_of_another_version_is_said(chain: Chain) -> None:
    """Outputs that are missing tell that another version was deployed."""
    client = chain.cloud.client("cloudformation")
    template = json.loads(json.dumps(client.get_template(StackName=chain.name)["TemplateBody"]))
    template = json.loads(template) if isinstance(template, str) else template
    del template["Outputs"]["LedgerTableName"]
    client.update_stack(StackName=chain.name, TemplateBody=json.dumps(template))
    assert "lacks the outputs LedgerTableName" in problems(chain)["stack"]


def test_the_checkout_s_configuration_is_taken_where_it_is_meant(chain: Chain) -> None:
    """With context given, it is said that the routes are not the deployed ones."""
    relay = {"github": {"api_url": chain.github.url}, "routes": [{"name": "mine"}]}
    arguments = ["-c", f"relay={json.dumps(relay)}", "-c", f"account_setings={json.dumps(ACCOUNT)}"]
    found = of(chain, "configuration", *arguments)
    assert found["verdict"] == "not checked"
    assert "by this checkout's, the routes are mine" in found["says"]


@pytest.mark.parametrize(
    ("output", "value", "what"),
    [
        ("DatabricksSecretName", " ", "not of the form of a password"),
        ("DatabricksJobsSecretName", PASSWORD, "not of the form of a login"),
        ("EventsSecretName", "not base64!", "not of the form of a password"),
    ],
)
def test_a_webhook_secret_of_another_form_is_said(chain: Chain, output: str, value: str, what: str) -> None:
    """A secret with which ingest can check nothing is a problem of its sender, and of no other one."""
    chain.fill(output, value)
    assert what in problems(chain)["webhook-secrets"]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("{}", "has neither 'token' nor"),
        ('{"token": ""}', "'token' is empty"),
        (TOKEN, "is not a JSON object"),
        ('{"client_id": "I", "installation_id": "1", "private_key": "x"}', "not a readable key"),
    ],
)
def test_a_github_secret_of_another_form_is_said(chain: Chain, value: str, what: str) -> None:
    """A credential that dispatch can't read is a problem, and GitHub is not asked with it."""
    chain.fill("GitHubSecretName", value)
    found = examined(chain)
    by_check = {each["check"]: each for each in found}
    assert what in by_check["github-secret"]["says"]
    assert by_check["github-credential"]["says"] == "github-secret comes first"
    assert by_check["workflows"]["verdict"] == "not checked"
    assert by_check["ingest"]["verdict"] == "ok"


def test_an_unfilled_github_secret_is_said(cloud: Emulator) -> None:
    """A fresh stack's empty secret is the one problem, with the command that fills it."""
    with deployed(cloud) as chain:
        found = of(chain, "github-secret")
    assert "The GitHub secret is empty" in found["says"]
    assert found["mend"] == "modelrelay secrets set-github"


def test_a_token_that_github_rejects_is_said(chain: Chain) -> None:
    """A wrong token is one problem and not one for each route."""
    chain.fill("GitHubSecretName", '{"token": "wrong"}')
    assert list(problems(chain)) == ["github-credential"]


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"x-oauth-scopes": "gist, read:org"}, "Its scopes are gist, read:org."),
        ({"github-authentication-token-expiration": "{soon} UTC"}, "The token ends in 3.0 days."),
        ({"github-authentication-token-expiration": "{soon} +0000"}, "The token ends in 3.0 days."),
    ],
)
def test_what_github_tells_of_a_token_is_heeded(chain: Chain, headers: dict[str, str], what: str) -> None:
    """Scopes that don't do and an end that is near are problems before the first event meets them."""
    soon = datetime.fromtimestamp(time.time() + 3 * 86_400 + 60, UTC).strftime("%Y-%m-%d %H:%M:%S")
    told = {name: value.replace("{soon}", soon) for name, value in headers.items()}
    # The first look at the limits is the clock's.
    chain.github.inject(Fault(status=200, headers=told, body="{}", match="/rate_limit", times=2))
    assert problems(chain) == {"github-credential": what}


@pytest.mark.parametrize("seconds", [-120, 120])
def test_a_clock_that_differs_is_said(chain: Chain, seconds: int) -> None:
    """Signatures hold for minutes, so a clock that is off by more than half a minute is a problem."""
    now = time.time() + seconds
    [found] = list(examine(made(chain, clock=lambda: now), only("clock")))
    assert found.verdict is Verdict.PROBLEM
    assert "differs from GitHub's by 1" in found.says


def test_a_github_that_is_silent_is_said(chain: Chain) -> None:
    """A network that fails is a problem and no crash."""
    chain.github.inject(Fault(drop="before", times=0))
    found = problems(chain)
    assert "GitHub did not answer" in found["clock"]
    assert "GitHub did not answer" in found["github-credential"]


def test_a_repository_that_is_not_there_is_said(cloud: Emulator) -> None:
    """A wrong name, or one that the credential may not see, is told for its repository."""
    routes = [{"name": "a"}, {"name": "b", "target": {"repository": "none"}}]
    with deployed(cloud, routes=routes) as chain:
        found = examined(token_filled(chain))
    seen = {each["subject"]: each["says"] for each in found if each["check"] == "repositories"}
    assert seen["acme/models"] == "it is there, and the credential reaches it"
    assert "it is not there, or the credential may not see it" in seen["acme/none"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"permissions": {"push": False}}, "may only read it"),
        ({"archived": True}, "archived or disabled"),
        ({"disabled": True}, "archived or disabled"),
    ],
)
def test_a_repository_where_nothing_can_be_started_is_said(chain: Chain, body: Any, what: str) -> None:
    """A repository that is there may still be one in which nothing runs for us."""
    chain.github.inject(Fault(status=200, body=json.dumps(body), match="/repos/acme/models"))
    assert what in problems(chain)["repositories"]


def with_route(cloud: Emulator, *workflows: Workflow, **route: Any) -> dict[str, str]:
    """Give the problems of a chain with one route, and these workflows beside the usual ones."""
    with deployed(cloud, routes=[{"name": "mine", **route}], workflows=[*WORKFLOWS, *workflows]) as chain:
        return problems(token_filled(chain))


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ({"workflow_id": "none.yml"}, "it is not there, or the credential may not see it"),
        ({"workflow_id": "paused.yml"}, "The workflow paused.yml is disabled_manually."),
        ({"workflow_id": "on-push.yml"}, "on-push.yml on main has no workflow_dispatch trigger."),
        ({"ref": "live"}, "There is no branch or tag live."),
        ({"type": "repository_dispatch", "event_type": "demoted"}, "No active workflow listens to demoted"),
    ],
)
def test_a_workflow_that_can_t_be_started_is_said(cloud: Emulator, target: Any, what: str) -> None:
    """What GitHub would answer 404 or 422 to, or start nothing for, is found before the first event."""
    assert what in with_route(cloud, target=target)["workflows"]


CHOICE = "on: {workflow_dispatch: {inputs: {model: {}, stage: {type: choice, options: [a, b]}}}}"
NEEDY = "on: {workflow_dispatch: {inputs: {model: {required: true}, kept: {required: true, default: x}}}}"


@pytest.mark.parametrize(
    ("content", "inputs", "what"),
    [
        ("on: workflow_dispatch", {"model": "${model_name}"}, "model is not declared"),
        (NEEDY, {}, "model is required"),
        (NEEDY, {"other": "x"}, "other is not declared; model is required"),
        (CHOICE, {"stage": "c"}, "stage can't be 'c'"),
        (NEEDY, {"model": "x"}, ""),
        (CHOICE, {"stage": "a"}, ""),
        (CHOICE, {"stage": "${to_stage:-a}"}, ""),
    ],
)
def test_inputs_that_github_would_refuse_are_said(
    cloud: Emulator, content: str, inputs: dict[str, str], what: str
) -> None:
    """The route's inputs are held against those that the workflow declares on the route's ref."""
    workflow = Workflow("acme", "models", 20, "w.yml", "W", content=content)
    found = with_route(cloud, workflow, target={"workflow_id": "w.yml"}, inputs=inputs)
    assert what in found["workflows"] if what else not found


def test_an_event_that_is_heard_is_no_problem(cloud: Emulator) -> None:
    """A workflow that listens to the route's event is named."""
    with deployed(cloud, routes=[EVENT]) as chain:
        found = of(token_filled(chain), "workflows")
    assert (found["verdict"], found["says"]) == ("ok", "promoted.yml listens to promoted")


@pytest.mark.parametrize("routes", [[], [EVENT]])
def test_files_that_are_not_shown_are_not_judged(cloud: Emulator, routes: list[Any]) -> None:
    """A credential that may start workflows need not read files: that is no problem by itself."""
    with deployed(cloud, routes=routes) as chain:
        for status in (403, 404):
            chain.github.clear_faults()
            chain.github.inject(
                Fault(status=status, body=PRESETS["forbidden"].body, match="/contents/", times=0)
            )
            found = of(token_filled(chain), "workflows")
            assert found["verdict"] == "not checked"
            assert "Contents: read" in found["says"]


def test_a_file_that_is_not_on_the_route_s_ref_is_said(chain: Chain) -> None:
    """A workflow that GitHub lists by the default branch need not be on the route's branch."""
    chain.github.inject(Fault(status=404, body='{"message": "Not Found"}', match="/contents/"))
    assert problems(chain)["workflows"] == ".github/workflows/deploy.yml is not on main."


def test_a_file_that_is_no_workflow_is_not_judged(cloud: Emulator) -> None:
    """A file that can't be read as a workflow is said to be that."""
    broken = Workflow("acme", "models", 20, "deploy.yml", "W", content="on: [")
    with deployed(cloud, workflows=[broken]) as chain:
        found = of(token_filled(chain), "workflows")
    assert (found["verdict"], found["says"]) == ("not checked", "The file is not YAML.")


def with_app(cloud: Emulator, app: App) -> dict[str, str]:
    """Give the problems of a chain whose credential is an App."""
    with deployed(cloud, app_=app) as chain:
        chain.hidden.append("PRIVATE KEY")
        chain.fill("GitHubSecretName", json.dumps(app_secret()))
        return problems(chain)


def test_an_app_is_checked_by_minting(cloud: Emulator) -> None:
    """An App that may start workflows has no problem; one that may not is told what it lacks."""
    assert not with_app(cloud, keys.app(permissions={"actions": "write", "contents": "read"}))
    reader = keys.app(permissions={"actions": "read", "contents": "read"})
    assert "level of access for permissions requested" in with_app(cloud, reader)["repositories"]
    assert "suspended" in with_app(cloud, keys.app(suspended=True))["github-credential"]


def test_a_registered_webhook_is_found(chain: Chain) -> None:
    """With a login to Databricks, the webhook there is checked: missing, off, and well."""
    chain.hidden.append(databricks.TOKEN)
    with workspace() as remote:
        assert "None posts to" in problems(chain, **remote.login)["databricks-webhook"]
        chain.told("webhook", "register", **remote.login)
        assert of(chain, "databricks-webhook", **remote.login)["verdict"] == "ok"
        remote.webhooks[0]["status"] = "DISABLED"
        found = of(chain, "databricks-webhook", **remote.login)
        assert "It is DISABLED" in found["says"]
        assert found["mend"] == f"modelrelay webhook update {remote.webhooks[0]['id']}"


def test_ingest_gets_a_signed_test_delivery(chain: Chain) -> None:
    """What is posted is signed and names no model, so it can start nothing."""
    assert of(chain, "ingest")["verdict"] == "ok"
    [sent] = chain.ingest.sent
    assert sent.event["model_name"] == ""
    assert len(sent.headers["x-databricks-signature"]) == 64


@pytest.mark.parametrize(
    ("reply", "mend"),
    [
        (Reply(401, {"error": "No."}), "known after five minutes"),
        (Reply(403, {"error": "No."}), "allowed_cidrs"),
        (Reply(503, {"error": "No."}), "log of the ingest function"),
        (Reply(599, "x" * 1000), "log of the ingest function"),
        (Reply(202, {"deliveries": []}), "log of the ingest function"),
        (Reply(0), "--url"),
    ],
)
def test_an_ingest_that_does_not_take_it_is_said(cloud: Emulator, reply: Reply, mend: str) -> None:
    """Each refusal of the test delivery is a problem with its own way to mend it."""
    with deployed(cloud, replies=[reply]) as chain:
        found = of(token_filled(chain), "ingest")
    assert found["verdict"] == "problem"
    assert mend in found["mend"]
    assert len(found["says"]) < 500


def test_senders_that_are_not_enabled_are_not_checked(cloud: Emulator) -> None:
    """Without Databricks among the senders, nothing of Databricks is looked for."""
    with deployed(cloud, senders=["events"]) as chain:
        found = {each["check"]: each for each in examined(token_filled(chain))}
    assert found["databricks-webhook"]["verdict"] == found["ingest"]["verdict"] == "not checked"
    assert found["webhook-secrets"]["subject"] == "events"


def test_a_closed_gate_is_said(chain: Chain) -> None:
    """A gate that is closed or paused is a problem, with its reason and what opens it."""
    now = time.time()
    store = GateStore(
        chain.cloud.client("dynamodb"),
        chain.outputs["LedgerTableName"],
        chain.outputs["GitHubSecretName"],
        time.time,
    )
    store.change(lambda state, _: (gate_state.rejected(state, now, f"{CREDENTIAL}rejected", "x"), None))
    assert "credential-rejected" in problems(chain)["gate"]
    store.change(lambda state, _: (gate_state.pause(state, now, now + 600, "release freeze", "ada"), None))
    found = of(chain, "gate")
    assert "release freeze" in found["says"]
    assert found["mend"] == "modelrelay resume"


def test_an_alarm_that_is_on_is_said(chain: Chain) -> None:
    """An alarm's own words tell what is wrong, and where the runbook speaks of it."""
    name = f"{chain.name}-DeadLetters"
    chain.cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    found = of(chain, "alarms")
    assert (found["subject"], found["says"]) == (name, "Deliveries lie there.")
    assert found["mend"] == "docs/operations.md#deadletters"


def test_alarms_of_others_are_none_of_ours(cloud: Emulator) -> None:
    """In a stack without alarms, those of the rest of the account are left alone."""
    with deployed(cloud, without=("Alarm",)) as chain:
        assert of(token_filled(chain), "alarms")["says"] == "the stack has none"


def test_dead_letters_are_said(chain: Chain) -> None:
    """Deliveries that wait for a person are counted."""
    chain.cloud.client("sqs").send_message(
        QueueUrl=chain.outputs["DeadLetterQueueUrl"],
        MessageBody="x",
        MessageGroupId="a",
        MessageDeduplicationId="a",
    )
    assert problems(chain) == {"dead-letters": "1 wait for a person."}


def made(chain: Chain, **changes: Any) -> Examined:
    """Give what the checks are handed, with the settings of the chain."""
    examined = Examined(Session(stack=chain.name), chain.name, variables={}, **changes)
    examined.__dict__["configuration"] = (settings(chain.github.url), "deployed")
    return examined


def only(name: str) -> list[Check]:
    """Give one check, without those that it needs."""
    return [Check(each.name, each.look, (), each.mend) for each in CHECKS if each.name == name]


def fails(_chain: Examined) -> Iterable[Finding]:
    """Find nothing but a message for people."""
    raise CommandError("this and that")


def crashes(_chain: Examined) -> Iterable[Finding]:
    """Fall over something that quotes a secret."""
    yield ok("well begun")
    raise RuntimeError(PASSWORD)


def dawdles(_chain: Examined) -> Iterable[Finding]:
    """Take too long."""
    time.sleep(2)
    return []


def test_checks_neither_stop_nor_delay_each_other() -> None:
    """A check that fails, falls over or hangs is one problem, and the next one runs all the same."""
    checks = [
        Check("fails", fails, mend="mend it"),
        Check("crashes", crashes),
        Check("dawdles", dawdles, seconds=0.1),
        Check("waits", lambda _: [ok("never")], ("fails",)),
        Check("fine", lambda _: [ok("fine")]),
        Check("waits-too", lambda _: [ok("never")], ("fine", "waits")),
    ]
    begun: list[str] = []
    found = list(examine(Examined(Session(), "x"), checks, begun.append))
    assert [(each.check, each.verdict.value, each.says) for each in found] == [
        ("fails", "problem", "this and that"),
        ("crashes", "ok", "well begun"),
        ("crashes", "problem", "The check itself failed (RuntimeError)."),
        ("dawdles", "problem", "It took longer than 0 s."),
        ("waits", "not checked", "fails comes first"),
        ("fine", "ok", "fine"),
        ("waits-too", "not checked", "waits comes first"),
    ]
    assert found[0].mend == "mend it"
    assert begun == [check.name for check in checks]
