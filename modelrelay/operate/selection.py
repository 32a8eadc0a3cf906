"""Which dead letters are meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

import jmespath  # type: ignore[import-untyped] # ships no types
from jmespath.exceptions import (  # type: ignore[import-untyped] # the same
    JMESPathError,
    JMESPathTypeError,
)

from functions.operate.letters import Letter
from modelrelay.errors import CommandError
from modelrelay.operate.ages import before


class BadOption(CommandError):
    """An option's value can't be understood. The text says what would be right."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a letter must be. All that is given must hold; of several values, one.

    Attributes:
        reasons: Its reason.
        models: Its model, as a pattern (`Airline_*`).
        routes: Its route.
        older_than: It became a dead letter at least so long ago (`2h`), or before that time.
        newer_than: It became one at most so long ago, or after that time.
        ids: Its delivery, or the beginning of the delivery's id.
        where: A JMESPath expression that holds for the letter as `export` writes it.
    """

    reasons: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    older_than: str = ""
    newer_than: str = ""
    ids: tuple[str, ...] = ()
    where: str = ""
    _expression: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what can't be understood.

        Raises:
            BadOption: An id, a duration or the expression.
        """
        if "" in self.ids:
            raise BadOption("--id: it is empty.")
        for option, value in (("--older-than", self.older_than), ("--newer-than", self.newer_than)):
            try:
                before(option, value or "0s", 0.0)
            except CommandError as error:
                raise BadOption(str(error)) from None
        if self.where:
            object.__setattr__(self, "_expression", _compiled(self.where))

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return bool(self.given())

    def given(self) -> dict[str, Any]:
        """Give the options that were given, for the record."""
        values = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        return {name: value for name, value in values.items() if value}

    def takes(self, letter: Letter, now: float) -> bool:
        """Tell whether a letter is meant.

        Args:
            letter: The letter.
            now: Seconds since the epoch.

        Raises:
            CommandError: The expression can't be evaluated for this letter.
        """
        return (
            _any(letter.reason == reason for reason in self.reasons)
            and _any(fnmatchcase(letter.model, pattern) for pattern in self.models)
            and _any(letter.route == route for route in self.routes)
            and (not self.older_than or letter.sent_at <= before("--older-than", self.older_than, now))
            and (not self.newer_than or letter.sent_at >= before("--newer-than", self.newer_than, now))
            and _any(letter.id.startswith(prefix) for prefix in self.ids)
            and (self._expression is None or self._holds(letter))
        )

    def check_ids(self, letters: Iterable[Letter]) -> None:
        """See that each id stands for one delivery.

        Raises:
            CommandError: It stands for none that can be seen, or for several.
        """
        known = sorted({letter.id for letter in letters})
        for prefix in self.ids:
            meant = [each for each in known if each.startswith(prefix)]
            if not meant:
                raise CommandError(f"No dead letter that can be seen has an id that begins with '{prefix}'.")
            if len(meant) > 1:
                raise CommandError(f"'{prefix}' may be {' or '.join(meant[:5])}. Give more of the id.")

    def _holds(self, letter: Letter) -> bool:
        try:
            found = self._expression.search(content(letter))
        except JMESPathError as error:
            raise CommandError(
                f"--where can't be evaluated for the letter {letter.id}: {error}\n"
                "Ask first whether a field is there: "
                "body.event.model_name && contains(body.event.model_name, 'x')"
            ) from None
        return found is not None and found is not False and found not in ("", [], {})


def content(letter: Letter) -> dict[str, Any]:
    """Give a letter as JSON has it, with everything in it: for `export` and `--where`."""
    return {
        "id": letter.id,
        "message_id": letter.message_id,
        "group": letter.group,
        "reason": letter.reason,
        "dead_lettered_at": letter.died_at,
        "receives": letter.receives,
        "attributes": dict(letter.attributes),
        "body": _decoded(letter.body),
    }


def _decoded(body: str) -> Any:
    """Decode a body; where it is no JSON object, it stays the text that it is."""
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return decoded if isinstance(decoded, Mapping) else body


def _any(matches: Iterable[bool]) -> bool:
    """Tell whether one matches, or nothing was asked for."""
    results = list(matches)
    return not results or any(results)


def _compiled(expression: str) -> Any:
    try:
        compiled = jmespath.compile(expression)
        with suppress(JMESPathTypeError):  # Nothing is there to be of the right type.
            compiled.search({})  # Only here unknown functions are noticed.
    except JMESPathError as error:
        raise BadOption(f"--where is not a JMESPath expression: {str(error).strip()}") from None
    return compiled
