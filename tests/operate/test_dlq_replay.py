"""`dlq replay`: every delivery once, in order, whatever breaks on the way."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.core.delivery import Delivery
from functions.core.ledger import State
from functions.operate.judgement import Judge
from functions.operate.letters import DeadLetters, Letter
from functions.operate.replay import DeliveryQueue, Orders, Pace, Replay, ReplayStopped
from modelrelay.local.signals import Signals, Stopped
from tests.unit.samples import Clock, delivery

from .conftest import Deployed

FAR = time.time() + 3600


class Breakable:
    """SQS, of which a call may fail.

    Attributes:
        failing: Whether a call fails, by its operation, its number from 1 and its parameters.
        calls: How often each operation was called.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.failing: Callable[[str, int, dict[str, Any]], str] = lambda *_: ""
        self.calls: dict[str, int] = {}

    def __getattr__(self, operation: str) -> Any:
        """Give an operation that may fail before or after its effect, or meet a signal after it."""
        real = getattr(self._client, operation)

        def call(**parameters: Any) -> Any:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            how = self.failing(operation, self.calls[operation], parameters)
            if how == "before":
                raise EndpointConnectionError(endpoint_url="http://sqs")
            answer = real(**parameters)
            if how == "after":
                raise EndpointConnectionError(endpoint_url="http://sqs")
            if how == "stopped":
                raise Stopped
            if how == "signal":
                os.kill(os.getpid(), signal.SIGINT)
            return answer

        return call


@pytest.fixture
def sqs(deployed: Deployed) -> Breakable:
    """A client of SQS that fails on demand."""
    return Breakable(deployed.sqs)


def replayed(deployed: Deployed, sqs: Any, *, force: bool = False, **changes: Any) -> Replay:
    """Prepare a replay of everything."""
    url = deployed.outputs["DeadLetterQueueUrl"]
    usual: dict[str, Any] = {
        "letters": DeadLetters(sqs, url, patience=0),
        "queue": DeliveryQueue(sqs, deployed.outputs["QueueUrl"]),
        "judge": Judge(deployed.ledger, force),
        "orders": Orders(lambda _letter: True, FAR),
        "pace": Pace(1000),
    }
    return Replay(**{**usual, **changes})


def versions(messages: list[Any]) -> list[str]:
    """Give the versions of which messages tell, in their order."""
    return [json.loads(message["Body"])["event"]["version"] for message in messages]


def several(model: str, count: int) -> list[Delivery]:
    """Give deliveries of one model."""
    return [delivery(model_name=model, version=str(number)) for number in range(count)]


def test_order_within_a_model_holds_beyond_the_ten_that_sqs_shows(deployed: Deployed, sqs: Any) -> None:
    """Twenty-five letters of each of two models are all sent, each model's in their order, and are gone."""
    for one, other in zip(several("one", 25), several("other", 25), strict=True):
        deployed.bury(one)
        deployed.bury(other)
    work = replayed(deployed, sqs)
    work.run()
    assert work.counts == {"sent": 50, "overtaken": 0, "passed_over": 0}
    messages = deployed.drain()
    for model in ("one", "other"):
        mine = [each for each in messages if json.loads(each["Body"])["event"]["model_name"] == model]
        assert versions(mine) == [str(number) for number in range(25)]
    assert deployed.counts() == (0, 0)


def test_copy_is_what_the_letter_was(deployed: Deployed, sqs: Any) -> None:
    """The copy has the letter's body and group to the byte, and nothing of what dispatch wrote on it."""
    sent = delivery(model_name="one")
    spaced = json.dumps(json.loads(sent.to_message()), indent=1)
    deployed.bury_text(spaced, sent.group, reason="github-refused")
    replayed(deployed, sqs).run()
    (message,) = deployed.drain()
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == (spaced, sent.group)
    assert "MessageAttributes" not in message


def test_forced_copy_says_so(deployed: Deployed, sqs: Any) -> None:
    """With force the copy carries the attribute by which dispatch starts older facts."""
    deployed.bury(delivery())
    replayed(deployed, sqs, force=True).run()
    (message,) = deployed.drain()
    assert message["MessageAttributes"]["force"]["StringValue"] == "true"


@pytest.mark.parametrize("how", ["before", "after"])
def test_letter_whose_sending_fails_stays_with_all_that_follow_it(
    deployed: Deployed, sqs: Breakable, how: str
) -> None:
    """Whether or not SQS took it, the letter stays, nothing overtakes it, and a second run mends it."""
    for each in [*several("one", 3), *several("other", 3)]:
        deployed.bury(each)
    sqs.failing = lambda operation, number, _: how if (operation, number) == ("send_message", 2) else ""
    first = replayed(deployed, sqs)
    first.run()
    assert (first.counts["sent"], first.counts["not_sent"], first.counts["passed_over"]) == (4, 1, 1)
    assert first.troubles[0].startswith(f"{several('one', 2)[1].id} could not be sent: ")
    assert deployed.counts() == (2, 0)
    replayed(deployed, sqs).run()
    assert sorted(versions(deployed.drain())) == ["0", "0", "1", "1", "2", "2"]
    assert deployed.counts() == (0, 0)


def test_letter_that_can_not_be_deleted_is_not_sent_twice(deployed: Deployed, sqs: Breakable) -> None:
    """What was sent and not removed is said; a second run removes it, and SQS takes no second copy."""
    for each in several("one", 3):
        deployed.bury(each)
    sqs.failing = lambda operation, number, _: (
        "before" if (operation, number) == ("delete_message", 1) else ""
    )
    first = replayed(deployed, sqs)
    first.run()
    assert (first.counts["sent"], first.counts["not_removed"], first.counts["passed_over"]) == (1, 1, 2)
    assert deployed.counts() == (3, 0)
    replayed(deployed, sqs).run()
    assert versions(deployed.drain()) == ["0", "1", "2"]
    assert deployed.counts() == (0, 0)


def test_outage_ends_it(deployed: Deployed, sqs: Breakable) -> None:
    """Three failures in a row are an outage: no more is tried, and every letter is there."""
    for number in range(6):
        deployed.bury(delivery(model_name=f"model-{number}"))
    sqs.failing = lambda operation, *_: "before" if operation == "send_message" else ""
    with pytest.raises(ReplayStopped, match="again and again"):
        replayed(deployed, sqs).run()
    assert sqs.calls["send_message"] == 3
    assert deployed.counts() == (6, 0)


@pytest.mark.parametrize("operation", ["send_message", "delete_message"])
def test_death_after_any_call_loses_and_doubles_nothing(
    deployed: Deployed, sqs: Breakable, operation: str
) -> None:
    """Ended right after any call, without a signal's guard, a second run leaves one copy of each."""
    for each in several("one", 12):
        deployed.bury(each)
    sqs.failing = lambda called, number, _: "stopped" if (called, number) == (operation, 5) else ""
    with pytest.raises(Stopped):
        replayed(deployed, sqs).run()
    left = {"send_message": 8, "delete_message": 7}[operation]
    assert deployed.counts() == (left, 0)  # What was in our hand is there for everybody again.
    replayed(deployed, sqs).run()
    assert versions(deployed.drain()) == [str(number) for number in range(12)]
    assert deployed.counts() == (0, 0)


def test_signal_waits_until_the_letter_is_deleted(deployed: Deployed, sqs: Any) -> None:
    """A signal between the sending and the deletion ends the replay after both, and both are counted."""
    for each in several("one", 3):
        deployed.bury(each)
    sqs.failing = lambda called, number, _: "signal" if (called, number) == ("send_message", 2) else ""
    with Signals() as signals:
        letters = DeadLetters(sqs, deployed.outputs["DeadLetterQueueUrl"], guard=signals.held, patience=0)
        work = replayed(deployed, sqs, letters=letters)
        with pytest.raises(Stopped):
            work.run()
    assert work.counts["sent"] == 2
    assert (deployed.counts(), deployed.counts("QueueUrl")) == ((1, 0), (2, 0))


def test_letter_of_a_failed_replay_gets_through_at_once(deployed: Deployed, sqs: Any) -> None:
    """A delivery that fails again within five minutes is another letter, and its copy is not swallowed."""
    deployed.sqs.send_message(  # Ingest's own message of a moment ago.
        QueueUrl=deployed.outputs["QueueUrl"],
        MessageBody=delivery().to_message(),
        MessageGroupId=delivery().group,
        MessageDeduplicationId=delivery().id,
    )
    for _ in range(3):
        assert len(deployed.drain()) == 1
        deployed.bury(delivery())
        replayed(deployed, sqs).run()
    assert len(deployed.drain()) == 1


def test_delivery_buried_twice_is_sent_once(deployed: Deployed, sqs: Any) -> None:
    """Of two letters with one body, one is sent and both are gone."""
    deployed.bury(delivery())
    deployed.bury(delivery())
    work = replayed(deployed, sqs)
    work.run()
    assert (work.counts["sent"], work.counts["repeated"]) == (1, 1)
    assert len(deployed.drain()) == 1
    assert deployed.counts() == (0, 0)


def test_letter_that_came_later_is_left_alone(deployed: Deployed, sqs: Any) -> None:
    """What becomes a dead letter while the replay runs stays one, so nothing goes round and round."""
    deployed.bury(delivery())
    work = replayed(deployed, sqs, orders=Orders(lambda _letter: True, time.time() - 60))
    work.run()
    assert deployed.drain() == []
    assert deployed.counts() == (1, 0)


def test_done_is_removed_and_not_sent(deployed: Deployed, sqs: Any) -> None:
    """What was dispatched since, or set aside for a newer fact, is removed; forced, the second is sent."""
    done, aside = delivery(model_name="done"), delivery(model_name="aside")
    for each in (done, aside):
        deployed.bury(each)
    deployed.know(done, State.DISPATCHED)
    deployed.know(aside, State.SUPERSEDED)
    work = replayed(deployed, sqs)
    work.run()
    assert work.counts["settled"] == 2
    assert deployed.drain() == []
    deployed.bury(aside)
    replayed(deployed, sqs, force=True).run()
    assert len(deployed.drain()) == 1


def test_overtaken_is_counted_and_sent(deployed: Deployed, sqs: Any) -> None:
    """Where a newer fact was dispatched, dispatch is to say so in the ledger; forced, it does not count."""
    older = delivery(occurred_at="2026-01-01T00:00:00.000Z")
    deployed.know(delivery(occurred_at="2026-01-02T00:00:00.000Z"), State.DISPATCHED)
    deployed.bury(older)
    work = replayed(deployed, sqs)
    work.run()
    assert (work.counts["sent"], work.counts["overtaken"]) == (1, 1)
    deployed.bury(older)
    forced = replayed(deployed, sqs, force=True)
    forced.run()
    assert (forced.counts["sent"], forced.counts["overtaken"]) == (1, 0)


@pytest.mark.parametrize("state", [State.WAITING, State.CLAIMED, State.UNKNOWN])
def test_what_is_on_its_way_is_kept(deployed: Deployed, sqs: Any, state: State) -> None:
    """A letter whose earlier copy dispatch has in work is neither sent nor removed."""
    deployed.bury(delivery())
    deployed.know(delivery(), state, now=time.time() + 5)
    work = replayed(deployed, sqs)
    work.run()
    assert work.counts["under_way"] == 1
    assert deployed.drain() == []
    assert deployed.counts() == (1, 0)


def test_what_sqs_moved_is_sent_whatever_the_ledger_says_of_its_death(deployed: Deployed, sqs: Any) -> None:
    """A letter without a reason died in claim, so its entry does not mean that a copy is on its way."""
    deployed.bury(delivery(), reason="")
    deployed.know(delivery(), State.CLAIMED, now=time.time() + 5)
    replayed(deployed, sqs).run()
    assert len(deployed.drain()) == 1


def test_copy_that_nobody_tries_any_more_is_replaced(deployed: Deployed, sqs: Any) -> None:
    """What was under way a day ago and never settled is sent again."""
    deployed.bury(delivery())
    deployed.know(delivery(), State.WAITING, now=time.time() + 5)
    judge = Judge(deployed.ledger, clock=lambda: time.time() + 25 * 3600)
    replayed(deployed, sqs, judge=judge).run()
    assert len(deployed.drain()) == 1


def test_letter_without_a_deployed_route_is_kept(deployed: Deployed, sqs: Any) -> None:
    """Where the deployed routes are known, a letter of another one is not sent only to be buried again."""
    deployed.bury(delivery("gone"))
    deployed.bury(delivery("default"))
    work = replayed(deployed, sqs, judge=Judge(deployed.ledger, routes=frozenset({"default"})))
    work.run()
    assert (work.counts["no_route"], work.counts["sent"]) == (1, 1)
    assert deployed.counts() == (1, 0)


def test_poison_is_kept(deployed: Deployed, sqs: Any) -> None:
    """What is no delivery stays where it is, and holds nothing up."""
    for number, body in enumerate(["{", "[]", '{"format": 1}', "\x1b[31mred", "9" * 5000]):
        deployed.bury_text(body.replace("\x1b", "\u009b"), f"group-{number}")
    deployed.bury(delivery())
    work = replayed(deployed, sqs)
    work.run()
    assert (work.counts["unreadable"], work.counts["sent"]) == (5, 1)
    assert deployed.counts() == (5, 0)


def test_what_is_not_meant_is_kept_in_its_place(deployed: Deployed, sqs: Any) -> None:
    """Of a long model every second letter is taken, as far as ten that stay; those keep their order."""
    for each in several("one", 24):
        deployed.bury(each)

    def odd(letter: Letter) -> bool:
        assert letter.delivery
        return int(letter.delivery.event.version or 0) % 2 == 1

    work = replayed(deployed, sqs, orders=Orders(odd, FAR))
    work.run()
    assert versions(deployed.drain()) == [str(number) for number in range(1, 18, 2)]
    assert work.reached == 19  # Ten stay, so SQS shows nothing of what follows them.
    assert deployed.counts() == (15, 0)
    left = versions(deployed.drain("DeadLetterQueueUrl"))
    assert left == [str(number) for number in [*range(0, 18, 2), *range(18, 24)]]


def test_letters_that_come_back_while_it_runs_do_no_harm(deployed: Deployed, sqs: Any) -> None:
    """What is kept is seen again when it was hidden for too long; the replay ends all the same."""
    for number in range(4):
        deployed.bury(delivery(model_name=f"model-{number}"))

    class Impatient(DeadLetters):
        @contextmanager
        def hold(self, seconds: float = 0) -> Iterator[Any]:
            with super().hold(0) as held:  # SQS hides nothing at all.
                yield held

    letters = Impatient(sqs, deployed.outputs["DeadLetterQueueUrl"], patience=0)
    work = replayed(deployed, sqs, letters=letters, orders=Orders(lambda _letter: False, FAR))
    work.run()
    assert work.reached == 4


def test_pace_is_kept() -> None:
    """Sending is spread evenly, the first goes at once, and a pause is not made up for by a burst."""
    clock = Clock()
    pace = Pace(4, clock, clock.sleep)
    for _ in range(3):
        pace.wait()
    assert clock.naps == [0.25, 0.25]
    clock.now += 10
    pace.wait()
    pace.wait()
    assert clock.naps == [0.25, 0.25, 0.25]


def test_slow_pace_hides_letters_for_longer() -> None:
    """Ten letters are done before the first of them comes back."""
    assert Pace(10).hide_seconds == 120
    assert Pace(0.1).hide_seconds > 10 / 0.1
