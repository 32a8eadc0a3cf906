"""What must hold in every world, judged when it has come to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from functions.core.delivery import Delivery
from tests.simulation.facts import Facts, Violation, facts_of
from tests.simulation.history import Letter
from tests.simulation.manners import one_at_a_time, pace, silence
from tests.simulation.plan import START, Kind
from tests.simulation.wiring import QUEUE

if TYPE_CHECKING:
    from tests.simulation.world import World

_HOUR: Final = 3600.0
_MAX_DEATHS: Final = 5

REASONS: Final = frozenset(
    {"expired", "github-not-found", "github-refused", "malformed", "crashed", "unknown-outcome"}
)
"""For what a dead letter may be written in the simulation."""


def judge(world: World, *, rested: bool) -> tuple[Violation, ...]:
    """Judge a world at rest."""
    facts = facts_of(world)
    checks: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
        _defects,
        _every_end,
        _one_run,
        _order,
        _no_older_fact,
        silence,
        one_at_a_time,
        pace,
        _waiting_is_not_failing,
        _ledger_agrees,
    )
    found = [violation for check in checks for violation in check(facts)]
    if not rested:
        found.append(_unrest(facts))
    return tuple(found)


def _defects(facts: Facts) -> Iterator[Violation]:
    """Nothing outside is called in a way in which it can't be, and no error comes from the code itself."""
    for defect in facts.world.history.defects:
        yield Violation("calls are right", defect)


def _every_end(facts: Facts) -> Iterator[Violation]:
    """Every accepted delivery is dispatched, dead-lettered with a reason, or superseded."""
    for delivery in facts.world.history.accepted:
        state = facts.entries.get(delivery, {}).get("state")
        letters = facts.letters.get(delivery, [])
        runs = len(facts.runs.get(delivery, []))
        buried = state == "dead-lettered" and any(letter.reason for letter in letters)
        if not (runs or buried or state == "superseded"):
            text = (
                f"{delivery} was accepted and ended nowhere: {facts.waits(delivery)}, {len(letters)} letters"
            )
            yield Violation("every accepted delivery ends", text, (delivery,))


def _one_run(facts: Facts) -> Iterator[Violation]:
    """No delivery has two runs, unless GitHub lies or a person decides so; and no run belongs to nobody."""
    for run in facts.strangers:
        yield Violation("one run a delivery", f"run {run.id} belongs to no delivery")
    if facts.world.plan.lies:
        return
    for delivery, runs in facts.runs.items():
        decided = _was_unknown(facts, delivery)
        if facts.world.plan.kinds[facts.deliveries[delivery].route] is Kind.LISTENS:
            # GitHub tells no run of an event, so one of the call before can't always be told from ours.
            decided |= delivery in facts.world.history.undecided
        if len(runs) > 1 and not decided:
            times = ", ".join(f"{run.id} at {run.created_at - START:.3f} s" for run in runs)
            yield Violation("one run a delivery", f"{delivery} has {len(runs)} runs: {times}", (delivery,))


def _order(facts: Facts) -> Iterator[Violation]:
    """The runs of a route and model come in order of acceptance, but for deliveries once dead-lettered."""
    groups: dict[str, list[str]] = {}
    for delivery, messages in sorted(facts.sent.items(), key=lambda pair: pair[1][0].order):
        if facts.runs[delivery] and delivery not in facts.letters:
            groups.setdefault(messages[0].delivery.group, []).append(delivery)
    for group in groups.values():
        for earlier, later in pairwise(group):
            first, second = facts.runs[earlier][0], facts.runs[later][0]
            if first.created_at > second.created_at:
                text = f"{earlier} was accepted before {later} and run after it"
                yield Violation("order of acceptance", text, (earlier, later))


def _no_older_fact(facts: Facts) -> Iterator[Violation]:
    """A dead letter that comes back does not follow a newer fact of its model and stage, unless forced."""
    for delivery in facts.letters:
        if delivery not in facts.deliveries or any(each.forced for each in facts.sent[delivery]):
            continue
        buried_at = facts.letters[delivery][0].at
        for run in [each for each in facts.runs[delivery] if each.created_at > buried_at]:
            newer = [
                other
                for other, its in facts.runs.items()
                if _replaces(facts.deliveries[other], facts.deliveries[delivery])
                and its
                and its[0].created_at < run.created_at
            ]
            if newer:
                text = f"{delivery} ran after the newer {', '.join(newer)}"
                yield Violation("no older fact over a newer one", text, (delivery, *newer))


def _replaces(newer: Delivery, older: Delivery) -> bool:
    same = (newer.group, newer.event.to_stage) == (older.group, older.event.to_stage)
    return same and newer.event.occurred_at > older.event.occurred_at


def _waiting_is_not_failing(facts: Facts) -> Iterator[Violation]:
    """What only waits is not dead-lettered, neither by us nor by SQS."""
    if redriven := facts.world.sqs.queues[QUEUE].redriven:
        yield Violation("waiting is not failing", f"SQS moved {redriven} messages to the dead letters")
    for letters in facts.letters.values():
        for letter in letters:
            yield from _wrong_letter(facts, letter)


def _wrong_letter(facts: Facts, letter: Letter) -> Iterator[Violation]:
    name, about = "waiting is not failing", (letter.delivery,) if letter.delivery else ()
    deaths = facts.world.history.deaths[letter.delivery]
    if letter.reason not in REASONS:
        yield Violation(name, f"{letter.delivery} was buried: {letter.reason or 'without a reason'}", about)
    elif letter.reason == "expired" and not _expired(facts, letter):
        yield Violation(name, f"{letter.delivery} expired before its time", about)
    elif letter.reason == "crashed" and deaths < _MAX_DEATHS:
        yield Violation(name, f"{letter.delivery} was given up after {deaths} deaths", about)
    elif letter.reason.startswith("github-") and not _refused(facts, letter):
        yield Violation(name, f"{letter.delivery} was buried: {letter.reason}, but was never refused", about)


def _expired(facts: Facts, letter: Letter) -> bool:
    """Tell whether a message was tried for long enough, or waited behind another of its delivery that was."""
    sent = {f"m-{each.order}": each.at for each in facts.sent.get(letter.delivery, ())}
    sent_at = sent.get(letter.message.deduplication, letter.at)
    earlier = [each for each in facts.letters[letter.delivery] if sent_at <= each.at < letter.at]
    old_enough = letter.at - sent_at >= facts.world.plan.max_age_hours * _HOUR
    return old_enough or any(each.reason == "expired" for each in earlier)


def _refused(facts: Facts, letter: Letter) -> bool:
    calls = facts.world.line.calls
    return any(call.creates and call.status in {404, 422} and letter.delivery in call.about for call in calls)


def _ledger_agrees(facts: Facts) -> Iterator[Violation]:
    """What the ledger says of runs is so at GitHub, and the other way round."""
    if facts.world.plan.lies:
        return
    for delivery, entry in facts.entries.items():
        ids = [run.id for run in facts.runs[delivery]]
        state, run_id = entry.get("state"), int(entry.get("run_id", 0))
        untold = facts.world.plan.kinds[facts.deliveries[delivery].route].listens and not run_id
        if state == "dispatched" and not (ids if untold else run_id in ids):
            text = f"{delivery}: run {run_id} is none of its own {ids}"
            yield Violation("the ledger agrees with GitHub", text, (delivery,))
        elif (
            ids
            and state != "dispatched"
            and entry.get("reason") not in {"unknown-outcome", "crashed", "expired"}
            and not (state == "superseded" and _was_unknown(facts, delivery))
        ):
            text = f"{delivery} has the runs {ids}, and {facts.waits(delivery)}"
            yield Violation("the ledger agrees with GitHub", text, (delivery,))


def _was_unknown(facts: Facts, delivery: str) -> bool:
    """Tell whether a person was asked what became of it, and sent it again."""
    return any(letter.reason == "unknown-outcome" for letter in facts.letters.get(delivery, ()))


def _unrest(facts: Facts) -> Violation:
    waiting = facts.world.sqs.queues[QUEUE].messages
    ids = [sent.delivery.id for sent in facts.world.history.sent if sent.order in {m.number for m in waiting}]
    states = "; ".join(f"{each}: {facts.waits(each)}" for each in ids)
    return Violation("it comes to rest", f"{len(waiting)} messages are left: {states}", tuple(ids))
