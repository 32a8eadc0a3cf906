"""DynamoDB's attribute values as its clients write them, `{"S": "text"}`, in one canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any, Final

Value = Mapping[str, Any]
Item = Mapping[str, Value]

_DIGITS: Final = Context(prec=38)
_ORDERED: Final = frozenset({"S", "N", "B"})


class Invalid(Exception):
    """DynamoDB would refuse this with a ValidationException."""


class Unsupported(Exception):
    """The simulation does not know this. It is to be taught, or the call is wrong."""


def number(text: str) -> str:
    """Write a number as DynamoDB gives it back: without an exponent and without superfluous zeros."""
    return written(Decimal(text))


def written(value: Decimal) -> str:
    """Write a decimal as DynamoDB does."""
    rounded = _DIGITS.plus(value).normalize(_DIGITS)
    return format(rounded, "f") if rounded else "0"


def canonical(value: Value) -> Value:
    """Bring a value into the form in which equal ones are equal objects of Python."""
    [(kind, content)] = value.items()
    match kind:
        case "S" | "B" | "BOOL" | "NULL":
            return {kind: content}
        case "N":
            if not isinstance(content, str):
                raise Unsupported(f"a number that is no text: {value}")
            return {"N": number(content)}
        case "M":
            return {"M": {name: canonical(each) for name, each in content.items()}}
        case "L":
            return {"L": [canonical(each) for each in content]}
        case "SS":
            return {"SS": sorted(set(content))}
        case "NS":
            return {"NS": sorted({number(each) for each in content}, key=Decimal)}
        case _:
            raise Unsupported(f"a value of the type {kind}")


def kind_of(value: Value) -> str:
    """Give a value's type."""
    return next(iter(value))


def below(left: Value | None, right: Value | None) -> bool | None:
    """Tell whether one value is less than another; None where they can't be compared."""
    if left is None or right is None or kind_of(left) != kind_of(right) or kind_of(left) not in _ORDERED:
        return None
    if "N" in left:
        return Decimal(left["N"]) < Decimal(right["N"])
    if "S" in left:
        return bool(
            left["S"].encode() < right["S"].encode()
        )  # SQS and DynamoDB order text by its UTF-8 bytes
    return bool(left["B"] < right["B"])


def added(left: Value, right: Value, sign: int = 1) -> Value:
    """Add two numbers, or subtract them."""
    if "N" not in left or "N" not in right:
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"N": written(_DIGITS.add(Decimal(left["N"]), sign * Decimal(right["N"])))}


def united(left: Value | None, right: Value) -> Value:
    """Add what ADD adds: a number to a number, a set to a set; to nothing, it is what is there then."""
    if left is None and kind_of(right) in {"N", "SS", "NS"}:
        return right
    if left is None or kind_of(left) != kind_of(right) or kind_of(right) not in {"N", "SS", "NS"}:
        raise Invalid("An operand in the update expression has an incorrect data type")
    if "N" in right:
        return added(left, right)
    kind = kind_of(right)
    return canonical({kind: [*left[kind], *right[kind]]})
