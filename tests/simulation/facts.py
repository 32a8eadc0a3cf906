"""A world at rest in the form in which it is judged, and what a judgement is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.core.delivery import Delivery
from modelrelay.local.github import Run
from tests.simulation.actors import BYSTANDER
from tests.simulation.history import Letter, Sent
from tests.simulation.wiring import TABLE

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be: which invariant, what happened, and to which deliveries."""

    name: str
    text: str
    deliveries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """A world at rest, in the form in which it is judged.

    Attributes:
        deliveries: Every delivery that was put onto the queue, by its id.
        sent: Its messages, in the order in which they were put there.
        runs: Its runs, oldest first.
        letters: Its dead letters.
        entries: Its item of the ledger as plain values.
    """

    world: World
    deliveries: dict[str, Delivery]
    sent: dict[str, list[Sent]]
    runs: dict[str, list[Run]]
    letters: dict[str, list[Letter]]
    entries: dict[str, dict[str, Any]]
    strangers: list[Run]

    def waits(self, delivery: str) -> str:
        """Say what the ledger thinks of a delivery."""
        entry = self.entries.get(delivery, {})
        return f"the ledger says {entry.get('state', 'nothing')} ({entry.get('reason', '')})"


def facts_of(world: World) -> Facts:
    """Bring a world at rest into the form in which it is judged."""
    deliveries = {each.delivery.id: each.delivery for each in world.history.sent}
    by_inputs: dict[tuple[str, str, str], str] = {}
    for delivery in deliveries.values():
        by_inputs[delivery.route, delivery.event.subject, str(delivery.event.version)] = delivery.id
    runs: dict[str, list[Run]] = {each: [] for each in deliveries}
    strangers = []
    for run in reversed([each for each in world.github.runs if each.actor.login != BYSTANDER]):
        route = run.workflow.file.removesuffix(".yml")
        key = (route, str(run.inputs.get("model_name")), str(run.inputs.get("model_version")))
        runs[by_inputs[key]].append(run) if key in by_inputs else strangers.append(run)
    sent: dict[str, list[Sent]] = {each: [] for each in deliveries}
    for message in world.history.sent:
        sent[message.delivery.id].append(message)
    letters: dict[str, list[Letter]] = {}
    for letter in world.history.letters:
        letters.setdefault(letter.delivery, []).append(letter)
    items = world.tables.tables[TABLE].items
    entries = {each: _values(items[each]) for each in deliveries if each in items}
    return Facts(world, deliveries, sent, runs, letters, entries, strangers)


def _values(item: Any) -> dict[str, Any]:
    return {name: next(iter(value.values())) for name, value in item.items()}
