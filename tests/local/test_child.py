"""Child processes: they end when they are told to, whatever they started and whenever a signal came."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from modelrelay.child import Child


def child(folder: Path, code: str) -> Child:
    """Start a Python program."""
    return Child([sys.executable, "-c", code], cwd=folder, environment=os.environ, log=folder / "log")


def test_exit_code_and_last_words_are_told(tmp_path: Path) -> None:
    """Whoever waits learns how it ended, and what it wrote."""
    ended = child(tmp_path, "print('last words'); raise SystemExit(3)")
    assert ended.wait(30) == 3
    assert ended.tail() == "last words"


def test_what_runs_on_is_told(tmp_path: Path) -> None:
    """Waiting has an end."""
    running = child(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(TimeoutError):
        running.wait(0.1)
    running.stop()
    assert running.exit_code == -15


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """Grandchildren that the child does not end itself are ended too."""
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    )
    running = child(tmp_path, f"{code}; print(p.pid, flush=True); p.wait()")
    while not running.tail():
        assert running.exit_code is None
    grandchild = psutil.Process(int(running.tail()))
    running.stop()
    psutil.wait_procs([grandchild], timeout=10)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_stopping_what_has_ended_is_nothing(tmp_path: Path) -> None:
    """A process that was waited for is not signalled any more."""
    ended = child(tmp_path, "pass")
    assert ended.wait(30) == 0
    ended.stop()
    assert ended.exit_code == 0


def test_a_lost_exit_code_is_no_reason_to_wait(tmp_path: Path) -> None:
    """When a signal has swallowed the answer, the process counts as ended."""
    lost = child(tmp_path, "pass")
    os.waitpid(lost._process.pid, 0)
    lost.stop()
    assert lost.exit_code == -9
