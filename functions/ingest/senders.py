"""The table of senders. Adding one is its module, its tests and a line here (docs/adding-a-sender.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from functions.ingest import databricks, databricks_jobs, events, mlflow
from functions.ingest.sender import Sender

SENDERS: Final[Mapping[str, Sender]] = {
    sender.name: sender
    for sender in (databricks.SENDER, mlflow.SENDER, databricks_jobs.SENDER, events.SENDER)
}
