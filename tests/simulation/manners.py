"""Whether GitHub is called as its "Best practices for using the REST API" ask, in every world."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from tests.simulation.facts import Facts, Violation
from tests.simulation.line import Call
from tests.simulation.plan import START

_SPACING: Final = 1.0
_EPSILON: Final = 1e-6
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_REFUSED: Final = {403, 429}
_NEAR: Final = 20
"""Calls that are further apart than so many do not overlap."""


def silence(facts: Facts) -> Iterator[Violation]:
    """Nobody calls GitHub while it asks for silence, once the one who was asked has told the others.

    Before that, a call is excused only where the telling itself was made to fail or its teller died.
    """
    for limit in facts.world.history.limits:
        asked = limit.call
        for call in facts.world.line.calls:
            heard = asked.heard is not None and asked.heard <= call.started < asked.limited_until - _EPSILON
            if not heard or call.account != asked.account or call.number <= asked.number:
                continue
            told = limit.recorded is not None and limit.recorded <= call.started
            if told or not limit.excuse:
                text = (
                    f"#{call.number} at {call.started - START:.3f} s, although #{asked.number} asked for "
                    f"silence until {asked.limited_until - START:.3f} s"
                )
                topics = (*asked.about, *call.about)
                yield Violation("silence while limited", text, tuple(dict.fromkeys(topics)))


def one_at_a_time(facts: Facts) -> Iterator[Violation]:
    """A call begins when no other is under way whose caller lives (GitHub's "Best practices": serially)."""
    calls = facts.world.line.calls
    for number, call in enumerate(calls):
        for other in calls[max(0, number - _NEAR) : number]:
            if other.heard is not None and other.heard > call.started and other.account == call.account:
                text = f"#{call.number} began while #{other.number} was under way"
                yield Violation("one call at a time", text, tuple(dict.fromkeys((*other.about, *call.about))))


def pace(facts: Facts) -> Iterator[Violation]:
    """Calls that create runs are a second apart; those that are taken keep each minute's and hour's limit."""
    plan = facts.world.plan
    starts = _creating(facts.world.line.calls)
    for earlier, later in pairwise(starts):
        if later.started - earlier.started < _SPACING - _EPSILON:
            text = f"#{later.number} came {later.started - earlier.started:.3f} s after #{earlier.number}"
            yield Violation("pace", text)
    taken = [call for call in starts if call.status not in _REFUSED or not call.limited_until]
    for span, most in ((_MINUTE, plan.max_per_minute), (_HOUR, plan.max_per_hour)):
        for first, last in zip(taken, taken[most:], strict=False):
            if last.started - first.started < span - _EPSILON:
                text = f"#{first.number} to #{last.number}: more than {most} calls within {span:.0f} s"
                yield Violation("pace", text)
                break


def _creating(calls: list[Call]) -> list[Call]:
    """Give the calls that create runs, without the second half of a redirected one."""
    kept: list[Call] = []
    before: Call | None = None
    for call in calls:
        if call.creates and not (before and _redirected(before, call)):
            kept.append(call)
        before = call
    return kept


def _redirected(first: Call, second: Call) -> bool:
    return (
        first.task is second.task and first.status in {301, 302, 307, 308} and first.heard == second.started
    )
