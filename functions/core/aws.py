"""Clients for AWS's services, made the cheap way.

`botocore.session` and not `boto3`: what boto3 adds (resources, `s3transfer`) is not used here and is
paid for at every cold start.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import botocore.session
from botocore.config import Config

_CONNECT_SECONDS: Final = 1.0
_READ_SECONDS: Final = 3.0
_TRIES: Final = 2

CALL_SECONDS: Final = _TRIES * (_CONNECT_SECONDS + _READ_SECONDS) + 1.0
"""The longest that a call takes, with the pause between its tries (up to a second)."""


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def client(service: str) -> Any:
    """Make a client for a service (`sqs`) whose calls end in time for the caller to answer or put back."""
    session = _session()
    config = Config(
        user_agent=session.user_agent(),  # Left to itself, a client makes it up anew twice for each call.
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
    )
    return session.create_client(service, config=config)
