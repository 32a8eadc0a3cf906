"""docs/adding-a-sender.md: the code on that page does what the page says."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from functions.core import aws as clients
from functions.core.secrets import Secret
from functions.ingest import senders
from functions.ingest.http import Request
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.sender import Sender

from ..aws import Aws
from ..samples import SETTINGS, Clock

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-sender.md").read_text(encoding="utf-8")
MODULE, LINE, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
BODY = json.dumps(
    {"what": "promoted", "model": "churn", "version": 3, "at": "2026-11-22T20:22:10+00:00"}
).encode()


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's module, as if it lay where the page says."""
    module = ModuleType("functions.ingest.acme")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(MODULE, "acme.py", "exec"), module.__dict__)
    return module


def test_example_passes_its_own_test(acme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test that the page shows passes with the module that it shows."""
    exec(compile(TEST, "test_acme.py", "exec"), acme.__dict__)
    acme.__dict__["test_promotion_is_a_transition"]()
    monkeypatch.setitem(acme.__dict__, "verify", lambda *_: True)
    with pytest.raises(AssertionError):  # It would notice a module that takes everything.
        acme.__dict__["test_promotion_is_a_transition"]()


def test_line_extends_the_table(acme: ModuleType) -> None:
    """The line names every sender that there is, and the new one."""
    names = {"databricks", "mlflow", "databricks_jobs", "events"}
    assert set(re.findall(r"(\w+)\.SENDER", LINE)) == {*names, "acme"}
    assert {name.replace("-", "_") for name in senders.SENDERS} == names


def test_new_sender_is_taken(aws: Aws, clock: Clock, acme: ModuleType) -> None:
    """With the line in the table, a signed event is stored and an unsigned one refused."""
    sender: Sender = acme.__dict__["SENDER"]
    aws.keep_secret("acme", "secret")
    ingest = Ingest(
        replace(SETTINGS, ingest=replace(SETTINGS.ingest, senders=("acme",))),
        {"acme": sender},
        {"acme": Secret(clients.client("secretsmanager"), "acme", clock)},
        DeliveryQueue(clients.client("sqs"), "http://127.0.0.1/queue"),
        clock,
    )
    signature = acme.__dict__["_signature"]("secret", BODY).decode()
    request = Request("POST", "/acme", {"x-acme-signature": signature}, BODY, "192.0.2.7")
    assert ingest.answer(request).status == 202
    assert ingest.answer(replace(request, headers={})).status == 401
    assert ingest.answer(replace(request, body=BODY + b" ")).status == 401
    assert (sender.title, sender.secret_variable) == ("Acme", "ACME_SECRET_ID")
