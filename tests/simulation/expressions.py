"""DynamoDB's expressions: conditions, key conditions and updates, as far as this project writes them.

The grammar is the documented one ("Expressions in DynamoDB") without lists and without the functions
that nobody here calls; what is not understood is `Unsupported`, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from tests.simulation.values import Invalid, Item, Unsupported, Value, below, kind_of

Path = tuple[str, ...]

_TOKEN: Final = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-.]|[:#]?[A-Za-z_][A-Za-z0-9_]*|$)")


@dataclass(slots=True)
class Scope:
    """What an expression is evaluated on."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Value]

    def resolve(self, path: Path) -> Path:
        """Replace the placeholders of a path by the names that they stand for."""
        return tuple(self._name(part) for part in path)

    def value(self, placeholder: str) -> Value:
        """Give the value that a placeholder stands for."""
        if placeholder not in self.values:
            raise Invalid(f"An expression attribute value used in expression is not defined: {placeholder}")
        return self.values[placeholder]

    def _name(self, part: str) -> str:
        if not part.startswith("#"):
            return part
        if part not in self.names:
            raise Invalid(f"An expression attribute name used in the document path is not defined: {part}")
        return self.names[part]


def look_up(item: Item, path: Path) -> Value | None:
    """Give what is at a path of an item, if there is something."""
    found = item.get(path[0])
    for part in path[1:]:
        if found is None or "M" not in found:
            return None
        found = found["M"].get(part)
    return found


Condition = Callable[[Scope], bool]
Operand = Callable[[Scope], Value | None]


@dataclass(slots=True)
class Tokens:
    """An expression cut into words, and the placeholders that occur in it."""

    text: str
    words: list[str]
    place: int = 0
    used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, text: str) -> Tokens:
        """Cut an expression into words."""
        words, place = [], 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if not found:
                raise Unsupported(f"cannot read {text[place:]!r} in {text!r}")
            words.append(found[1])
            place = found.end()
        return cls(text, [word for word in words if word])

    def peek(self, ahead: int = 0) -> str:
        """Give a word without taking it; the empty one at the end."""
        place = self.place + ahead
        return self.words[place] if place < len(self.words) else ""

    def take(self, expected: str = "") -> str:
        """Take the next word."""
        word = self.peek()
        if not word or (expected and word.upper() != expected):
            raise Unsupported(f"expected {expected or 'something'}, found {word!r} in {self.text!r}")
        self.place += 1
        if word[0] in ":#":
            self.used.add(word)
        return word

    def taken(self, word: str) -> bool:
        """Take a word if it is the next one."""
        if self.peek().upper() != word:
            return False
        self.take()
        return True

    def path(self) -> Path:
        """Take the path of an attribute, `a.#b`."""
        parts = [self._name()]
        while self.taken("."):
            parts.append(self._name())
        return tuple(parts)

    def _name(self) -> str:
        word = self.take()
        if not (word[0] == "#" or word[0].isalpha() or word[0] == "_"):
            raise Unsupported(f"expected a name, found {word!r} in {self.text!r}")
        return word


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition that can be asked, and the placeholders that it names."""

    holds: Condition
    used: frozenset[str]


@lru_cache(maxsize=1000)
def condition(text: str) -> Compiled:
    """Compile a condition expression, a filter or a key condition."""
    tokens = Tokens.of(text)
    holds = _either(tokens)
    if tokens.peek():
        raise Unsupported(f"cannot read from {tokens.peek()!r} on in {text!r}")
    return Compiled(holds, frozenset(tokens.used))


def _either(tokens: Tokens) -> Condition:
    parts = [_both(tokens)]
    while tokens.taken("OR"):
        parts.append(_both(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)


def _both(tokens: Tokens) -> Condition:
    parts = [_not(tokens)]
    while tokens.taken("AND"):
        parts.append(_not(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)


def _not(tokens: Tokens) -> Condition:
    if not tokens.taken("NOT"):
        return _primary(tokens)
    inner = _not(tokens)
    return lambda scope: not inner(scope)


def _primary(tokens: Tokens) -> Condition:
    if tokens.taken("("):
        inner = _either(tokens)
        tokens.take(")")
        return inner
    if tokens.peek(1) == "(":
        return _function(tokens)
    return _comparison(tokens)


def _function(tokens: Tokens) -> Condition:
    name = tokens.take()
    tokens.take("(")
    path = tokens.path()
    prefix = _operand(tokens) if name == "begins_with" and tokens.take(",") else None
    tokens.take(")")
    if prefix:
        return lambda scope: _begins(look_up(scope.item, scope.resolve(path)), prefix(scope))
    if name == "attribute_exists":
        return lambda scope: look_up(scope.item, scope.resolve(path)) is not None
    if name == "attribute_not_exists":
        return lambda scope: look_up(scope.item, scope.resolve(path)) is None
    raise Unsupported(f"the function {name} in {tokens.text!r}")


def _begins(value: Value | None, prefix: Value | None) -> bool:
    if prefix is None or "S" not in prefix:
        raise Unsupported("begins_with something that is no text")
    return value is not None and "S" in value and value["S"].startswith(prefix["S"])


def _operand(tokens: Tokens) -> Operand:
    if tokens.peek().startswith(":"):
        placeholder = tokens.take()
        return lambda scope: scope.value(placeholder)
    path = tokens.path()
    return lambda scope: look_up(scope.item, scope.resolve(path))


def _comparison(tokens: Tokens) -> Condition:
    left = _operand(tokens)
    word = tokens.take().upper()
    if word == "BETWEEN":
        low = _operand(tokens)
        tokens.take("AND")
        high = _operand(tokens)
        return lambda scope: _between(left(scope), low(scope), high(scope))
    if word == "IN":
        return _in(tokens, left)
    compare = _COMPARATORS.get(word)
    if compare is None:
        raise Unsupported(f"the comparator {word!r} in {tokens.text!r}")
    right = _operand(tokens)
    return lambda scope: compare(left(scope), right(scope))


def _in(tokens: Tokens, left: Operand) -> Condition:
    tokens.take("(")
    options = [_operand(tokens)]
    while tokens.taken(","):
        options.append(_operand(tokens))
    tokens.take(")")
    return lambda scope: any(_equal(left(scope), option(scope)) for option in options)


def _equal(left: Value | None, right: Value | None) -> bool:
    return left is not None and left == right


def _between(value: Value | None, low: Value | None, high: Value | None) -> bool:
    if low is not None and high is not None and (kind_of(low) != kind_of(high) or below(high, low)):
        raise Invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
    return below(value, low) is False and below(high, value) is False


_COMPARATORS: Final[Mapping[str, Callable[[Value | None, Value | None], bool]]] = {
    "=": _equal,
    # What is not there differs from everything.
    "<>": lambda left, right: not _equal(left, right),
    "<": lambda left, right: below(left, right) is True,
    ">": lambda left, right: below(right, left) is True,
    "<=": lambda left, right: below(right, left) is False,
    ">=": lambda left, right: below(left, right) is False,
}
