"""`dlq export` and `dlq import`: letters that are edited on their way back."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from functions.core.delivery import Delivery
from functions.core.ledger import State
from modelrelay.errors import CommandError
from modelrelay.operate.edited import read_lines
from tests.unit.samples import delivery

from .conftest import Deployed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "letters.jsonl"


def lines(file: Path) -> list[Any]:
    """Read an export."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write(file: Path, letters: list[Any]) -> None:
    """Write an edited export."""
    file.write_text("".join(json.dumps(letter) + "\n" for letter in letters), encoding="utf-8")


def test_export_holds_everything_and_takes_nothing(deployed: Deployed, file: Path) -> None:
    """Each line is a letter with its attributes and its body decoded, for its owner's eyes only."""
    sent = delivery(model_name="ü", tags={"note": "by hand"})
    deployed.bury(sent, "github-refused", github_request_id="A:1")
    deployed.bury_text("poison", "other")
    told = deployed.cli("dlq", "export", str(file))
    assert (told.exit_code, told.stdout) == (
        0,
        f"2 letters were written to {file}. They are dead letters still.\n",
    )
    first, second = lines(file)
    assert first["body"] == json.loads(sent.to_message())
    assert (first["id"], first["group"], first["reason"]) == (sent.id, sent.group, "github-refused")
    assert first["attributes"]["github_request_id"] == "A:1"
    assert (second["body"], second["reason"], second["attributes"]) == ("poison", "malformed", {})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert deployed.counts() == (2, 0)


def test_export_overwrites_nothing(deployed: Deployed, file: Path) -> None:
    """A file that is there already stays as it is."""
    file.write_text("mine")
    told = deployed.cli("dlq", "export", str(file))
    assert isinstance(told.exception, CommandError)
    assert "exists already" in str(told.exception)
    assert file.read_text() == "mine"


def test_export_to_a_pipe_is_lines_and_nothing_else(deployed: Deployed) -> None:
    """Standard output holds the selected letters alone."""
    for model in ("one", "two"):
        deployed.bury(delivery(model_name=model))
    told = deployed.cli("dlq", "export", "-", "--model", "two")
    (letter,) = [json.loads(line) for line in told.stdout.splitlines()]
    assert letter["body"]["event"]["model_name"] == "two"


def test_edited_letter_is_sent_in_the_place_of_its_letter(deployed: Deployed, file: Path) -> None:
    """A new route gives a new id and group; the letter goes when its copy is sent, and the others stay."""
    for version in ("1", "2"):
        deployed.bury(delivery("gone", version=version))
    deployed.cli("dlq", "export", str(file))
    letters = lines(file)[:1]
    letters[0]["body"]["route"] = "default"
    write(file, letters)
    told = deployed.cli("dlq", "import", str(file), "--remove", "--yes", "--json")
    assert json.loads(told.stdout) == {"dry_run": False, "counts": {"sent": 1}, "troubles": []}
    (message,) = deployed.drain()
    sent = Delivery.from_message(message["Body"])
    assert (sent.route, sent.event.version) == ("default", "1")
    assert message["Attributes"]["MessageGroupId"] == sent.group
    assert deployed.counts() == (1, 0)


def test_edited_event_of_the_same_fact_keeps_its_id(deployed: Deployed, file: Path) -> None:
    """What was edited in the event reaches the queue, under the id of before."""
    deployed.bury(delivery())
    deployed.cli("dlq", "export", str(file))
    letters = lines(file)
    letters[0]["body"]["event"]["to_stage"] = "Staging"
    write(file, letters)
    deployed.cli("dlq", "import", str(file), "--yes")
    (message,) = deployed.drain()
    sent = Delivery.from_message(message["Body"])
    assert (sent.id, sent.event.to_stage) == (delivery().id, "Staging")
    assert deployed.counts() == (1, 0)  # Without --remove the letter stays.


def test_import_is_a_dry_run_until_somebody_says_yes(deployed: Deployed, file: Path) -> None:
    """Without --yes it says what would become of the lines."""
    deployed.bury(delivery(version="1"))
    deployed.bury(delivery(version="2"))
    deployed.know(delivery(version="2"), State.DISPATCHED)
    deployed.cli("dlq", "export", str(file))
    told = deployed.cli("dlq", "import", str(file), "--json")
    assert json.loads(told.stdout) == {
        "dry_run": True,
        "plan": {"lines": 2, "verdicts": {"send": 1, "settled": 1}},
    }
    assert "With --yes it is." in told.stderr
    assert deployed.counts("QueueUrl") == (0, 0)


def test_import_run_again_sends_nothing_twice(deployed: Deployed, file: Path) -> None:
    """With --remove a line whose letter is gone is not sent; without, SQS takes no second copy."""
    deployed.bury(delivery())
    deployed.cli("dlq", "export", str(file))
    for _ in range(2):
        deployed.cli("dlq", "import", str(file), "--yes")
    assert len(deployed.drain()) == 1
    for expected in ({"sent": 1}, {"gone": 1}):
        told = deployed.cli("dlq", "import", str(file), "--remove", "--yes", "--json")
        assert json.loads(told.stdout)["counts"] == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "line 2: it is not JSON (Expecting value: line 1 column 1 (char 0))"),
        ("[]", "line 2: it is not an object as `dlq export` writes it"),
        ('{"body": "text"}', "line 2: its body is no delivery: it should be an object"),
        (
            '{"body": {"event": {}, "route": "r", "accepted_at": 1}}',
            "missing 5 required keyword-only arguments",
        ),
        ('{"body": {"route": "r"}}', "line 2: its body has no 'event'"),
        ('{"message_id": "m-1"}', "line 2: its body is no delivery"),
    ],
)
def test_wrong_line_is_named(line: str, why: str) -> None:
    """The message says which line is wrong, and how."""
    good = {"message_id": "m-1", "body": json.loads(delivery().to_message())}
    with pytest.raises(CommandError) as caught:
        read_lines(f"{json.dumps(good)}\n{line}\n\n")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "line 1: its body is refused: its format is not one that this version reads"),
        ({"accepted_at": -1}, "line 1: its body is refused: its accepted_at is no time in milliseconds"),
        ({"accepted_at": "soon"}, "line 1: its body is no delivery: invalid literal"),
        ({"event": {**delivery().event.to_dict(), "version": 8}}, "version must be a string"),
        ({"event": {**delivery().event.to_dict(), "kind": "x"}}, "there are no events of the kind 'x'"),
    ],
)
def test_wrong_edit_is_explained(change: dict[str, Any], why: str) -> None:
    """What can't be a delivery any more after an edit is said in the words of whoever would refuse it."""
    body = {**json.loads(delivery().to_message()), **change}
    with pytest.raises(CommandError) as caught:
        read_lines(json.dumps({"body": body}))
    assert why in str(caught.value)


def test_letter_may_not_come_twice_and_must_be_known_to_be_removed() -> None:
    """Two lines of one letter are a mistake; so is a line without a letter where letters are to go."""
    line = {"message_id": "m-1", "body": json.loads(delivery().to_message())}
    with pytest.raises(CommandError, match="line 2: it is the letter of line 1 again"):
        read_lines(f"{json.dumps(line)}\n{json.dumps(line)}")
    with pytest.raises(CommandError, match="line 1: it has no message_id"):
        read_lines(json.dumps({"body": line["body"]}), from_letters=True)


def test_many_wrong_lines_are_not_all_told() -> None:
    """Twenty mistakes are enough for one message."""
    with pytest.raises(CommandError, match=r"(?s)line 20: .*… and 5 more"):
        read_lines("x\n" * 25)
