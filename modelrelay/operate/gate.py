"""How the gate stands, in words: may dispatch call GitHub now, and if not, why and until when."""

from __future__ import annotations

from typing import Any

from functions.dispatch.gate_state import CREDENTIAL, UNTIL_RESUMED, GateState
from functions.dispatch.learning import Learned
from functions.operate.reasons import advice
from modelrelay.operate.ages import iso, local, since


def view(state: GateState, now: float) -> dict[str, Any]:
    """Give what a person wants to know of the gate, for programs."""
    closed = {
        "reason": state.reason,
        "since": iso(state.closed_since),
        "until": iso(state.closed_until),
        "means": advice(state.reason).means,
        "next": advice(state.reason).next,
        "needs_a_person": state.reason.startswith(CREDENTIAL),
    }
    return {
        "state": state.name(now).partition(":")[0],
        "closed": closed if state.reason else None,
        "paused": paused(state) if now < state.paused_until else None,
        "learned": learned(state.learned, now),
        "ledgers": list(state.ledgers),
    }


def learned(found: Learned, now: float) -> dict[str, Any] | None:
    """Give the most calls that GitHub's refusals have taught, and until when that holds."""
    if now >= found.until or not (found.per_minute or found.per_hour):
        return None
    return {
        "per_minute": found.per_minute or None,
        "per_hour": found.per_hour or None,
        "until": iso(found.until),
    }


def paused(state: GateState) -> dict[str, Any]:
    """Give since and until when, why and by whom it is paused; `until` is None where it is to be resumed."""
    limited = state.paused_until < UNTIL_RESUMED
    return {
        "since": iso(state.paused_since),
        "until": iso(state.paused_until) if limited else None,
        "reason": state.paused_reason,
        "by": state.paused_by,
    }


def sentences(seen: dict[str, Any], now: float) -> list[str]:
    """Say how the gate stands, a line each for the pause and for what lies under it."""
    lines = []
    if pause := seen["paused"]:
        end = f"until {local(pause['until'])}" if pause["until"] else "until it is resumed"
        lasts = since(pause["since"], now)
        lines.append(f"paused for {lasts} by {pause['by']}, {end}: {pause['reason']}")
    if closed := seen["closed"]:
        over = "a call finds out whether it is over" if seen["state"] == "probing" else ""
        end = over or f"until {local(closed['until'])}"
        lines.append(f"closed for {since(closed['since'], now)}, {end}: {closed['reason']}")
        lines.append(f"{closed['means']} {closed['next']}")
    lines = lines or ["open"]
    if found := seen["learned"]:
        spans = {"a minute": found["per_minute"], "an hour": found["per_hour"]}
        most = " and ".join(f"{number} calls {span}" for span, number in spans.items() if number)
        lines.append(f"GitHub refused more, so at most {most} until {local(found['until'])}")
    if len(seen["ledgers"]) > 1:
        lines.append(f"the same credential paces the stacks of {', '.join(seen['ledgers'])}")
    return lines
