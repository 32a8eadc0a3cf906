"""What the commands for dead letters work with, and how their work may be interrupted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from functions.operate.audit import Audit
from functions.operate.letters import DeadLetters, Depth, Letter
from functions.operate.replay import DeliveryQueue
from modelrelay.errors import CommandError
from modelrelay.local.signals import Signals, Stopped
from modelrelay.operate import deployed
from modelrelay.operate.letter_tables import in_words, printable
from modelrelay.operate.relay import DEAD_LETTERS, QUEUE, Relay
from modelrelay.operate.selection import Selection
from modelrelay.stack import Session

INTERRUPTED = 130


@dataclass
class Desk:
    """A stack's dead letters, and what belongs to them.

    Attributes:
        session: The stack.
        relay: The same, as the commands see it.
        letters: Its dead letters.
        counts: What the command under way has done.
    """

    session: Session
    relay: Relay
    letters: DeadLetters
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def queue(self) -> DeliveryQueue:
        """The delivery queue."""
        return DeliveryQueue(self.relay.client("sqs"), self.relay.output(QUEUE))

    def routes(self) -> frozenset[str] | None:
        """The names of the deployed routes; None where they can't be found out."""
        try:
            return frozenset(route.name for route in deployed.settings(self.session).routes)
        except CommandError:
            return None

    def selected(self, selection: Selection, depth: Depth) -> tuple[list[Letter], int]:
        """Read the letters that are meant, and tell how many were seen in all."""
        with progress("Reading", depth.total) as tell:
            letters = self.letters.read(depth, tell)
        selection.check_ids(letters)
        return [letter for letter in letters if selection.takes(letter, depth.now)], len(letters)

    def recorded(self, action: str, options: Mapping[str, object]) -> AbstractContextManager[None]:
        """Keep a record of what is done in a block."""
        who = self.relay.client("sts").get_caller_identity()["Arn"]
        audit = Audit(self.relay.client("dynamodb"), self.relay.table)
        return audit.recorded(who, action, options, self.counts)


@contextmanager
def at_work(stack: str, profile: str | None, region: str | None) -> Iterator[Desk]:
    """Work at the desk. Whatever happens, letters are let go, and people are told what was done.

    Raises:
        CommandError: AWS refused, or can't be reached.
        typer.Exit: Somebody interrupted; with the exit code that shells give to Ctrl-C.
    """
    session = Session(profile, region, stack)
    relay = Relay(session, stack)
    with Signals() as signals:
        desk: Desk | None = None
        try:
            with relay.asked():
                desk = Desk(session, relay, _letters(relay, signals))
                yield desk
        except Stopped:
            done = in_words(desk.counts) if desk else "nothing was sent or removed"
            note(
                f"Interrupted: {done}. Every other letter is where it was; "
                "the same command goes on from here."
            )
            raise typer.Exit(INTERRUPTED) from None
        except CommandError:
            if desk and desk.counts:
                note(f"Until then: {in_words(desk.counts)}. Every other letter is where it was.")
            raise
        finally:
            if desk and desk.letters.left_hidden:
                note(f"SQS did not answer: {desk.letters.left_hidden} letters stay hidden for some minutes.")


def _letters(relay: Relay, signals: Signals) -> DeadLetters:
    return DeadLetters(relay.client("sqs"), relay.output(DEAD_LETTERS), guard=signals.held)


def note(text: str) -> None:
    """Tell people something that is not the command's result."""
    Console(stderr=True, highlight=False).print(escape(printable(text)), soft_wrap=True)


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Show a bar on a terminal while the block runs; gives what is to be told of each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda steps=1: bar.advance(task, steps)
