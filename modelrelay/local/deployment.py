"""Deploys this very stack to the embedded AWS, with the CDK CLI."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from modelrelay import cdk
from modelrelay.child import Child
from modelrelay.errors import CommandError

_SECONDS: Final = 300.0


class Deployment:
    """The steps of a deployment; their files go into `folder`.

    Args:
        folder: Where logs, the synthesised app and the outputs go.
        environment: What makes the CLI talk to the embedded AWS.
        context: CDK context that takes the place of `cdk.json`'s, by key.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], context: Mapping[str, Any]) -> None:
        self._folder = folder
        self._app = folder / "cdk.out"
        self._outputs = folder / "outputs.json"
        # What jsii unpacks, and would leave behind when it is ended, goes into our folder.
        self._environment = cdk.environment({**environment, "TMPDIR": str(folder)})
        self._context = [
            part for key, value in context.items() for part in ("-c", f"{key}={json.dumps(value)}")
        ]

    def prepare(self) -> None:
        """Bootstrap the account and synthesise the app, at the same time: each takes one core for seconds."""
        bootstrap = cdk.command("bootstrap", app=str(self._app))
        synth = cdk.command("synth", "--quiet", "--output", str(self._app), *self._context)
        # Bootstrapping needs no app, and must not start a synthesis of its own.
        bootstrap = [part for part in bootstrap if part not in {"--app", str(self._app)}]
        account = f"aws://000000000000/{self._environment['AWS_REGION']}"
        with (
            self._running("synth", synth) as first,
            self._running("bootstrap", [*bootstrap, account]) as second,
        ):
            self._finish(first, "The CDK app could not be synthesised")
            self._finish(second, "The embedded AWS could not be bootstrapped")

    def deploy(self) -> dict[str, str]:
        """Deploy what was synthesised and give the stack's outputs."""
        line = cdk.command(
            "deploy",
            *("--require-approval", "never", "--outputs-file", str(self._outputs)),
            app=str(self._app),
        )
        with self._running("deploy", line) as child:
            self._finish(child, "The stack could not be deployed")
        outputs: dict[str, str] = json.loads(self._outputs.read_text(encoding="utf-8"))[cdk.STACK]
        return outputs

    @contextmanager
    def _running(self, name: str, line: Sequence[str]) -> Iterator[Child]:
        log = self._folder / f"{name}.log"
        child = Child(line, cwd=cdk.ROOT, environment=self._environment, log=log)
        try:
            yield child
        finally:
            child.stop()

    def _finish(self, child: Child, problem: str) -> None:
        try:
            code = child.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandError(f"{problem} within {_SECONDS:.0f} s:\n{child.tail()}") from None
        if code:
            raise CommandError(f"{problem}:\n{child.tail()}")
