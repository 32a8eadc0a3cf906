"""What is fuzzed: a way to read inputs, good ones to begin with, and what must hold for every one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from functions.core.event import KINDS

FUNCTIONS: Final = Path(__file__).parents[2] / "functions"


class Broken(AssertionError):
    """A property does not hold. The text says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz.

    Attributes:
        name: As the command line has it.
        seeds: Good inputs.
        check: Hands an input over; raises `Broken`, or whatever else was not to be raised.
    """

    name: str
    seeds: Sequence[bytes]
    check: Callable[[bytes], None]


def hold(condition: object, words: str) -> None:
    """Have a property hold.

    Raises:
        Broken: It doesn't.
    """
    if not condition:
        broken(words)


def broken(words: str) -> NoReturn:
    """Tell that a property does not hold."""
    raise Broken(words)


def given(data: bytes) -> dict[str, Any]:
    """Read an input that is a JSON object; another one is as good as an empty one."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def text(content: dict[str, Any], key: str, usual: str = "") -> str:
    """Give a text of an input; the usual one where there is another thing."""
    value = content.get(key, usual)
    return value if isinstance(value, str) else usual


def number(content: dict[str, Any], key: str, usual: int = 0) -> int:
    """Give a whole number of an input; the usual one where there is another thing."""
    value = content.get(key, usual)
    return value if isinstance(value, int) and abs(value) < 2**63 else usual


def texts(content: dict[str, Any], key: str) -> dict[str, str]:
    """Give an object of texts of an input, without what is none."""
    value = content.get(key)
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: each for name, each in pairs if isinstance(each, str)}


OUR_WORDS: Final = "\n".join(
    [", ".join(KINDS), *(path.read_text(encoding="utf-8") for path in sorted(FUNCTIONS.rglob("*.py")))]
)
"""Everything that the code itself may say."""


def leaves(content: Any, depth: int = 0) -> Iterator[str]:
    """Give the texts that somebody wrote into JSON, names of fields left out."""
    if isinstance(content, str):
        yield content
    elif depth < 20:
        for each in (
            content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
        ):
            yield from leaves(each, depth + 1)


def silent(shown: str, content: Any) -> None:
    """Have nothing shown of what somebody wrote.

    Raises:
        Broken: A text of at least eight characters is quoted that is none of our own words.
    """
    for each in leaves(content):
        if len(each) >= 8 and each in shown and each not in OUR_WORDS:
            broken("somebody's words are quoted")


def of_kind(value: str, pattern: str, words: str) -> None:
    """Have a text be of a form."""
    hold(re.fullmatch(pattern, value, re.ASCII), words)
