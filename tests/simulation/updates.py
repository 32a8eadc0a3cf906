"""DynamoDB's update expressions: SET, REMOVE and ADD."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

from tests.simulation.expressions import Path, Scope, Tokens, look_up
from tests.simulation.values import Invalid, Item, Unsupported, Value, added, united

Source = Callable[[Scope], Value]
Action = tuple[str, Path, Source]

_MISSING: Final = "The provided expression refers to an attribute that does not exist in the item"
_NO_PARENT: Final = "The document path provided in the update expression is invalid for update"


@dataclass(frozen=True, slots=True)
class Update:
    """What is done to an item, and the placeholders that it names."""

    actions: tuple[Action, ...]
    used: frozenset[str]

    def targets(self, names: Mapping[str, str]) -> list[Path]:
        """Give the paths that it changes."""
        scope = Scope({}, names, {})
        return [scope.resolve(path) for _, path, _ in self.actions]

    def apply(self, scope: Scope) -> Item:
        """Give the changed item. Every value is computed from the item as it was."""
        if any(_overlap(one, other) for one, other in combinations(self.targets(scope.names), 2)):
            raise Invalid("Two document paths overlap with each other")
        changes = [(kind, scope.resolve(path), source(scope)) for kind, path, source in self.actions]
        item: Item = dict(scope.item)
        for kind, path, value in changes:
            if kind == "ADD":
                item = _placed(item, path, united(look_up(scope.item, path), value))
            else:
                item = _placed(item, path, value if kind == "SET" else None)
        return item


@lru_cache(maxsize=1000)
def update(text: str) -> Update:
    """Compile an update expression."""
    tokens = Tokens.of(text)
    actions: list[Action] = []
    sections: list[str] = []
    while tokens.peek():
        section = tokens.take().upper()
        if section not in _SECTIONS or section in sections:
            raise Unsupported(f"the section {section} in {text!r}")
        sections.append(section)
        actions += _section(section, tokens)
    return Update(tuple(actions), frozenset(tokens.used))


def _section(section: str, tokens: Tokens) -> Iterable[Action]:
    yield _SECTIONS[section](tokens)
    while tokens.taken(","):
        yield _SECTIONS[section](tokens)


def _set(tokens: Tokens) -> Action:
    path = tokens.path()
    tokens.take("=")
    left = _operand(tokens)
    if tokens.peek() not in {"+", "-"}:
        return "SET", path, left
    sign = 1 if tokens.take() == "+" else -1
    right = _operand(tokens)
    return "SET", path, lambda scope: added(left(scope), right(scope), sign)


def _remove(tokens: Tokens) -> Action:
    return "REMOVE", tokens.path(), lambda _scope: {"NULL": True}


def _add(tokens: Tokens) -> Action:
    path = tokens.path()
    placeholder = tokens.take()
    if not placeholder.startswith(":"):
        raise Unsupported(f"ADD takes a value in {tokens.text!r}")
    return "ADD", path, lambda scope: scope.value(placeholder)


_SECTIONS: Final[Mapping[str, Callable[[Tokens], Action]]] = {"SET": _set, "REMOVE": _remove, "ADD": _add}


def _operand(tokens: Tokens) -> Source:
    if tokens.peek().startswith(":"):
        placeholder = tokens.take()
        return lambda scope: scope.value(placeholder)
    if tokens.peek(1) == "(":
        return _if_not_exists(tokens)
    path = tokens.path()
    return lambda scope: _present(look_up(scope.item, scope.resolve(path)))


def _if_not_exists(tokens: Tokens) -> Source:
    name = tokens.take()
    if name != "if_not_exists":
        raise Unsupported(f"the function {name} in {tokens.text!r}")
    tokens.take("(")
    path = tokens.path()
    tokens.take(",")
    otherwise = _operand(tokens)
    tokens.take(")")
    return lambda scope: look_up(scope.item, scope.resolve(path)) or otherwise(scope)


def _present(value: Value | None) -> Value:
    if value is None:
        raise Invalid(_MISSING)
    return value


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _placed(item: Item, path: Path, value: Value | None) -> Item:
    """Put a value at a path, or take away what is there; the item given stays as it is."""
    name, rest = path[0], path[1:]
    if rest:
        parent = item.get(name)
        if parent is None or "M" not in parent:
            if value is None:
                return item  # There is nothing to remove.
            raise Invalid(_NO_PARENT)
        return {**item, name: {"M": _placed(parent["M"], rest, value)}}
    if value is None:
        return {key: each for key, each in item.items() if key != name}
    return {**item, name: value}
