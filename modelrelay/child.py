"""Child processes that write to a log file, and that never outlive us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_TAIL_LINES: Final = 40
_STOP_SECONDS: Final = 10
_LOOK_SECONDS: Final = 0.05


class Child:
    """A running process with all that it starts, in a process group of its own.

    Of its own, so that Ctrl-C reaches us alone and we end things in the right order.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs.

        Asked for here and not by `Popen`, whose lock stays locked for ever when a signal's exception
        comes between its taking and its release.
        """
        if self._process.returncode is None:
            try:
                ended, status = os.waitpid(self._process.pid, os.WNOHANG)
            except ChildProcessError:  # The answer was lost to a signal before.
                ended, status = self._process.pid, signal.SIGKILL
            if ended:
                self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it ends and give its exit code.

        Raises:
            TimeoutError: It still runs after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while (code := self.exit_code) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"still running after {timeout} s")
            time.sleep(_LOOK_SECONDS)
        return code

    def stop(self) -> None:
        """End the process with a word or, if it won't, by force, and whatever it started by force.

        One that has ended and was waited for is left alone: its number may be somebody else's by now.
        """
        if self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            self.wait(_STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self.wait(_STOP_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def tail(self) -> str:
        """Give the last lines that it wrote."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
