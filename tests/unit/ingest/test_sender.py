"""What a sender is called, and the table of them."""

import pytest

from functions.ingest import databricks
from functions.ingest.sender import Sender
from functions.ingest.senders import EVENT_NAMES, SENDERS


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
    sender = Sender(name, databricks.verify, databricks.parse)
    assert (sender.title, sender.secret_variable) == (title, variable)


def test_senders_are_found_by_their_names() -> None:
    """The table's keys are what the configuration and the paths use."""
    assert all(sender.name == name for name, sender in SENDERS.items())
    assert SENDERS["databricks"] is databricks.SENDER


def test_routes_may_use_every_senders_names() -> None:
    """A route can name any event by its sender's own name."""
    assert databricks.EVENT_NAMES <= EVENT_NAMES
