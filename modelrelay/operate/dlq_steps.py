"""What the commands for dead letters do, step by step: look, ask, act, tell."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from functions.operate.judgement import Judge
from functions.operate.letters import Depth, Letter
from functions.operate.replay import Orders, Pace, Replay
from modelrelay.commands.options import asks
from modelrelay.errors import CommandError
from modelrelay.operate import letter_tables as tables
from modelrelay.operate.desk import Desk, note, progress
from modelrelay.operate.edited import Edited, Import
from modelrelay.operate.plan import make_plan
from modelrelay.operate.purge import Purge
from modelrelay.operate.selection import Selection, content
from modelrelay.output import tell


@dataclass(frozen=True, slots=True)
class Assent:
    """Whether something is to be done, and whom to ask.

    Attributes:
        yes: It is, whoever looks on.
        dry_run: It is not, whatever else is said.
        as_json: A program looks on, and can't be asked.
    """

    yes: bool
    dry_run: bool
    as_json: bool

    @property
    def given(self) -> bool:
        """Whether nothing has to be shown or asked."""
        return self.yes and not self.dry_run

    def asked(self, question: str, *, some: bool) -> bool:
        """Ask, where there is something to do and somebody to answer; else say what to do.

        Args:
            question: What to ask.
            some: Whether there is anything to do.
        """
        if not some:
            note("Nothing is like that, so there is nothing to do.")
            return False
        if self.dry_run or self.as_json or not asks(yes=False):
            note("Nothing was done. With --yes it is.")
            return False
        agreed = typer.confirm(question)
        if not agreed:
            note("Nothing was done.")
        return agreed


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the dead letters showed.

    Attributes:
        letters: The letters that are meant.
        seen: How many were seen, meant or not.
        depth: How many there are, about.
    """

    letters: Sequence[Letter]
    seen: int
    depth: Depth

    @property
    def extent(self) -> dict[str, int]:
        """How much of the queue was seen, for programs."""
        return {"seen": self.seen, "about": self.depth.total, "held_by_others": self.depth.hidden}


def look(desk: Desk, selection: Selection) -> Look:
    """Read the letters that are meant."""
    depth = desk.letters.depth()
    letters, seen = desk.selected(selection, depth)
    return Look(letters, seen, depth)


def tell_letters(seen: Look, *, as_json: bool, **more: object) -> None:
    """List letters."""
    now = seen.depth.now
    told = {
        **more,
        "letters": [tables.summary(letter, now) for letter in seen.letters],
        "reasons": dict(Counter(letter.reason for letter in seen.letters).most_common()),
        **seen.extent,
    }
    if seen.letters or as_json:
        tell(told, as_json=as_json, people=lambda console: tables.print_letters(console, seen.letters, now))
    else:
        typer.echo("No dead letter is like that." if seen.seen else "There are no dead letters.")
    _note_reach(seen)


def found(desk: Desk, delivery: str) -> list[dict[str, Any]]:
    """Give everything that is known of a delivery's letters.

    Raises:
        CommandError: There is none; the text tells what the ledger knows.
    """
    try:
        seen = look(desk, Selection(ids=(delivery,)))
    except CommandError as error:
        entry = desk.relay.ledger.get(delivery)
        known = f"The ledger knows the delivery as {entry.state}. {entry.run_url}" if entry.revision else ""
        raise CommandError(f"{error} {known}".strip()) from None
    ledger = desk.relay.ledger
    return [
        tables.everything(letter, ledger.get(letter.id) if letter.delivery else None, seen.depth.now)
        for letter in seen.letters
    ]


def export(seen: Look, file: Path, *, as_json: bool) -> None:
    """Write letters down.

    Raises:
        CommandError: The file is there already, or can't be written.
    """
    text = "".join(f"{json.dumps(content(letter), ensure_ascii=False)}\n" for letter in seen.letters)
    if str(file) == "-":
        sys.stdout.write(text)
    else:
        _write(file, text)
        told = {"file": str(file), "exported": len(seen.letters), **seen.extent}
        line = f"{len(seen.letters)} letters were written to {file}. They are dead letters still."
        tell(told, as_json=as_json, people=lambda _console: typer.echo(line))
    _note_reach(seen)


def replay(desk: Desk, selection: Selection, assent: Assent, *, force: bool, rate: float) -> None:
    """Plan, ask, and replay."""
    depth = desk.letters.depth()
    judge = Judge(desk.relay.ledger, force, desk.routes())
    if not assent.given:
        seen = Look(*desk.selected(selection, depth), depth)
        _tell_plan(seen, judge, as_json=assent.as_json)
        if not assent.asked("Replay them?", some=bool(seen.letters)):
            return
    elif selection.ids:
        desk.selected(selection, depth)  # Each id is to stand for one delivery.
    orders = Orders(lambda letter: selection.takes(letter, depth.now), depth.now + 1)
    with progress("Replaying", None if selection else depth.total) as step:
        work = Replay(
            letters=desk.letters, queue=desk.queue, judge=judge, orders=orders, pace=Pace(rate), tell=step
        )
        _record(desk, "dlq replay", selection.given() | {"force": force}, work.counts, work.run)
    _report(work.counts, work.troubles, as_json=assent.as_json, out_of_reach=depth.visible - work.reached)


def purge(desk: Desk, selection: Selection, assent: Assent) -> None:
    """List, ask, and delete. Who was shown letters agreed to these and to no others."""
    depth = desk.letters.depth()
    shown: set[str] | None = None
    if not assent.given:
        seen = Look(*desk.selected(selection, depth), depth)
        tell_letters(seen, as_json=assent.as_json, dry_run=True)
        if not assent.asked("Delete them for good?", some=bool(seen.letters)):
            return
        shown = {letter.message_id for letter in seen.letters}
    elif selection.ids:
        desk.selected(selection, depth)  # Each id is to stand for one delivery.

    def wanted(letter: Letter) -> bool:
        return selection.takes(letter, depth.now) if shown is None else letter.message_id in shown

    with progress("Deleting", len(shown) if shown else None) as step:
        work = Purge(letters=desk.letters, wanted=wanted, until=depth.now + 1, tell=step)
        _record(desk, "dlq purge", selection.given(), work.counts, work.run)
    out_of_reach = depth.visible - work.reached if shown is None else 0
    _report(work.counts, work.troubles, as_json=assent.as_json, out_of_reach=out_of_reach)


def import_(
    desk: Desk, lines: Sequence[Edited], assent: Assent, *, remove: bool, force: bool, rate: float
) -> None:
    """Plan, ask, and send lines of an export."""
    judge = Judge(desk.relay.ledger, force, desk.routes())
    if not assent.given:
        verdicts = Counter(judge.of(line.delivery, line.buried_at).value for line in lines)
        told = {"dry_run": True, "plan": {"lines": len(lines), "verdicts": dict(verdicts)}}
        tell(told, as_json=assent.as_json, people=lambda console: tables.print_verdicts(console, verdicts))
        if not assent.asked("Send them?", some=bool(lines)):
            return
    options = {"lines": len(lines), "remove": remove, "force": force}
    with progress("Importing", len(lines)) as step:
        if remove:
            counts, troubles = _import_in_place(desk, lines, judge, Pace(rate), options, step)
        else:
            work = Import(queue=desk.queue, judge=judge, pace=Pace(rate), tell=step)
            _record(desk, "dlq import", options, work.counts, lambda: work.run(lines))
            counts, troubles = work.counts, work.troubles
    _report(counts, troubles, as_json=assent.as_json)


def _import_in_place(
    desk: Desk,
    lines: Iterable[Edited],
    judge: Judge,
    pace: Pace,
    options: Mapping[str, object],
    step: Callable[[], object],
) -> tuple[Counter[str], list[str]]:
    """Send each line in the place of the letter that it came from; one whose letter is gone is not sent."""
    edits = {line.letter_id: line.delivery for line in lines}
    missing = set(edits)

    def wanted(letter: Letter) -> bool:
        missing.discard(letter.message_id)
        return letter.message_id in edits

    orders = Orders(wanted, math.inf, edits)
    work = Replay(letters=desk.letters, queue=desk.queue, judge=judge, orders=orders, pace=pace, tell=step)

    def run() -> None:
        work.run()
        work.counts["gone"] += len(missing)

    _record(desk, "dlq import", options, work.counts, run)
    return work.counts, work.troubles


def _record(
    desk: Desk,
    action: str,
    options: Mapping[str, object],
    counts: Counter[str],
    run: Callable[[], object],
) -> None:
    """Do something, and leave a record of it."""
    desk.counts = counts
    with desk.recorded(action, options):
        run()


def _tell_plan(seen: Look, judge: Judge, *, as_json: bool) -> None:
    with progress("Asking the ledger", len(seen.letters)) as step:
        plan = make_plan(seen.letters, judge, step)
    if seen.letters or as_json:
        told = {"dry_run": True, "plan": plan.content(), **seen.extent}
        tell(told, as_json=as_json, people=lambda console: tables.print_plan(console, plan))
    _note_reach(seen)


def _report(
    counts: Mapping[str, int], troubles: Sequence[str], *, as_json: bool, out_of_reach: int = 0
) -> None:
    """Tell what was done, and what is wrong.

    Raises:
        typer.Exit: Something went wrong.
    """
    done = {name: count for name, count in counts.items() if count}
    told = {"dry_run": False, "counts": done, "troubles": list(troubles)}

    def people(console: Console) -> None:
        tables.print_counts(console, done)

    tell(told, as_json=as_json, people=people)
    if out_of_reach > 0:
        note(
            f"About {out_of_reach} letters were not within reach: they lie behind ten of their model and "
            "route that stay. Select these too, or take them out first."
        )
    for trouble in troubles:
        note(trouble)
    if troubles:
        raise typer.Exit(1)


def _note_reach(seen: Look) -> None:
    for sentence in tables.reach(seen.depth, seen.seen):
        note(sentence)


def _write(file: Path, text: str) -> None:
    """Write a new file that its owner alone can read."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise CommandError(f"{file} exists already. Name another file, or remove it.") from None
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}.") from None
