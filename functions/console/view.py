"""Writes the widget's HTML. Whatever comes from an event, a person or GitHub is text, never markup.

Source: "Custom widgets", Amazon CloudWatch User Guide: no script, and buttons are a `cwdb-action` element
after the element that is pressed, with the parameters of the call as its content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from functions.console.act import Done
from functions.console.look import Overview
from functions.core.ledger import Record, State
from functions.operate.ages import spoken
from functions.operate.reasons import MEANING, advice, next_step

_STYLE: Final = """<style>
.mr { font: 14px/1.5 system-ui, sans-serif; }
.mr.dark { color: #d1d5db; } .mr.light { color: #16191f; }
.mr h2 { font-size: 15px; margin: 12px 0 4px; }
.mr table { border-collapse: collapse; width: 100%; }
.mr .table { overflow-x: auto; }
.mr th, .mr td { text-align: left; padding: 3px 12px 3px 0; vertical-align: top; white-space: nowrap; }
.mr .wide2 td:nth-child(2), .mr .wide3 td:nth-child(3) {
  white-space: normal; min-width: 12em; overflow-wrap: anywhere;
}
.mr th { font-weight: normal; opacity: .75; }
.mr tr + tr td { border-top: 1px solid rgba(128, 128, 128, .25); }
.mr .bad { color: #c7162b; font-weight: 600; } .mr.dark .bad { color: #ff8a80; }
.mr .good { color: #1a7f37; } .mr.dark .good { color: #7fd3a0; }
.mr .quiet { opacity: .75; }
</style>"""

_HEADS: Final = ("delivery", "what", "route", "state", "age")
_ABOUT: Final = ("kind", "model", "version", "from_stage", "to_stage", "alias", "route", "occurred_at")
_TONE: Final = {State.DISPATCHED: "good", State.DEAD_LETTERED: "bad", State.UNKNOWN: "bad"}

DESCRIPTION: Final = """## Model Relay's deliveries

The deliveries that moved last, the dead letters by reason, and a button that replays them. It takes no
parameters. Replaying sends a delivery anew with today's configuration; what has been dispatched since is not
sent again.
"""


def overview(shown: Overview, endpoint: str, theme: str) -> str:
    """Write the widget.

    Args:
        shown: What it shows.
        endpoint: The ARN of the function that a button calls.
        theme: The console's, `light` or `dark`.
    """
    rows = [_row(record, shown.at) for record in shown.recent]
    nothing = '<p class="quiet">No delivery within the last 14 days.</p>'
    return _page(
        theme,
        _letters(shown, endpoint),
        "<h2>The deliveries that moved last</h2>",
        _table(_HEADS, rows) if rows else nothing,
    )


def story(record: Record, now: float, theme: str) -> str:
    """Write what is known of one delivery."""
    entry = record.entry.recovered(now)
    facts = {
        "delivery": record.id,
        **{name.replace("_", " "): str(record.about[name]) for name in _ABOUT if name in record.about},
        "accepted": f"{spoken(now - float(record.about.get('accepted_at', 0)) / 1000)} ago",
        "state": f"{entry.state.value}. {MEANING[entry.state]}",
        "reason": entry.reason,
        "what it means": advice(entry.reason).means if entry.reason else "",
        "detail": entry.detail,
        "what to do": next_step(entry.state, entry.reason),
        "attempts": str(entry.attempts),
        "changed": f"{spoken(now - entry.updated_at)} ago",
    }
    rows = [(escape(name), escape(value)) for name, value in facts.items() if value]
    run = _link(entry.run_url, entry.run_url)
    return _page(theme, _table((), [*rows, *([("run", run)] if run else [])]))


def done(result: Done, theme: str) -> str:
    """Write what a replay came to."""
    words = {
        "sent": "sent again",
        "overtaken": "of them older than what was dispatched since, and set aside",
        "settled": "removed without sending: dispatched since, or set aside",
        "repeated": "removed as copies of another",
        "under_way": "kept: dispatch is at work on it",
        "no_route": "kept: there is no such route any more",
        "unreadable": "kept: no delivery",
        "not_sent": "not sent",
        "not_removed": "sent, and still there: SQS did not confirm its removal",
        "passed_over": "kept behind one that could not be sent",
    }
    lines = [f"{result.counts[name]} {text}" for name, text in words.items() if result.counts[name]]
    if result.left:
        lines.append(f"{result.left} left for want of time: press Replay once more")
    lines += result.troubles
    told = "".join(f"<li>{escape(line)}</li>" for line in lines)
    nothing = "<p>Nothing was there to replay: the queue has no such letter any more.</p>"
    return _page(theme, f"<ul>{told}</ul>" if told else nothing)


def trouble(text: str, theme: str) -> str:
    """Write what went wrong."""
    return _page(theme, f'<p class="bad">{escape(text)}</p>')


def _letters(shown: Overview, endpoint: str) -> str:
    if not shown.lying:
        return '<p class="good">No dead letters.</p>'
    letters = "1 dead letter" if shown.lying == 1 else f"{shown.lying} dead letters"
    parts = [f'<p><span class="bad">{letters}</span> on the queue.</p>']
    rows = [
        (
            escape(reason or "unknown"),
            str(count),
            escape(advice(reason).next),
            _button(
                "Replay",
                endpoint,
                {"action": "replay", "reason": reason},
                f"Replay the dead letters of the reason {reason}? Each is sent anew, as configured today.",
            ),
        )
        for reason, count in shown.reasons
    ]
    parts.append(_table(("reason", "deliveries", "what to do", ""), rows, wide=3))
    newest = [(*_row(record, shown.at), *_buttons(record, endpoint)) for record in shown.letters]
    parts.append("<h2>The newest dead letters</h2>")
    parts.append(_table((*_HEADS, "", ""), newest))
    return "".join(parts)


def _buttons(record: Record, endpoint: str) -> tuple[str, str]:
    why = f"Replay delivery {record.id}? It is sent anew, as configured today."
    return (
        _button("Details", endpoint, {"action": "show", "delivery": record.id}),
        _button("Replay", endpoint, {"action": "replay", "delivery": record.id}, why),
    )


def _row(record: Record, now: float) -> tuple[str, ...]:
    entry, about = record.entry.recovered(now), record.about
    version = about.get("version")
    what = [about.get("model"), version and f"v{version}", about.get("to_stage"), about.get("alias")]
    state = f'<span class="{_TONE.get(entry.state, "quiet")}">{escape(entry.state.value)}</span>'
    more = _link(entry.run_url, "run") or escape(entry.reason)
    return (
        f'<code title="{escape(record.id)}">{escape(record.id[:8])}</code>',
        escape(" ".join(str(part) for part in what if part)),
        escape(str(about.get("route", ""))),
        f"{state} {more}",
        f"{spoken(now - entry.updated_at)} ago",
    )


def _button(text: str, endpoint: str, parameters: Mapping[str, str], confirmation: str = "") -> str:
    asks = f' confirmation="{escape(confirmation)}"' if confirmation else ""
    call = f'action="call" display="popup" endpoint="{escape(endpoint)}"{asks}'
    content = escape(json.dumps(parameters), quote=False)
    return f'<a class="btn">{escape(text)}</a><cwdb-action {call}>{content}</cwdb-action>'


def _link(url: str, text: str) -> str:
    """Link to a run; what is no web address is not linked."""
    if not url.startswith(("https://", "http://")):
        return ""
    return f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(text)}</a>'


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], wide: int = 2) -> str:
    """Write a table of cells that are HTML already; the text of one column may be long."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    rows_of_html = f"{f'<tr>{head}</tr>' if head else ''}{body}"
    return f'<div class="table"><table class="wide{wide}">{rows_of_html}</table></div>'


def _page(theme: str, *parts: str) -> str:
    tone = "dark" if theme == "dark" else "light"
    return f'{_STYLE}<div class="mr {tone}">{"".join(parts)}</div>'
