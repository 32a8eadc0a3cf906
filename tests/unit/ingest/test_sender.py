"""What a sender is called, and the table of them."""

import pytest

from functions.core.event import is_kind
from functions.ingest import databricks
from functions.ingest.sender import Sender
from functions.ingest.senders import SENDERS


@pytest.mark.parametrize(
    ("name", "title", "variable"),
    [
        ("databricks", "Databricks", "DATABRICKS_SECRET_ID"),
        ("databricks-jobs", "DatabricksJobs", "DATABRICKS_JOBS_SECRET_ID"),
        ("mlflow", "Mlflow", "MLFLOW_SECRET_ID"),
    ],
)
def test_name_has_its_forms(name: str, title: str, variable: str) -> None:
    """Stack outputs and environment variables are named after the sender."""
    sender = Sender(name, {}, databricks.verify, databricks.parse)
    assert (sender.title, sender.secret_variable) == (title, variable)


def test_senders_are_found_by_their_names() -> None:
    """The table's keys are what the configuration and the paths use."""
    assert all(sender.name == name for name, sender in SENDERS.items())
    assert SENDERS["databricks"] is databricks.SENDER


def test_senders_are_those_that_the_interface_promises() -> None:
    """The paths are the documented ones, and Databricks Jobs alone has a login."""
    assert [*SENDERS] == ["databricks", "mlflow", "databricks-jobs", "events"]
    assert [name for name, sender in SENDERS.items() if sender.credential == "login"] == ["databricks-jobs"]


def test_every_event_has_a_kind() -> None:
    """Whatever name a sender has for an event, a route that names it names an event that can come."""
    assert all(is_kind(kind) for sender in SENDERS.values() for kind in sender.events.values())
