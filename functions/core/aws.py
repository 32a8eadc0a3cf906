"""Clients for AWS's services, made the cheap way.

`botocore.session` and not `boto3`: what boto3 adds (resources, `s3transfer`) is not used here and is
paid for at every cold start.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def client(service: str, *, connect_timeout: float = 2, read_timeout: float = 5) -> Any:
    """Make a client whose calls fail within seconds, so that a caller can still answer or put back.

    Args:
        service: AWS's name for the service (`sqs`).
        connect_timeout: Seconds until a connection must stand.
        read_timeout: Seconds until an answer must come.
    """
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    return _session().create_client(service, config=config)
