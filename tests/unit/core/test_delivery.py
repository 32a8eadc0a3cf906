"""The delivery: its identity, its group, and the message that carries it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.delivery import Delivery, MalformedMessage

from ..samples import EVENT, delivery

CANARY = "canary-7f3a"


def message(**changes: Any) -> str:
    """Write a message with other content; None leaves a key out."""
    content = {**json.loads(delivery().to_message()), **changes}
    return json.dumps({key: value for key, value in content.items() if value is not None})


@settings(deadline=None, max_examples=100)
@given(
    model=st.text(st.characters(exclude_categories=["Cs"])),
    tags=st.dictionaries(st.text(), st.text(st.characters(exclude_categories=["Cs"]))),
    accepted_at=st.integers(0, 10**15 - 1),
)
def test_delivery_survives_the_queue(model: str, tags: dict[str, str], accepted_at: int) -> None:
    """Whatever people name things, a delivery is read back as it was written."""
    sent = delivery(accepted_at=accepted_at, model_name=model, tags=tags)
    assert Delivery.from_message(sent.to_message()) == sent


def test_message_counts_bytes_not_escapes() -> None:
    """The body is compact and keeps letters as they are, since SQS counts bytes."""
    body = delivery(model_name="Prüfung").to_message()
    assert "Prüfung" in body
    assert ", " not in body
    assert ": " not in body


def test_id_follows_from_fact_and_route_alone() -> None:
    """A duplicate has the same id; another fact or another route has not."""
    first = delivery()
    assert re.fullmatch("[0-9a-f]{32}", first.id)
    assert replace(first, accepted_at=1).id == first.id
    assert replace(first, event=replace(first.event, name="another name")).id == first.id
    assert replace(first, route="other").id != first.id
    assert replace(first, event=replace(EVENT, fact="other")).id != first.id


def test_group_is_the_model_on_its_route() -> None:
    """Versions of one model keep their order; other models and other routes don't wait for them."""
    group = delivery(version="8").group
    assert delivery(version="9").group == group
    assert delivery(model_name="fraud").group != group
    assert delivery("other").group != group


@pytest.mark.parametrize("model", ["", "ä ö/ü", "x" * 1024, "a.b", "\N{PILE OF POO}"])
def test_group_fits_into_sqs(model: str) -> None:
    """A group is at most 128 characters of the alphabet that SQS allows."""
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", delivery(model_name=model).group)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "it is not a delivery (JSONDecodeError)"),
        ("{", "it is not a delivery (JSONDecodeError)"),
        ("null", "it is not a delivery (TypeError)"),
        ("[]", "it is not a delivery (TypeError)"),
        ('"text"', "it is not a delivery (TypeError)"),
        ("[" * 100_000, "it is not a delivery (RecursionError)"),
        ("{}", "it has no 'format'"),
        (message(format=None), "it has no 'format'"),
        (message(format=2), "its format is not one that this version reads"),
        (message(route=None), "it has no 'route'"),
        (message(event=None), "it has no 'event'"),
        (message(accepted_at=None), "it has no 'accepted_at'"),
        (message(event=[]), "it is not a delivery (TypeError)"),
        (message(event={}), "it is not a delivery (TypeError)"),
        (message(event={**EVENT.to_dict(), CANARY: "x"}), "it is not a delivery (TypeError)"),
        (message(event={**EVENT.to_dict(), "tags": {"a": 1}}), "it is not a delivery (TypeError)"),
        (message(accepted_at="soon"), "it is not a delivery (ValueError)"),
        (message(accepted_at=[]), "it is not a delivery (TypeError)"),
        (message(accepted_at=10**400), "its accepted_at is no time in milliseconds"),
        (
            message(event={**EVENT.to_dict(), "model_name": "\ud800"}),
            "it is not a delivery (UnicodeEncodeError)",
        ),
        (message(accepted_at=-1), "its accepted_at is no time in milliseconds"),
        (message(accepted_at=float("inf")), "it is not a delivery (OverflowError)"),
        (message(accepted_at=float("nan")), "it is not a delivery (ValueError)"),
        (message(id=None), "its id does not follow from its content"),
        (message(id=CANARY), "its id does not follow from its content"),
        (message(route=CANARY), "its id does not follow from its content"),
    ],
)
def test_message_that_is_no_delivery_is_explained(body: str, complaint: str) -> None:
    """What is wrong is said without a word from the body, which may hold people's prose."""
    with pytest.raises(MalformedMessage) as caught:
        Delivery.from_message(body)
    assert str(caught.value) == complaint
    assert caught.value.__cause__ is None
