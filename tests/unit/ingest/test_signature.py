"""Signatures over id, time and body: what holds, and what does not."""

from typing import Any

import pytest

from functions.ingest.signature import TOLERANCE_SECONDS, Proof

from ..samples import NOW
from .webhooks import standard

KEY, BODY, STAMP = b"key", b'{"a": 1}', str(int(NOW))
GOOD = standard(KEY, "id", STAMP, BODY)


def holds(proof: Proof, *keys: bytes, now: float = NOW) -> bool:
    """Judge a proof of the body."""
    return proof.holds(BODY, keys or (KEY,), now)


@pytest.mark.parametrize("keys", [(KEY,), (b"new", KEY), (KEY, b"old")])
@pytest.mark.parametrize("signatures", [[GOOD], ["v1,b3RoZXI=", GOOD], [GOOD, "v1a,eA==", ""]])
def test_any_key_and_any_signature_will_do(keys: tuple[bytes, ...], signatures: list[str]) -> None:
    """During a rotation either side may use two keys at once."""
    assert holds(Proof("id", STAMP, signatures), *keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "other"},
        {"id": ""},
        {"timestamp": str(int(NOW) + 1)},
        {"timestamp": ""},
        {"signatures": []},
        {"signatures": [""]},
        {"signatures": [GOOD.removeprefix("v1,")]},
        {"signatures": [GOOD.replace("v1", "v2")]},
        {"signatures": [GOOD.upper()]},
        {"signatures": [f" {GOOD}"]},
        {"signatures": [f"{GOOD},{GOOD}"]},
        {"signatures": ["v1,\ud800"]},
    ],
)
def test_anything_else_does_not_hold(changes: dict[str, Any]) -> None:
    """The id, the time and the signature's form are all part of the proof."""
    assert not holds(Proof(**{"id": "id", "timestamp": STAMP, "signatures": [GOOD], **changes}))


def test_missing_id_does_not_hold_though_it_is_signed() -> None:
    """Without an id, a delivery can't be told from another."""
    assert not holds(Proof("", STAMP, [standard(KEY, "", STAMP, BODY)]))


@pytest.mark.parametrize(
    ("seconds", "fresh"),
    [(0, True), (120, True), (TOLERANCE_SECONDS, True), (TOLERANCE_SECONDS + 1, False), (10**9, False)],
)
@pytest.mark.parametrize("direction", [1, -1])
def test_time_bounds_how_long_a_caught_delivery_is_of_use(
    seconds: int,
    fresh: bool,  # noqa: FBT001 - a table's column
    direction: int,
) -> None:
    """A good retry is in time; a delivery that is much older, or of the future, is refused."""
    stamp = str(int(NOW) + direction * seconds)
    assert holds(Proof("id", stamp, [standard(KEY, "id", stamp, BODY)])) is fresh


@pytest.mark.parametrize(
    "stamp", ["", "now", "-1", f"{NOW}", f" {STAMP}", f"+{STAMP}", "٣", "9" * 5000, "1e9"]
)
def test_time_is_written_in_digits(stamp: str) -> None:
    """A signed time of any other form is refused and no error."""
    assert not holds(Proof("id", stamp, [standard(KEY, "id", stamp, BODY)]))


def test_no_key_proves_nothing() -> None:
    """Without a key no signature is right."""
    assert not Proof("id", STAMP, [standard(b"", "id", STAMP, BODY)]).holds(BODY, [], NOW)
