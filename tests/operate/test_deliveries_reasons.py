"""The table of reasons says something of every reason that dispatch gives, and of nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import functions.dispatch
from functions.core.ledger import State
from functions.dispatch.gate_state import CREDENTIAL
from functions.operate.reasons import MEANING, NEXT, REASONS, advice, next_step

SOURCES = sorted(Path(functions.dispatch.__path__[0]).glob("*.py"))
WORD = re.compile(r"[a-z]+(-[a-z]+)*")
GIVERS = {
    "Wait": 1,
    "DeadLetter": 1,
    "Rejected": 1,
    "Failed": 1,
    "Limited": 2,
    "NoCredential": 0,
    "Unshapeable": 0,
    "wait": 1,
    "book": 1,
    "Later": 1,
}
"""Whose argument of which number is a reason."""

NO_REASONS = {"private-key", "user-agent", "content-type", "put-back-failed", "metrics-failed"}
"""Words with a hyphen in dispatch's code that are no reasons, besides the names of GitHub's headers."""


def given(source: str) -> Iterator[str]:
    """Give the reasons in a module: what is passed as one, named as a constant, or returned as one."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
                number = GIVERS.get(name, 99)
                yield from _words(arguments[number : number + 1])
            case ast.Return(value=value) | ast.AnnAssign(value=value) if value is not None:
                yield from (word for word in _words(list(ast.walk(value))) if "-" in word)
            case _:
                pass


def _words(nodes: Sequence[ast.AST]) -> list[str]:
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value)
    ]


def constants(source: str) -> Iterator[str]:
    """Give the words of a module that stand in a constant of its own: `BUSY: Final = "busy"`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            yield from _words([node.value])


def every_reason() -> set[str]:
    """Give every reason that dispatch can give, as far as it is a fixed word."""
    sources = [path.read_text(encoding="utf-8") for path in SOURCES]
    return {word for source in sources for word in (*given(source), *constants(source))}


def is_reason(word: str) -> bool:
    """Tell a reason from a header's name and the like."""
    return word not in NO_REASONS and not word.startswith(("x-", "retry-"))


def test_table_is_complete() -> None:
    """Nobody meets a reason at three in the morning of which the table says nothing, or a stale one."""
    assert {word for word in every_reason() if is_reason(word)} == set(REASONS)


def test_search_finds_reasons_wherever_they_are_given() -> None:
    """The search that the table is held against sees the ways in which the code gives a reason."""
    source = (
        'BUSY: Final = "busy"\n'
        'M: Final[Mapping[int, tuple[str, str]]] = {404: ("github-lost", "Words.")}\n'
        'def f():\n    x = DeadLetter(told, "expired")\n    return "credential-odd"\n'
        '    raise Unshapeable("missing-field", "words")\n'
    )
    found = {*given(source), *constants(source)}
    assert found == {"busy", "github-lost", "expired", "credential-odd", "missing-field"}
    assert {"paused", "pacing", "crashed", "malformed", "credential-suspended"} <= every_reason()


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_each_reason_has_two_sentences(reason: str) -> None:
    """It is said what a reason means and what to do, in whole sentences."""
    for text in (advice(reason).means, advice(reason).next):
        assert re.fullmatch(r"[A-Z].*[.?]", text), text


@pytest.mark.parametrize("status", ["github-409", "github-451"])
def test_answer_without_a_rule_is_explained_too(status: str) -> None:
    """What GitHub has never answered before leads to its own words."""
    assert "no rule" in advice(status).means
    assert "replay" in advice(status).next


@pytest.mark.parametrize("reason", ["", "something-new"])
def test_unknown_reason_leads_to_the_log(reason: str) -> None:
    """A newer dispatch than this command line may give reasons that it does not know."""
    assert "log" in advice(reason).next


def test_every_state_means_something_and_leads_on() -> None:
    """Each state has its sentence; where the reason decides what to do, the reason's is given."""
    assert set(MEANING) == set(State)
    assert set(State) - set(NEXT) == {State.WAITING, State.UNKNOWN, State.DEAD_LETTERED}
    assert next_step(State.DISPATCHED, "rate-limited") == NEXT[State.DISPATCHED]
    assert next_step(State.WAITING, "paused") == REASONS["paused"].next


def test_person_is_asked_for_where_only_a_person_helps() -> None:
    """A rejected credential never passes by itself."""
    for reason in REASONS:
        if reason.startswith(CREDENTIAL):
            assert "by itself" not in advice(reason).next
