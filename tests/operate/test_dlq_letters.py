"""Reading dead letters: what can be seen is seen, and nothing is changed by it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.operate.letters import DeadLetters, Depth
from modelrelay.errors import CommandError
from tests.unit.samples import delivery

from .conftest import Deployed


@pytest.fixture
def letters(deployed: Deployed) -> DeadLetters:
    """The dead letters of a stack."""
    return DeadLetters(deployed.sqs, deployed.outputs["DeadLetterQueueUrl"], patience=0)


def test_looking_changes_nothing(deployed: Deployed, letters: DeadLetters) -> None:
    """What was read is there at once, in its order, as often as anybody looks."""
    for number in range(7):
        deployed.bury(delivery(version=str(number)))
    for _ in range(3):
        found = letters.read(letters.depth())
        assert [letter.delivery and letter.delivery.event.version for letter in found] == list("0123456")
        assert deployed.counts() == (7, 0)
    assert letters.left_hidden == 0


def test_ten_letters_of_a_model_are_seen_and_the_rest_is_counted(
    deployed: Deployed, letters: DeadLetters
) -> None:
    """SQS shows the first ten of a group; how many there are about, it says, and keeps to itself which."""
    for model, count in (("long", 25), ("short", 3)):
        for number in range(count):
            deployed.bury(delivery(model_name=model, version=str(number)))
    depth = letters.depth()
    found = letters.read(depth)
    assert (depth.visible, depth.hidden, depth.total) == (28, 0, 28)
    assert [letter.model for letter in found] == ["long"] * 10 + ["short"] * 3
    assert deployed.counts() == (28, 0)


def test_letters_are_let_go_whatever_happens(deployed: Deployed, letters: DeadLetters) -> None:
    """An error while letters are in our hand leaves them visible."""
    for number in range(12):
        deployed.bury(delivery(model_name=f"model-{number}"))

    def interrupted() -> None:
        with letters.hold() as hold:
            assert len(hold.take()) == 10
            assert deployed.counts() == (2, 10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert deployed.counts() == (12, 0)


def test_letters_that_can_not_be_let_go_are_counted(
    deployed: Deployed, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQS does not answer, it is counted how many stay hidden; the error before that stays."""
    deployed.bury(delivery())

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://sqs")

    def failing() -> None:
        with letters.hold() as hold:
            hold.take()
            monkeypatch.setattr(letters.client, "change_message_visibility_batch", unreachable)
            raise CommandError("first")

    with pytest.raises(CommandError, match="first"):
        failing()
    assert letters.left_hidden == 1


def test_what_is_let_go_early_is_not_let_go_twice(
    deployed: Deployed, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter that somebody else may have received since is not touched again at the end."""
    deployed.bury(delivery())
    release, released = letters.client.change_message_visibility_batch, []

    def counted(**parameters: Any) -> Any:
        released.append(parameters["Entries"])
        return release(**parameters)

    monkeypatch.setattr(letters.client, "change_message_visibility_batch", counted)
    with letters.hold() as hold:
        hold.release(hold.take())
        assert deployed.counts() == (1, 0)
    assert len(released) == 1


def test_letters_that_others_hold_are_told_of(deployed: Deployed, letters: DeadLetters) -> None:
    """What another command holds is counted as hidden."""
    deployed.bury(delivery())
    with letters.hold() as hold:
        hold.take()
        assert letters.depth().hidden == 1


def test_letter_tells_what_dispatch_wrote(deployed: Deployed, letters: DeadLetters) -> None:
    """Reason, detail and the rest are the letter's attributes."""
    sent = delivery(model_name="Airline_Delay", version="7")
    deployed.bury(sent, "github-refused", detail="No ref found.", status="422", github_request_id="A:1")
    (letter,) = letters.read(letters.depth())
    assert (letter.id, letter.route, letter.model) == (sent.id, "default", "Airline_Delay")
    assert (letter.reason, letter.detail, letter.buried) == ("github-refused", "No ref found.", True)
    assert letter.attributes["status"] == "422"
    assert abs(letter.sent_at - time.time()) < 60
    assert letter.buried_at == letter.sent_at


def test_letter_that_sqs_moved_has_a_reason_too(deployed: Deployed, letters: DeadLetters) -> None:
    """Without attributes, a delivery has died, and anything else is malformed."""
    deployed.bury(delivery(), reason="")
    deployed.bury_text("no delivery", "other")
    died, malformed = letters.read(letters.depth())
    assert (died.reason, died.buried, died.buried_at) == ("died", False, 0.0)
    assert died.detail.startswith("SQS moved it here by itself")
    assert (malformed.reason, malformed.delivery, malformed.id) == ("malformed", None, malformed.message_id)
    assert malformed.detail == "The message was refused: it is not a delivery (JSONDecodeError)."


def test_time_is_sqs_time(letters: DeadLetters) -> None:
    """The queue's own clock says what is old."""
    assert abs(letters.depth().now - time.time()) < 60


def test_many_letters_are_hidden_for_longer(
    deployed: Deployed, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None comes back before the last is read: two minutes, longer for thousands, at most twelve hours."""
    asked: list[int] = []

    def receive(**parameters: Any) -> dict[str, Any]:
        asked.append(parameters["VisibilityTimeout"])
        return {}

    monkeypatch.setattr(letters.client, "receive_message", receive)
    for visible in (0, 20_000, 10**7):
        letters.read(Depth(visible, 0, 0.0))
    assert asked == [120, 1120, 43_200]


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "yesterday"}])
def test_time_is_ours_where_sqs_tells_none(
    letters: DeadLetters, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """An answer without a readable date does no harm: this machine's clock serves then."""
    counted = {"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "2"}
    answer = {"Attributes": counted, "ResponseMetadata": {"HTTPHeaders": headers}}
    monkeypatch.setattr(letters.client, "get_queue_attributes", lambda **_: answer)
    assert abs(letters.depth().now - time.time()) < 60
