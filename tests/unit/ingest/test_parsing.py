"""Reading JSON that anybody may have written."""

import json
import sys
from typing import Any

import pytest

from functions.ingest import parsing
from functions.ingest.http import Malformed

DEEP = b'{"a":' * 5_000 + b"1" + b"}" * 5_000


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "is empty"),
        (b" ", "is not JSON"),
        (b"{", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": NaN}', "is not JSON"),
        (b'{"a": -Infinity}', "is not JSON"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "is not JSON"),
        (b'{"a": 1} trailing', "is not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "is not JSON"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
        (DEEP, "is nested too deep"),
        (b"null", "is not a JSON object"),
        (b"[{}]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b"1", "is not a JSON object"),
    ],
)
def test_body_that_is_no_object_is_refused(body: bytes, complaint: str) -> None:
    """Whatever is wrong with a body, it is told and not a crash."""
    with pytest.raises(Malformed, match=complaint):
        parsing.json_object(body)


def test_object_is_decoded() -> None:
    """An object is given as it was written, in any script."""
    assert parsing.json_object('{"ä": [1, null]}'.encode()) == {"ä": [1, None]}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "'k' is missing"),
        (5, "'k' is not a string"),
        (True, "'k' is not a string"),
        (["x"], "'k' is not a string"),
        ("x" * 1025, "'k' is longer than 1024 characters"),
        ("\x00", "'k' holds control characters"),
        ("a\nb", "'k' holds control characters"),
        ("\x7f", "'k' holds control characters"),
        ("\ud800", "'k' holds control characters or broken Unicode"),
        ("a\udfffb", "'k' holds control characters or broken Unicode"),
        ("\ufffe", "'k' holds control characters or broken Unicode"),
        ("\uffff", "'k' holds control characters or broken Unicode"),
    ],
)
def test_name_that_is_none_is_refused(value: Any, complaint: str) -> None:
    """A name is a plain string of reasonable length; an optional one may only be missing besides."""
    with pytest.raises(Malformed, match=complaint):
        parsing.text({"k": value}, "k")
    if value is not None:
        with pytest.raises(Malformed, match=complaint):
            parsing.optional_text({"k": value}, "k")


@pytest.mark.parametrize(
    "value", ["", " ", "~", "\x80", "ä b", "\ud7ff\ue000\ufffd", "x" * 1024, "\U0010fffe"]
)
def test_name_is_given_as_it_is(value: str) -> None:
    """Every character that all parts of the way can carry is kept."""
    assert parsing.text({"k": value}, "k") == value
    assert parsing.optional_text({"k": value}, "k") == value


def test_missing_and_null_are_the_same() -> None:
    """What is optional may be left out or null."""
    for read in (parsing.optional_text, parsing.optional_number):
        assert read({}, "k") is None
        assert read({"k": None}, "k") is None


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        ("8", "8"),
        (8, "8"),
        ("007", "7"),
        ("0", "0"),
        (0, "0"),
        (2**60, str(2**60)),
        ("1" * 1024, "1" * 1024),
        (" 2 ", "2"),
        ("+02", "2"),
        ("٣", "3"),
    ],
)
def test_number_is_given_as_digits(value: Any, digits: str) -> None:
    """A number is accepted as text and as a JSON number, of any size, and comes out in one form."""
    assert parsing.optional_number({"k": value}, "k") == digits


@pytest.mark.parametrize(
    "value", ["", "x", "8.0", "-1", -1, "1 2", "0x1", 8.0, True, [], {}, "²", "1" * 1025]
)
def test_other_numbers_are_refused(value: Any) -> None:
    """What is negative, broken or a truth value is no version number."""
    with pytest.raises(Malformed, match="'k' is not a whole number"):
        parsing.optional_number({"k": value}, "k")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1589859029343, "2020-05-19T03:30:29.343Z"),
        (1589859029001, "2020-05-19T03:30:29.001Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_time_is_exact_to_the_millisecond(value: int, text: str) -> None:
    """Milliseconds become ISO 8601 without rounding, since they tell acts apart."""
    assert parsing.milliseconds({"k": value}, "k") == text


@pytest.mark.parametrize("value", ["1", 1.0, True, -1, 253402300800000, 10**18, 10**40, [], {}])
def test_other_times_are_refused(value: Any) -> None:
    """Text, fractions and times that no calendar has are refused."""
    with pytest.raises(Malformed, match="'k' is not a time in milliseconds"):
        parsing.milliseconds(json.loads(json.dumps({"k": value})), "k")


def test_missing_time_is_told() -> None:
    """A required time that is not there is named."""
    with pytest.raises(Malformed, match="'k' is missing"):
        parsing.milliseconds({}, "k")


def test_every_character_is_plain_or_not() -> None:
    """Refused are control characters, halves of surrogate pairs and what XML can't hold; nothing else is."""
    never = [*range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
    every = range(sys.maxunicode + 1)
    assert [code for code in every if not parsing.storable(chr(code))] == never
    assert [code for code in every if not parsing.plain_text(chr(code))] == [*range(0x20), 0x7F, *never]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_character_spoils_a_text(place: int) -> None:
    """It is found wherever it stands."""
    spoilt = "ab"[:place] + "\x7f" + "ab"[place:]
    assert not parsing.plain_text(spoilt)
    assert parsing.storable(spoilt)


def test_what_is_no_text_is_not_plain() -> None:
    """Only strings are plain text."""
    assert not parsing.plain_text(None)
    assert parsing.plain_text("")
