"""The modules that take the place of packages' own do what those do, as far as they are asked to."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dateutil.parser  # type: ignore[import-untyped]  # it ships no types
import dateutil.tz  # type: ignore[import-untyped]  # see above
import pytest
import typing_extensions

from infra import bundling, instead

from .conftest import MakeBundle
from .running import run


def module(name: str, folder: Path) -> dict[str, Any]:
    """Run one of the modules by itself, and give what is in it."""
    path = folder / "module.py"
    path.write_text(instead.MODULES[name], encoding="utf-8")
    return runpy.run_path(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T09:42:57Z",  # where containers tell when their credentials end
        "2026-11-23T09:42:57+00:00",
        "2026-11-23T09:42:57.5Z",
        "2026-11-23T09:42:57.123456Z",
        "2026-11-23T09:42:57.123456789Z",
        "2026-11-23T09:42:57-03:30",
        "2026-11-23T09:42:57",
        "2026-11-23 09:42:57+00:00",
        "20261123T094257Z",
        "2026-11-23",
        "Mon, 23 Nov 2026 09:42:57 GMT",
        "Mon, 23 Nov 2026 09:42:57 +0000",
        "Mon, 23 Nov 2026 09:42:57 -0330",
    ],
)
def test_a_time_is_read_as_by_dateutil(tmp_path: Path, text: str) -> None:
    """However AWS writes a time, it is the same moment, with an offset or without one."""
    ours = module("dateutil/parser/__init__.py", tmp_path)["parse"](text, tzinfos={"GMT": UTC})
    theirs = dateutil.parser.parse(text, tzinfos={"GMT": dateutil.tz.tzutc()})
    assert ours == theirs
    assert ours.utcoffset() == theirs.utcoffset()


def refuses(parse: Callable[[str], datetime], text: str) -> bool:
    """Tell whether a parser finds that a text is no time."""
    try:
        parse(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "Mon, 99 Nov 2026 09:42:57 GMT"])
def test_what_is_no_time_is_the_same_error(tmp_path: Path, text: str) -> None:
    """It is a `ValueError`, by which botocore tells a time that it can't read."""
    parsers = (dateutil.parser.parse, module("dateutil/parser/__init__.py", tmp_path)["parse"])
    assert [refuses(parse, text) for parse in parsers] == [True, True]


def test_what_is_no_text_is_the_same_error(tmp_path: Path) -> None:
    """Neither reads what is no text."""
    for parse in (dateutil.parser.parse, module("dateutil/parser/__init__.py", tmp_path)["parse"]):
        with pytest.raises(TypeError):
            parse(None)


@pytest.fixture(params=["UTC", "Europe/Rome", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("seconds", [0, 1_790_000_000.25, 1_780_000_000, 4_000_000_000])
def test_a_moment_is_the_same_in_every_zone(zone: None, tmp_path: Path, seconds: float) -> None:
    """The seconds that AWS tells become the moment that dateutil's zones make of them."""
    ours = module("dateutil/tz/__init__.py", tmp_path)
    for name in ("tzutc", "tzlocal"):
        one = datetime.fromtimestamp(seconds, ours[name]())
        other = datetime.fromtimestamp(seconds, getattr(dateutil.tz, name)())
        assert one == other
        assert one.timestamp() == seconds
    assert ours["tzutc"]().utcoffset(None) == timedelta(0)
    now = datetime.now(UTC)
    assert now.astimezone(ours["tzlocal"]()).utcoffset() == now.astimezone(dateutil.tz.tzlocal()).utcoffset()


def test_what_is_deprecated_can_be_called(tmp_path: Path) -> None:
    """A decorated function does what it did; so does one by the original."""
    ours = module("typing_extensions.py", tmp_path)
    for source in (ours, vars(typing_extensions)):
        decorated = source["deprecated"]("use another", category=None)(lambda number: number + 1)
        assert decorated(1) == 2
        assert source["override"](decorated) is decorated
    assert [ours[name] for name in ("NotRequired", "Self")] == [
        typing_extensions.NotRequired,
        typing_extensions.Self,
    ]


LOGS = """
import contextlib, io
from aws_lambda_powertools import Logger
written = io.StringIO()
logger = Logger(service="s", stream=written)
logger.info("word", status=1)
said = json.loads(written.getvalue())
said.pop("timestamp")
answer = [said, sorted(name for name in sys.modules if name.startswith("aws_lambda_powertools."))]
"""


def test_powertools_has_its_logger_and_nothing_else(made: MakeBundle) -> None:
    """Its lines are those of a whole Powertools, and neither its metrics nor its tracer is loaded."""
    ours, loaded = run(LOGS, made(bundling.INGEST, bundling.HERE))
    whole, loaded_whole = run(LOGS, bundling._packages(bundling.INGEST, bundling.HERE))
    assert ours == whole
    assert set(loaded) < set(loaded_whole)
    others = {"aws_lambda_powertools.metrics", "aws_lambda_powertools.tracing"}
    assert others <= set(loaded_whole) - set(loaded)
