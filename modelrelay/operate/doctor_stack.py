"""The check-up's questions to AWS: the login, the stack, its secrets, and how it is doing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from functions.dispatch.app import App
from functions.ingest.senders import SENDERS
from modelrelay.operate import gate as gates
from modelrelay.operate import github, secrets
from modelrelay.operate.deployed import DEPLOYED
from modelrelay.operate.findings import Chain, Finding, not_checked, ok, problem
from modelrelay.operate.relay import DEAD_LETTERS

OUTPUTS: Final = (
    "IngestUrl",
    "DatabricksWebhookUrl",
    "QueueUrl",
    "DeadLetterQueueUrl",
    "LedgerTableName",
    "GitHubSecretName",
    "GateTableName",
    "GateName",
    "DashboardUrl",
)
_DEPLOY: Final = "Deploy again: make deploy"
_SETTLED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_ALARMS: Final = frozenset({"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"})


def aws(chain: Chain) -> Iterator[Finding]:
    """Ask AWS who we are."""
    with chain.session.explained():
        who = chain.session.client("sts").get_caller_identity()
    yield ok(f"account {who['Account']}, as {who['Arn']}")


def stack(chain: Chain) -> Iterator[Finding]:
    """Look whether the stack is there, settled, and of this version."""
    with chain.session.explained():
        found = chain.session.client("cloudformation").describe_stacks(StackName=chain.stack)["Stacks"][0]
    status = found["StackStatus"]
    missing = [name for name in OUTPUTS if name not in chain.session.outputs]
    if missing:
        yield problem(f"It lacks the outputs {', '.join(missing)}: another version deployed it.", _DEPLOY)
    elif status.endswith("_IN_PROGRESS"):
        yield problem(f"It is being changed right now ({status}).", "Wait for the deployment to end.")
    elif status not in _SETTLED:
        yield problem(f"The last deployment did not succeed ({status}).", _DEPLOY)
    else:
        yield ok(f"{chain.stack} is deployed ({status})")


def configuration(chain: Chain) -> Iterator[Finding]:
    """Read the configuration, and say which one the other checks go by."""
    settings, origin = chain.configuration
    routes = ", ".join(route.name for route in settings.routes)
    if origin == DEPLOYED:
        yield ok(f"the deployed one, with the routes {routes}")
    else:
        yield not_checked(f"the deployed one was not read; by this checkout's, the routes are {routes}")


def webhook_secrets(chain: Chain) -> Iterator[Finding]:
    """Look whether ingest can check each enabled sender's webhooks."""
    for name in chain.settings.ingest.senders:
        sender = SENDERS[name]
        value = secrets.value(chain.session, secrets.name_of(chain.session, sender))
        if secrets.is_usable(sender, value):
            yield ok(f"it is filled, as a {sender.credential}", name)
        else:
            what = f"It is not of the form of a {sender.credential}" if value else "It is empty"
            yield problem(
                f"{what}: all its webhooks are refused.", f"modelrelay secrets rotate-webhook {name}", name
            )


def github_secret(chain: Chain) -> Iterator[Finding]:
    """Look whether the GitHub secret holds a credential that can be read."""
    credential = github.parse(chain.github_secret)
    yield ok("it holds a GitHub App" if isinstance(credential, App) else "it holds a token")


def gate(chain: Chain) -> Iterator[Finding]:
    """Look whether dispatch may call GitHub now."""
    with chain.relay.asked():
        state = chain.relay.gate.read()
    now = chain.clock()
    seen = gates.view(state, now)
    if seen["state"] == "open":
        yield ok("it is open")
        return
    mend = "modelrelay resume" if seen["paused"] else "It opens by itself when the cause is gone."
    yield problem(" ".join(gates.sentences(seen, now)), mend)


def alarms(chain: Chain) -> Iterator[Finding]:
    """Look whether one of the stack's alarms is on."""
    # Some resources are known by their ARN.
    names = [each.name.rpartition(":")[2] for each in chain.session.resources() if each.kind in _ALARMS]
    if not names:  # AWS would take that for all alarms of the account.
        yield not_checked("the stack has none")
        return
    with chain.session.explained():
        told = chain.session.client("cloudwatch").describe_alarms(
            AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    found = [*told.get("MetricAlarms", []), *told.get("CompositeAlarms", [])]
    ringing = [each for each in found if each["StateValue"] == "ALARM"]
    for each in ringing:
        said, _, mend = each.get("AlarmDescription", "").partition(" What to do: ")
        yield problem(said or "It is on.", mend or "See docs/operations.md.", each["AlarmName"])
    if not ringing:
        yield ok(f"none of {len(found)} is on")


def dead_letters(chain: Chain) -> Iterator[Finding]:
    """Look whether deliveries wait for a person."""
    with chain.relay.asked():
        count = sum(chain.relay.count(DEAD_LETTERS).values())
    if count:
        yield problem(f"{count} wait for a person.", "See why: modelrelay dlq list")
    else:
        yield ok("there are none")
