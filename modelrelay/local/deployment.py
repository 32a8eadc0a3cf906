"""Deploys this very stack to the embedded AWS, with the CDK CLI."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from infra import bundling
from modelrelay import cdk
from modelrelay.child import Child
from modelrelay.errors import CommandError
from modelrelay.local.signals import Signals

_SECONDS: Final = 300.0


class Deployment:
    """The steps of a deployment; their files go into `folder`.

    Args:
        folder: Where logs, the synthesised app and the outputs go.
        environment: What makes the CLI talk to the embedded AWS.
        context: CDK context that takes the place of `cdk.json`'s, by key.
        running: Ends what still runs.
        signals: Held back while something starts.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        context: Mapping[str, Any],
        running: ExitStack,
        signals: Signals,
    ) -> None:
        self._folder = folder
        self._running = running
        self._signals = signals
        self._app = folder / "cdk.out"
        self._outputs = folder / "outputs.json"
        # What jsii unpacks, and would leave behind when it is ended, goes into our folder.
        self._environment = cdk.environment({**environment, "TMPDIR": str(folder)})
        # The embedded AWS runs functions on this machine, whatever architecture the stack names.
        whole = {**context, bundling.HERE_KEY: True}
        self._context = [
            part
            for key, value in whole.items()
            for part in ("-c", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        ]

    def prepare(self) -> None:
        """Bootstrap the account and synthesise the app, at the same time: each takes one core for seconds."""
        bootstrap = cdk.command("bootstrap", app=str(self._app))
        synth = cdk.command("synth", "--quiet", "--output", str(self._app), *self._context)
        # Bootstrapping needs no app, and must not start a synthesis of its own: with neither an option nor
        # a cdk.json it finds none, and two local runs don't meet in one cdk.out.
        bootstrap = [part for part in bootstrap if part not in {"--app", str(self._app)}]
        account = f"aws://000000000000/{self._environment['AWS_REGION']}"
        first = self._start("synth", synth)
        second = self._start("bootstrap", [*bootstrap, account], cwd=self._folder)
        self._finish(first, "The CDK app could not be synthesised")
        self._finish(second, "The embedded AWS could not be bootstrapped")

    def deploy(self) -> dict[str, str]:
        """Deploy what was synthesised and give the stack's outputs."""
        line = cdk.command(
            "deploy",
            *("--require-approval", "never", "--outputs-file", str(self._outputs)),
            app=str(self._app),
        )
        self._finish(self._start("deploy", line), "The stack could not be deployed")
        outputs: dict[str, str] = json.loads(self._outputs.read_text(encoding="utf-8"))[cdk.STACK]
        return outputs

    def _start(self, name: str, line: Sequence[str], cwd: Path = cdk.ROOT) -> Child:
        log = self._folder / f"{name}.log"
        with self._signals.held():
            child = Child(line, cwd=cwd, environment=self._environment, log=log)
            self._running.callback(child.stop)
        return child

    def _finish(self, child: Child, problem: str) -> None:
        try:
            code = child.wait(_SECONDS)
        except TimeoutError:
            raise CommandError(f"{problem} within {_SECONDS:.0f} s:\n{child.tail()}") from None
        if code:
            raise CommandError(f"{problem}:\n{child.tail()}")
