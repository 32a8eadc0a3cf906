"""Signatures over a delivery's id, time and body, as MLflow and Standard Webhooks make them.

Sources: "Verifying signatures" of the Standard Webhooks specification; "Webhooks", MLflow's documentation.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOLERANCE_SECONDS: Final = 300
"""How far a delivery's time and ours may be apart, which is how long a caught delivery can be sent again.

MLflow signs once and sends up to four times: 98 s of pauses and three answers that took their time, which
it waits 30 s for. Five minutes are also what the libraries of Standard Webhooks allow, to both sides.
"""

_MAX_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request says of itself. Nothing of it is trusted before `holds` says so.

    Attributes:
        id: The delivery's.
        timestamp: When it was signed, in epoch seconds.
        signatures: Each `v1,` and the base64 of an HMAC-SHA256; any of them will do.
    """

    id: str
    timestamp: str
    signatures: Sequence[str]

    def holds(self, body: bytes, keys: Sequence[bytes], now: float) -> bool:
        """Tell whether one of the keys signed the body, lately.

        Every key and signature is compared whatever the result, so that time tells nothing.
        """
        content = b".".join([_encoded(self.id), _encoded(self.timestamp), body])
        given = [_encoded(signature) for signature in self.signatures] or [b""]
        made = [sign(content, key) for key in keys]
        matches = [hmac.compare_digest(theirs, ours) for ours in made for theirs in given]
        return any(matches) and bool(self.id) and self._is_fresh(now)

    def _is_fresh(self, now: float) -> bool:
        digits = self.timestamp
        if not (digits.isascii() and digits.isdigit()) or len(digits) > _MAX_DIGITS:
            return False
        return abs(now - int(digits)) <= TOLERANCE_SECONDS


def sign(content: bytes, key: bytes) -> bytes:
    """Give the signature of what was put together from id, timestamp and body."""
    return b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
