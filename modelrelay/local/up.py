"""`modelrelay local up`: the whole pipeline on this machine, read from top to bottom."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from functions.ingest.senders import SENDERS
from infra.context import RELAY_KEY
from modelrelay import cdk, configuration, send
from modelrelay.errors import CommandError
from modelrelay.local.batches import allow_batches
from modelrelay.local.console import ConsoleServer, widget_of
from modelrelay.local.deployment import Deployment
from modelrelay.local.emulator import REGION, Emulator
from modelrelay.local.forwarder import Forwarder
from modelrelay.local.github.control import run_entry
from modelrelay.local.progress import Progress
from modelrelay.local.sample import show_sample
from modelrelay.local.signals import Signals
from modelrelay.local.target import GitHubTarget, open_target

_ANSWER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `local up` was asked for.

    Attributes:
        ready_file: Where to write, as JSON, how to reach everything.
        github_api_url: A GitHub to call instead of the simulator.
        context: CDK context that takes the place of `cdk.json`'s, by key.
        sample: Whether to send the sample webhook.
        port: Where webhooks are taken; 0 for a free port.
        strict: Whether the embedded AWS evaluates policies and demands TLS.
    """

    ready_file: Path | None
    github_api_url: str | None
    context: Mapping[str, Any]
    sample: bool
    port: int
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """How to reach everything; the ready file's content.

    Attributes:
        ca_bundle: What a client of `aws_endpoint_url` trusts, in a strict run; otherwise not in the file.
    """

    ingest_url: str
    aws_endpoint_url: str
    region: str
    console_url: str
    github_api_url: str
    webhook_secrets: Mapping[str, str]
    outputs: Mapping[str, str]
    ca_bundle: str | None = None


def up(options: Options, progress: Progress) -> None:
    """Run the pipeline until a signal comes; leave nothing behind.

    Raises:
        CommandError: Something did not start.
    """
    with Signals() as signals, ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="modelrelay-")))
        target = open_target(options.github_api_url, configuration.settings(options.context), running)
        context = _local_context(options.context, target)
        _check_port(options.port)
        emulator = _start_emulator(folder, options, running, signals, progress)
        deployment = Deployment(folder, emulator.environment, context, running, signals)
        outputs = _deploy(deployment, progress)
        if options.strict:
            allow_batches(emulator.client("iam"), emulator.client("cloudformation"), cdk.STACK)
        _fill_github_secret(emulator, outputs, target)
        forwarder = _forward(outputs["IngestUrl"], options.port, emulator, running)
        with progress.step("Waiting for ingest", "Ingest answers"):
            _wait_until_answered(forwarder.url)
        ready = Ready(
            ingest_url=forwarder.url,
            aws_endpoint_url=emulator.url,
            region=REGION,
            console_url=_console(emulator, target, running),
            github_api_url=target.api_url,
            webhook_secrets=_webhook_secrets(emulator, outputs),
            outputs=outputs,
            ca_bundle=str(emulator.ca_bundle) if emulator.ca_bundle else None,
        )
        if options.sample:
            show_sample(ready.ingest_url, ready.webhook_secrets["databricks"], target, emulator, progress)
        _tell(ready, target.page_url, progress)
        for path in {send.READY_FILE, options.ready_file or send.READY_FILE}:
            running.callback(path.unlink, missing_ok=True)
            _write(path, ready)
        signals.wait()


def _local_context(given: Mapping[str, Any], target: GitHubTarget) -> dict[str, Any]:
    """Point the pipeline at the GitHub of this run, enable every sender, and leave out what only AWS has.

    That is: secrets, networks and stacks that exist already, callers' addresses, and people's mail.
    """
    ours = configuration.chosen(given)
    relay = configuration.settings(given).relay.model_dump(mode="json", exclude_unset=True)
    for only_on_aws in ("vpc", "alarms"):
        relay.pop(only_on_aws, None)
    relay["github"] = {**relay.get("github", {}), "api_url": target.api_url}
    for only_on_aws in ("secret_name", "same_credential_as"):
        relay["github"].pop(only_on_aws, None)
    relay["ingest"] = {**relay.get("ingest", {}), "senders": list(SENDERS)}
    for only_on_aws in ("secret_names", "allowed_cidrs", "domain"):
        relay["ingest"].pop(only_on_aws, None)
    context = dict(given) | ours | {RELAY_KEY: relay}
    configuration.settings(
        context
    )  # An address of GitHub's that can't be used is told before anything starts.
    return context


def _check_port(port: int) -> None:
    """Find a taken port before the deployment and not after it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} can't be used ({error.strerror}). Name another with --port."
            ) from None


def _start_emulator(
    folder: Path, options: Options, running: ExitStack, signals: Signals, progress: Progress
) -> Emulator:
    with progress.step("Starting the embedded AWS", "The embedded AWS runs"):
        with signals.held():
            emulator = Emulator(folder, strict=options.strict)
            running.callback(emulator.stop)
        emulator.wait_until_ready()
    return emulator


def _deploy(deployment: Deployment, progress: Progress) -> dict[str, str]:
    with progress.step("Synthesising the CDK app", "The CDK app is synthesised"):
        deployment.prepare()
    with progress.step("Deploying the stack", "The stack is deployed"):
        return deployment.deploy()


def _fill_github_secret(emulator: Emulator, outputs: Mapping[str, str], target: GitHubTarget) -> None:
    secret = json.dumps({"token": target.token})
    emulator.client("secretsmanager").put_secret_value(
        SecretId=outputs["GitHubSecretName"], SecretString=secret
    )


def _forward(api_url: str, port: int, emulator: Emulator, running: ExitStack) -> Forwarder:
    forwarder = Forwarder(api_url, port, emulator.ca_bundle)
    running.callback(forwarder.close)
    return forwarder


def _console(emulator: Emulator, target: GitHubTarget, running: ExitStack) -> str:
    """Serve the console, and give its address."""
    cloudformation = emulator.client("cloudformation")
    resources = cloudformation.list_stack_resources(StackName=cdk.STACK)["StackResourceSummaries"]
    function = next(
        resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::Lambda::Function"
        and resource["LogicalResourceId"].startswith("Console")
    )
    links = {"GitHub simulator" if target.simulator else "GitHub": target.page_url}

    def runs() -> list[dict[str, Any]]:
        return [run_entry(run) for run in target.simulator.runs()] if target.simulator else []

    server = ConsoleServer(widget_of(emulator.client("lambda"), function), runs, links)
    running.callback(server.close)
    return server.url


def _wait_until_answered(ingest_url: str) -> None:
    """Wait until the function itself refuses an unsigned request; API Gateway alone could not."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while (reply := send.post(f"{ingest_url}/databricks", b"{}", {})).status != 401:  # noqa: PLR2004 - HTTP
        if time.monotonic() > deadline:
            raise CommandError(f"Ingest does not answer as it should: {reply.status} {reply.content}")
        time.sleep(0.2)


def _webhook_secrets(emulator: Emulator, outputs: Mapping[str, str]) -> dict[str, str]:
    client = emulator.client("secretsmanager")
    return {
        name: client.get_secret_value(SecretId=outputs[f"{sender.title}SecretName"])["SecretString"]
        for name, sender in SENDERS.items()
    }


def _write(path: Path, ready: Ready) -> None:
    """Write the file at once, so that nobody reads half of it, and for our eyes alone: it holds secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    told = {name: value for name, value in asdict(ready).items() if value is not None}
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    scratch.replace(path)


def _tell(ready: Ready, page_url: str, progress: Progress) -> None:
    who = f"as test/test, trusting {ready.ca_bundle}" if ready.ca_bundle else "any credentials"
    rows = {
        "Webhooks go to": f"{ready.ingest_url}/databricks",
        "Console": ready.console_url,
        "GitHub's runs": page_url,
        "AWS answers at": f"{ready.aws_endpoint_url}  (region {ready.region}, {who})",
        "Send another": ".venv/bin/modelrelay send --local --version 9",
    }
    progress.console.print()
    for name, value in rows.items():
        progress.console.print(f"  {name:<16}{value}", highlight=False, markup=False, soft_wrap=True)
    progress.console.print("\nCtrl-C stops everything.", highlight=False)
