"""The deployed pipeline as the commands see it that look at it or pause it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from functions.core.ledger import Ledger, LedgerUnavailable
from functions.dispatch.gate_store import GateStore, GateUnavailable
from functions.operate.replay import ReplayStopped
from modelrelay.errors import CommandError
from modelrelay.stack import Session

QUEUE: Final = "QueueUrl"
DEAD_LETTERS: Final = "DeadLetterQueueUrl"


class Relay:
    """A deployed pipeline.

    Args:
        session: The stack's account and region.
        stack: The stack's name.
        clock: Seconds since the epoch.
    """

    def __init__(self, session: Session, stack: str, clock: Callable[[], float] = time.time) -> None:
        self.stack = stack
        self.clock = clock
        self._session = session
        self._clients: dict[str, Any] = {}

    def output(self, name: str) -> str:
        """Give one of the stack's outputs.

        Raises:
            CommandError: There is no such stack, or AWS can't be asked.
        """
        return self._session.output(name)

    def client(self, service: str) -> Any:
        """Give the client for a service; call it within `asked`."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service)
        return self._clients[service]

    @property
    def table(self) -> str:
        """The ledger's table."""
        return self.output("LedgerTableName")

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, read by the functions' own code; call it within `asked`."""
        return Ledger(self.client("dynamodb"), self.table)

    @cached_property
    def gate(self) -> GateStore:
        """The gate's state, read and written by the functions' own code; call it within `asked`."""
        table, name = self.output("GateTableName"), self.output("GateName")
        return GateStore(self.client("dynamodb"), table, name, self.clock)

    def count(self, queue: str) -> dict[str, int]:
        """Count the messages of a queue, about as it was a moment ago.

        Args:
            queue: The output that names it.
        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.client("sqs").get_queue_attributes(QueueUrl=self.output(queue), AttributeNames=names)
        waiting, in_flight = (int(told["Attributes"][name]) for name in names)
        return {"waiting": waiting, "in_flight": in_flight}

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Turn what AWS says, to us or to the functions' own code, into a message for people.

        Raises:
            CommandError: AWS refused, can't be reached, or fails again and again.
        """
        with self._session.explained():
            try:
                yield
            except ReplayStopped as error:
                raise CommandError(str(error)) from None
            except (LedgerUnavailable, GateUnavailable) as error:
                if isinstance(error.__cause__, Exception):
                    raise error.__cause__ from None
                raise CommandError(f"The gate could not be written ({error}). Try again.") from None
