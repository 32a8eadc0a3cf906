"""The fuzzer itself: it hands over what it promises, keeps what it finds, and shows it again."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from . import fuzz
from .fuzz import again, fuzz_all, share
from .fuzz_one import Run
from .target import Target, hold
from .targets import TARGETS


def test_inputs_are_shared_without_loss() -> None:
    """Every target has its share, and together they have all."""
    shares = share(1_000_000, [*TARGETS])
    assert sum(shares.values()) == 1_000_000
    assert max(shares.values()) - min(shares.values()) <= 1


def _no_x(data: bytes) -> None:
    hold(b"x" not in data, "there is an x")
    int(data)


def test_each_finding_is_kept_once(tmp_path: Path) -> None:
    """Inputs that break one promise at one place are one finding; the first of them is written down."""
    run = Run(Target("digits", [b"1"], _no_x), 1_000, tmp_path, lambda _line: None)
    for data in (b"1", b"2x", b"x", b"y", b"3"):
        run.one(data)
    told = json.loads(run.report())
    assert told["inputs"] == 5
    assert [Path(each["file"]).read_bytes() for each in told["findings"]] == [b"2x", b"y"]
    assert [each["place"].split()[0] for each in told["findings"]] == ["Broken", "ValueError"]


def test_coverage_leads_to_a_real_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target is fuzzed in a process of its own, to the last input."""
    monkeypatch.setattr(fuzz, "FINDINGS", tmp_path)
    progress = fuzz_all(["template"], 3_000, 1, 1, Console(file=io.StringIO()))
    assert (progress["template"].inputs, progress["template"].found) == (3_000, 0)


def test_kept_input_is_shown_again(tmp_path: Path) -> None:
    """An input that breaks nothing any more is told as such, one that does with its traceback."""
    file = tmp_path / "finding"
    file.write_bytes(TARGETS["template"].seeds[0])
    told = io.StringIO()
    assert again("template", [file], Console(file=told)) == 0
    assert "all holds" in told.getvalue()
    assert again("template", [tmp_path / "none"], Console(file=told)) == 1
    assert "FileNotFoundError" in told.getvalue()
