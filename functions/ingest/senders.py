"""The table of senders. Adding one is its module, its tests and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from functions.ingest import databricks
from functions.ingest.sender import Sender

SENDERS: Final[Mapping[str, Sender]] = {sender.name: sender for sender in (databricks.SENDER,)}

EVENT_NAMES: Final = databricks.EVENT_NAMES
"""Every name that a sender has for an event; a route may use them."""
