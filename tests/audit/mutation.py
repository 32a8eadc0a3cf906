"""Bends inputs, mostly JSON, one or a few places at a time; what comes out follows from the seed alone."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

MAX_BYTES = 8_192
"""The most that an input has. What is larger only looks at the limits, which tests do."""

ODD_TEXTS = (
    "", " ", "0", "-1", "007", "1e3", "+02", " 2", "٣", "null", "None", "ü", "\x00", "\n", "\x7f", "\u2028",
    "\ud800", "\udfff", "\ufffe", "\uffff", "\U0001f600", "a" * 1024, "a" * 1025, "9" * 1024, "9" * 1025,
    "job.", "job.x", "job.x\n", "jobs.on_x", "${version}", "$${x}", "${tags.a:-}", "${", "$", "a,b", ", ",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T20:22:10Z", "2026-11-22t20:22:10z",
    "2026-11-22T20:22:60Z", "2026-11-22", "20261122T202210Z", "Mon, 23 Nov 2026 06:00:00 GMT", "-0", "1" * 30,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.0, 3.0, 0.5, 1e300, 2**31, 2**53 + 1, 2**63, 10**30, 10**1100,
    1589859029343, 253402300799999, 10**15, 10**18, [], {}, [[]], {"": ""}, {"a": "b"},
    [{"key": "k", "value": "v"}], [None],
)  # fmt: skip
ODD_BYTES = (
    b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"Infinity", b"1e400", b"[" * 1200,
    b'{"a":' * 1200, b"\x00", b"\\ud800", b"\\u0000", b'"', b"}", b",", b"9" * 4400, b"v1,",
    b" v1,", b"whsec_", b"Basic ", b"=", b"$", b"${",
)  # fmt: skip

_AFRESH = 0.7
"""How often to begin with a good input again: what was bent twice is mostly refused at once."""

Place = tuple[Any, Any]
"""A container, and the key or index of one of its values."""


class Mutator:
    """Bends inputs of one kind.

    Args:
        seeds: Good ones. Their keys and texts are what others are bent with.
    """

    def __init__(self, seeds: Sequence[bytes]) -> None:
        read = [content for content in map(_read, seeds) if content is not None]
        words = dict.fromkeys(word for content in read for word in _words(content))
        self._texts = (*words, *ODD_TEXTS)
        self._values = (*ODD_VALUES, *self._texts)
        self._seeds = [*seeds] or [b"{}"]

    def seed(self, chance: random.Random) -> bytes:
        """Give one of the good inputs."""
        return chance.choice(self._seeds)

    def inputs(self, number: int, seed: int) -> Iterator[bytes]:
        """Give the good inputs, and then bent ones: good ones bent, and some of those bent again."""
        chance = random.Random(seed)
        yield from self._seeds[:number]
        bent = self._seeds[0]
        for _ in range(number - len(self._seeds)):
            bent = self.bend(self.seed(chance) if chance.random() < _AFRESH else bent, chance)
            yield bent

    def bend(self, data: bytes, chance: random.Random) -> bytes:
        """Give the input with one to four things changed."""
        content = _read(data) if chance.random() > 0.15 else None
        if content is None:
            return self._bend_bytes(data, chance)[:MAX_BYTES]
        for _ in range(chance.choice((1, 1, 2, 4))):
            content = self._bend_content(content, chance)
        return _write(content)[:MAX_BYTES]

    def _bend_bytes(self, data: bytes, chance: random.Random) -> bytes:
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 64)))
        new = chance.choice(
            (
                b"",
                bytes([chance.randrange(256)]),
                chance.choice(ODD_BYTES),
                self.seed(chance)[start:end],
                data[:start],
            )
        )
        return data[:start] + new + data[end:]

    def _bend_content(self, content: Any, chance: random.Random) -> Any:
        places = list(_places(content))
        if not places:
            return self._value(chance)
        container, key = chance.choice(places)
        step: Callable[[Place, random.Random], None] = chance.choice(
            (
                self._replace,
                self._replace,
                self._tweak,
                self._tweak,
                self._tweak,
                self._remove,
                self._add,
                self._move,
            )
        )
        step((container, key), chance)
        return content

    def _value(self, chance: random.Random) -> Any:
        return copy.deepcopy(chance.choice(self._values))  # Put twice into itself it would have no end.

    def _replace(self, place: Place, chance: random.Random) -> None:
        place[0][place[1]] = self._value(chance)

    def _remove(self, place: Place, chance: random.Random) -> None:
        del place[0][place[1]]

    def _add(self, place: Place, chance: random.Random) -> None:
        container, key = place
        value = chance.choice((self._value(chance), container[key]))
        if isinstance(container, dict):
            container[chance.choice(self._texts)] = value
        else:
            container.insert(key, value)

    def _move(self, place: Place, chance: random.Random) -> None:
        """Give a key another name, or a value another place."""
        container, key = place
        value = container.pop(key)
        if isinstance(container, dict):
            container[chance.choice((str(key).upper(), chance.choice(self._texts)))] = value
        else:
            container.insert(0, [value])

    def _tweak(self, place: Place, chance: random.Random) -> None:
        """Change a value a little. A text that holds JSON is bent within."""
        container, key = place
        match container[key]:
            case bool() | None:
                container[key] = copy.deepcopy(chance.choice(ODD_VALUES))
            case int() | float() as number:
                container[key] = chance.choice((number + 1, number - 1, -number, str(number)))
            case str() as text if text[:1] in {"{", "["} and chance.random() < 0.9:
                container[key] = self.bend(bytes_of(text), chance).decode("utf-8", "surrogateescape")
            case str() as text:
                container[key] = self._tweaked(text, chance)
            case _:
                self._replace(place, chance)

    def _tweaked(self, text: str, chance: random.Random) -> str:
        at = chance.randint(0, len(text))
        part = chance.choice((chance.choice(self._texts), chance.choice("aA0 .:-+Z\\\"'{}$,=/"), ""))
        return chance.choice(
            (text[:at] + part + text[at:], text[:at] + part + text[at + 1 :], part, text.swapcase())
        )


def _places(content: Any) -> Iterator[Place]:
    waiting = [content]
    while waiting:
        each = waiting.pop()
        keys: list[Any] = (
            list(each) if isinstance(each, dict) else list(range(len(each))) if isinstance(each, list) else []
        )
        for key in keys[:50]:
            yield each, key
            waiting.append(each[key])


def _words(content: Any) -> Iterator[str]:
    for container, key in _places(content):
        if isinstance(key, str):
            yield key
        if isinstance(container[key], str):
            yield container[key]
            inner = _read(bytes_of(container[key])) if container[key][:1] == "{" else None
            yield from _words(inner) if inner is not None else ()


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _write(content: Any) -> bytes:
    try:
        return json.dumps(content).encode()
    except (ValueError, RecursionError):  # a number of too many digits
        return b"{}"


def bytes_of(text: str) -> bytes:
    """Give the bytes that a text of JSON stands for; lone surrogates stand for what is not UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
