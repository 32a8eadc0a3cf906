"""Pauses dispatch, and resumes it: the gate's item is written by the functions' own code."""

from __future__ import annotations

import getpass
from typing import Any, Final

from functions.dispatch import gate_state
from functions.dispatch.gate_state import UNTIL_RESUMED, GateState
from functions.operate.audit import Audit
from modelrelay.errors import CommandError
from modelrelay.operate.ages import iso
from modelrelay.operate.gate import paused
from modelrelay.operate.relay import QUEUE, Relay
from modelrelay.operate.story import readable

MAX_REASON: Final = 200


def words(reason: str) -> str:
    """Give the person's words as they are kept.

    Raises:
        CommandError: There are none, or more than a short line of them.
    """
    text = reason.strip()
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise CommandError(f"--reason: should be one line of 1 to {MAX_REASON} characters.")
    return text


def pause(relay: Relay, reason: str, until: float | None, who: str) -> dict[str, Any]:
    """Let dispatch call nobody; with other words or another end where it is paused already.

    Args:
        relay: The pipeline.
        reason: Why, in a line.
        until: When it ends by itself, in epoch seconds; None for not at all.
        who: The person's AWS identity, or name.

    Returns:
        The pause, whether anything was changed, whether it was paused before, and what is on the queue.

    Raises:
        CommandError: The gate, or the record of this, can't be written. Then nothing was changed.
    """
    end = min(until or UNTIL_RESUMED, UNTIL_RESUMED)

    def change(state: GateState, now: float) -> tuple[GateState, bool]:
        by = who.rpartition(":")[2]  # Of an ARN, what people know somebody by.
        return gate_state.pause(state, now, end, reason, by), now < state.paused_until

    with relay.asked():
        before = relay.gate.read()
        state, was_paused = change(before, relay.clock())
        changed = state != before
        if changed:
            options = {"reason": reason, "until": iso(end) if until else None}
            with _audit(relay).recorded(who, "pause", options, {}):
                state, was_paused = relay.gate.change(change)
    return {
        "changed": changed,
        "was_paused": was_paused,
        "paused": paused(state),
        "queue": _queue(relay),
    }


def resume(relay: Relay, who: str) -> dict[str, Any]:
    """Let dispatch call again.

    Returns:
        Whether anything was changed, the pause that was ended, what is on the queue, and within how many
        seconds a delivery that waits looks again.

    Raises:
        CommandError: The gate, or the record of this, can't be written. Then nothing was changed.
    """
    with relay.asked():
        before, now = relay.gate.read(), relay.clock()
        changed = now < before.paused_until
        if changed:
            with _audit(relay).recorded(who, "resume", {"since": iso(before.paused_since)}, {}):
                relay.gate.change(lambda state, now: (gate_state.resume(state, now), None))
    looks_at = gate_state.resume_seen_at(before, now) if changed else now
    return {
        "changed": changed,
        "ended": paused(before) if changed else None,
        "queue": _queue(relay),
        "noticed_within_seconds": round(looks_at - now),
    }


def caller(relay: Relay) -> str:
    """Name who gives the command: the AWS identity's ARN, or this machine's user where AWS tells none."""

    def ask() -> str:
        with relay.asked():
            return str(relay.client("sts").get_caller_identity()["Arn"])

    told = readable(ask)
    return told if isinstance(told, str) else getpass.getuser()


def _audit(relay: Relay) -> Audit:
    return Audit(relay.client("dynamodb"), relay.table, relay.clock)


def _queue(relay: Relay) -> Any:
    def count() -> Any:
        with relay.asked():
            return relay.count(QUEUE)

    return readable(count)
