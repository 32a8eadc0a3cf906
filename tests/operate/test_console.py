"""The dashboard's widget: what it shows, what its buttons do, and what never becomes markup."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from functions.console import handler as module
from functions.console.view import DESCRIPTION
from functions.core.ledger import State
from functions.core.settings import FILE_NAME, load
from functions.operate.audit import Audit
from tests.unit.samples import SETTINGS, delivery, lambda_context

from .conftest import Deployed

EVIL = "<img src=x onerror=alert(1)>\"'&"


class Page(HTMLParser):
    """What a browser would make of the widget: its text, its tags, its buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.calls: list[tuple[dict[str, str | None], dict[str, str]]] = []
        self._inside: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self._inside.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag."""
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note a text, or the parameters of a button."""
        tag, attributes = self._inside[-1] if self._inside else ("", {})
        if tag == "cwdb-action":
            self.calls.append((attributes, json.loads(data)))
        elif tag != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """Everything that can be read."""
        return " ".join(self.words)


class Widget:
    """The function as CloudWatch calls it."""

    def __call__(self, theme: str = "light", **parameters: str) -> str:
        """Give the HTML for a button's parameters."""
        context = {"dashboardName": "ModelRelay", "theme": theme}
        html = module.handler({**parameters, "widgetContext": context}, lambda_context(60_000))
        assert isinstance(html, str)
        return html

    def page(self, **parameters: str) -> Page:
        """Give the page for a button's parameters."""
        return Page(self(**parameters))


@pytest.fixture
def widget(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Widget]:
    """The function in an environment such as the stack gives it."""
    (tmp_path / FILE_NAME).write_text(SETTINGS.to_json(), encoding="utf-8")
    monkeypatch.setattr(module, "load", lambda: load(tmp_path))
    monkeypatch.setenv("QUEUE_URL", deployed.outputs["QueueUrl"])
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", deployed.outputs["DeadLetterQueueUrl"])
    monkeypatch.setenv("LEDGER_TABLE", deployed.outputs["LedgerTableName"])
    module._console.cache_clear()
    yield Widget()
    module._console.cache_clear()


def bury(deployed: Deployed, number: int, reason: str = "github-refused", **changes: Any) -> str:
    """Make a delivery a dead letter, on the queue and in the ledger, and give its id."""
    sent = delivery(version=str(number), **changes)
    deployed.bury(sent, reason)
    deployed.know(sent, State.DEAD_LETTERED, reason=reason, detail="No ref found for: main")
    return sent.id


def test_widget_describes_itself(widget: Widget) -> None:
    """Whoever adds the widget to a dashboard by hand is told what it is."""
    assert module.handler({"describe": True}, lambda_context()) == {"markdown": DESCRIPTION}


def test_nothing_has_happened_yet(widget: Widget) -> None:
    """An empty ledger is no trouble."""
    page = widget.page()
    assert "No dead letters." in page.text
    assert "No delivery within the last 14 days." in page.text
    assert page.calls == []


def test_deliveries_are_shown_newest_first(deployed: Deployed, widget: Widget) -> None:
    """What moved last comes first, with its state, why it waits, and its run."""
    now = time.time()
    url = "https://github.com/acme/models/actions/runs/17"
    deployed.know(delivery(version="1"), State.DISPATCHED, now - 300, run_id=17, run_url=url)
    deployed.know(delivery(version="2"), State.WAITING, now - 60, reason="pacing")
    html = widget()
    page = Page(html)
    assert page.text.index("v2") < page.text.index("v1")
    assert {"waiting", "pacing", "dispatched", "60 s ago", "5 min ago"} <= {
        each.strip() for each in page.words
    }
    assert f'href="{url}"' in html


def test_letters_are_counted_by_reason(deployed: Deployed, widget: Widget) -> None:
    """Each reason has its number, what to do, and a button that asks before it replays."""
    for number in range(3):
        bury(deployed, number)
    bury(deployed, 9, "missing-field")
    page = widget.page()
    assert re.search(r"4 dead letters\s+on the queue", page.text)
    assert re.search(r"github-refused 3 .*missing-field 1 ", page.text)
    asked = {call["reason"]: attributes for attributes, call in page.calls if "reason" in call}
    assert asked.keys() == {"github-refused", "missing-field"}
    for attributes in asked.values():
        assert attributes["endpoint"] == lambda_context().invoked_function_arn
        assert str(attributes["confirmation"]).startswith("Replay the dead letters of the reason ")


def test_details_tell_the_story(deployed: Deployed, widget: Widget) -> None:
    """One delivery's story: what it is, GitHub's words, and what to do."""
    page = widget.page(action="show", delivery=bury(deployed, 8))
    for words in ("No ref found for: main", "dead-lettered. It is a dead letter", "what to do", "Production"):
        assert words in page.text
    assert "knows no such delivery" in widget.page(action="show", delivery="0" * 32).text


def test_one_letter_is_replayed(deployed: Deployed, widget: Widget) -> None:
    """The button of a delivery sends that one, and leaves a record of who did it."""
    wanted, other = bury(deployed, 1), bury(deployed, 2, model_name="fraud")
    page = widget.page(action="replay", delivery=wanted)
    assert "1 sent again" in page.text
    (message,) = deployed.drain()
    assert json.loads(message["Body"])["id"] == wanted
    (left,) = deployed.drain("DeadLetterQueueUrl")
    assert json.loads(left["Body"])["id"] == other
    audit = Audit(deployed.cloud.client("dynamodb"), deployed.outputs["LedgerTableName"])
    [act] = audit.newest()
    assert (act.who, act.action, act.outcome) == ("the dashboard ModelRelay", "console replay", "done")
    assert (act.options, act.counts["sent"]) == ({"delivery": wanted}, 1)


def test_letters_of_a_reason_are_replayed_in_order(deployed: Deployed, widget: Widget) -> None:
    """The button of a reason sends all of them, more than SQS shows at once too, and no others."""
    ids = [bury(deployed, number) for number in range(12)]
    bury(deployed, 99, "missing-field", model_name="fraud")
    assert "12 sent again" in widget.page(action="replay", reason="github-refused").text
    assert [json.loads(message["Body"])["id"] for message in deployed.drain()] == ids
    assert deployed.counts() == (1, 0)


def test_what_was_dispatched_since_is_not_sent(deployed: Deployed, widget: Widget) -> None:
    """A letter whose workflow has been started is removed and not sent."""
    sent = delivery(version="5")
    deployed.bury(sent)
    deployed.know(sent, State.DISPATCHED, run_id=17)
    assert "1 removed without sending" in widget.page(action="replay", delivery=sent.id).text
    assert (deployed.counts(), deployed.counts("QueueUrl")) == ((0, 0), (0, 0))


@pytest.mark.parametrize("parameters", [{}, {"delivery": "0" * 32}, {"reason": "nothing-of-that"}])
def test_nothing_to_replay_is_said(deployed: Deployed, widget: Widget, parameters: dict[str, str]) -> None:
    """A button that was pressed twice, or a call that names nothing, does nothing."""
    bury(deployed, 1)
    assert "Nothing was there to replay" in widget.page(action="replay", **parameters).text
    assert deployed.counts() == (1, 0)


def test_what_there_is_no_time_for_is_left(
    deployed: Deployed, widget: Widget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay ends before the function is stopped, and says how many are left."""
    for number in range(3):
        bury(deployed, number)
    monkeypatch.setattr(module, "SPARE_SECONDS", 61.0)
    assert "3 left for want of time" in widget.page(action="replay", reason="github-refused").text
    assert deployed.counts() == (3, 0)


def test_what_events_say_is_text(deployed: Deployed, widget: Widget) -> None:
    """No name, reason or address of an event, of GitHub or of a person becomes markup."""
    bury(deployed, 1, EVIL, model_name=EVIL, alias=EVIL)
    strange = delivery("evil", version="2", model_name="x")
    deployed.know(strange, State.DISPATCHED, run_id=1, run_url="javascript:alert(1)", detail=EVIL)
    for html in (widget(), widget(action="show", delivery=strange.id), widget(theme='"><script>')):
        assert Page(html).tags <= {
            "style",
            "div",
            "p",
            "span",
            "h2",
            "table",
            "tr",
            "th",
            "td",
            "code",
            "a",
            "cwdb-action",
        }
        assert "javascript:" not in re.sub(r">[^<]*<", "><", html)
    page = widget.page()
    assert EVIL in unescape(page.text)
    assert {call["reason"] for _, call in page.calls if "reason" in call} == {EVIL}


@pytest.mark.parametrize(("theme", "tone"), [("dark", "mr dark"), ("light", "mr light"), ("", "mr light")])
def test_widget_follows_the_consoles_theme(widget: Widget, theme: str, tone: str) -> None:
    """CloudWatch says whether it is dark."""
    assert f'class="{tone}"' in widget(theme=theme)


def test_trouble_is_told(deployed: Deployed, widget: Widget, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AWS refuses is a sentence and no traceback, and the next call tries anew."""
    monkeypatch.setenv("LEDGER_TABLE", "gone")
    page = widget.page()
    assert "AWS did not do as it was told (LedgerUnavailable). Try again." in page.text
    assert widget.page(action="replay", reason="x").tags <= {"style", "div", "p"}
