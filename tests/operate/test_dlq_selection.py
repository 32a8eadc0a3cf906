"""Which letters an operator's options mean."""

from __future__ import annotations

from typing import Any

import pytest

from functions.operate.letters import Letter
from modelrelay.errors import CommandError
from modelrelay.operate.selection import BadOption, Selection
from tests.unit.samples import NOW, delivery

HOUR = 3600


def letter(reason: str = "github-refused", age: float = HOUR, route: str = "default", **event: Any) -> Letter:
    """Give a letter of some age."""
    sent = delivery(route, **event)
    return Letter.from_message(
        {
            "MessageId": f"m-{sent.id}",
            "ReceiptHandle": "h",
            "Body": sent.to_message(),
            "Attributes": {"SentTimestamp": str(int((NOW - age) * 1000)), "MessageGroupId": sent.group},
            "MessageAttributes": {"reason": {"DataType": "String", "StringValue": reason}},
        }
    )


AIRLINE = letter(model_name="Airline_Delay", version="8")


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({}, True),
        ({"reasons": ("github-refused",)}, True),
        ({"reasons": ("expired", "github-refused")}, True),
        ({"reasons": ("expired",)}, False),
        ({"reasons": ("github",)}, False),
        ({"models": ("Airline_Delay",)}, True),
        ({"models": ("Airline_*",)}, True),
        ({"models": ("airline_*",)}, False),
        ({"models": ("churn", "Air*")}, True),
        ({"routes": ("default",)}, True),
        ({"routes": ("def*",)}, False),
        ({"older_than": "1h"}, True),
        ({"older_than": "61m"}, False),
        ({"newer_than": "1h"}, True),
        ({"newer_than": "59m"}, False),
        ({"newer_than": "2h", "older_than": "30m"}, True),
        ({"ids": (AIRLINE.id,)}, True),
        ({"ids": (AIRLINE.id[:4],)}, True),
        ({"ids": ("zzzz",)}, False),
        ({"ids": ("zzzz", AIRLINE.id[:4])}, True),
        ({"where": "reason == 'github-refused'"}, True),
        ({"where": "attributes.reason && body.event.version == '8'"}, True),
        ({"where": "body.event.alias"}, False),
        ({"where": "body.event.occurred_at > '2026-10'"}, False),
        ({"where": "to_number(body.event.version) > `7`"}, True),
        ({"where": "to_number(body.event.version)"}, True),
        ({"where": "`0`"}, True),  # In JMESPath a number is true, whichever it is.
        ({"where": "`[]`"}, False),
        ({"where": "`false`"}, False),
        ({"where": "starts_with(body.event.model_name, 'Air')"}, True),
        ({"reasons": ("github-refused",), "models": ("churn",)}, False),
        ({"reasons": ("github-refused",), "models": ("Air*",), "routes": ("default",)}, True),
    ],
)
def test_all_that_is_given_must_hold(options: dict[str, Any], taken: bool) -> None:  # noqa: FBT001 - a table
    """Options are combined by "and", the values of one by "or"."""
    assert Selection(**options).takes(AIRLINE, NOW) is taken


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"where": "reason =="}, "--where is not a JMESPath expression: "),
        ({"where": "nonsense(reason)"}, "--where is not a JMESPath expression: Unknown function: nonsense()"),
        ({"where": "starts_with(reason)"}, "--where is not a JMESPath expression: "),
        ({"older_than": "soon"}, "--older-than soon: should be "),
        ({"newer_than": "-2h"}, "--newer-than -2h: should be "),
        ({"ids": ("",)}, "--id: it is empty"),
    ],
)
def test_what_can_not_be_understood_is_refused(options: dict[str, Any], why: str) -> None:
    """A broken option is refused before anything is read, and the message says what is wrong."""
    with pytest.raises(BadOption) as caught:
        Selection(**options)
    assert str(caught.value).startswith(why)


def test_expression_that_does_not_suit_a_letter_says_which() -> None:
    """An expression that fails on a letter ends with the letter's id and what helps."""
    job = letter(model_name=None, kind="job.failed", job_id="1")
    selection = Selection(where="starts_with(body.event.model_name, 'A')")
    with pytest.raises(
        CommandError, match=f"for the letter {job.id}: (.|\n)*Ask first whether a field is there"
    ):
        selection.takes(job, NOW)


def test_id_must_stand_for_one_delivery() -> None:
    """An id that stands for none, or the beginning of several, is refused; one delivery's letters are one."""
    letters = [letter(version=str(number)) for number in range(40)]  # More than the sixteen digits there are.
    first = min(letters, key=lambda each: sum(other.id[0] != each.id[0] for other in letters))
    with pytest.raises(CommandError, match=f"'{first.id[0]}' may be "):
        Selection(ids=(first.id[0],)).check_ids(letters)
    with pytest.raises(CommandError, match="No dead letter that can be seen has an id that begins with 'x'"):
        Selection(ids=("x",)).check_ids(letters)
    Selection(ids=(first.id,)).check_ids([first, first])


def test_nothing_selected_is_nothing() -> None:
    """A selection knows whether anything was asked for, and what."""
    assert not Selection()
    assert Selection(models=("a",), where="reason").given() == {"models": ("a",), "where": "reason"}
