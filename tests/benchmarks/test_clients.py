"""The models of PyGithub and Octokit wait and give up as their sources say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.alternatives import Client, GaveUp, Octokit, PyGithub, octokit_pauses, pygithub_pause
from benchmarks.drain_scene import Scene
from functions.core.delivery import Delivery
from modelrelay.local.github import Answer

from .answers import NOW, failure, primary, secondary, unnamed

DELIVERY = Scene(1).backlog()[0]


class ScriptedSite:
    """A site that gives the same answer again and again, after no time; a sleep only moves the clock."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.now = NOW
        self.posts: list[float] = []

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def post(self, _delivery: Delivery) -> Answer:
        """Note when it was asked; the last answer is given for ever."""
        self.posts.append(self.now - NOW)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


ACCEPTED = Answer(204)


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (secondary(wait=17), 17.0),
        (unnamed(), 60.0),
        (primary(120), 121.0),
        (primary(-5), 0.0),
        (failure(500), 0.0),
        (failure(502), 0.0),
        (secondary(429, 9), 9.0),
        (unnamed(429), None),
        (failure(403), None),
        (failure(404), None),
        (failure(422), None),
    ],
)
def test_pygithub_waits_as_its_source_says(answer: Answer, pause: float | None) -> None:
    """`Retry-After`, or the reset and a second, or 60 s; at once after 5xx; never after another refusal."""
    assert pygithub_pause(answer, NOW) == pause


def test_pygithub_asks_eleven_times_and_gives_up() -> None:
    """Ten more tries, 60 s apart under a secondary limit that says so."""
    site = ScriptedSite(secondary())
    with pytest.raises(GaveUp):
        PyGithub(site).dispatch(DELIVERY)  # type: ignore[arg-type]  # a site as far as it goes
    assert site.posts == [60.0 * number for number in range(11)]


def test_pygithub_repeats_a_failed_post_at_once() -> None:
    """A 502 is answered with ten more requests without a pause, as was measured."""
    site = ScriptedSite(failure(502))
    with pytest.raises(GaveUp):
        PyGithub(site).dispatch(DELIVERY)  # type: ignore[arg-type]  # a site as far as it goes
    assert site.posts == [0.0] * 11


@pytest.mark.parametrize("client", [PyGithub, Octokit])
def test_writes_are_a_second_apart(client: Callable[[ScriptedSite], Client]) -> None:
    """Both pace what one process writes."""
    site = ScriptedSite(ACCEPTED)
    process = client(site)
    for _ in range(3):
        process.dispatch(DELIVERY)
    assert site.posts == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("answers", "posts"),
    [
        ([secondary(wait=30)], [0.0, 30.0]),
        ([unnamed()], [0.0, 60.0]),
        ([primary(100)], [0.0, 101.0]),
        ([failure(502)], [0.0, 1.0, 5.0, 14.0]),
        ([failure(422)], [0.0]),
    ],
    ids=["named", "unnamed", "primary", "failure", "refusal"],
)
def test_octokit_gives_up_when_its_source_does(answers: list[Answer], posts: list[float]) -> None:
    """A limit is waited out once, a failure three times after squares of seconds, and a refusal never."""
    site = ScriptedSite(*answers)
    with pytest.raises(GaveUp):
        Octokit(site).dispatch(DELIVERY)  # type: ignore[arg-type]  # a site as far as it goes
    assert site.posts == posts


def test_octokit_succeeds_after_one_limit() -> None:
    """One wait is enough where the limit is over then."""
    site = ScriptedSite(secondary(wait=5), ACCEPTED)
    Octokit(site).dispatch(DELIVERY)  # type: ignore[arg-type]  # a site as far as it goes
    assert site.posts == [0.0, 5.0]


def test_octokit_counts_each_request_anew() -> None:
    """What one request has waited for takes nothing from the next one."""
    first, second = octokit_pauses(), octokit_pauses()
    assert [first(unnamed(), NOW), first(unnamed(), NOW), second(unnamed(), NOW)] == [60.0, None, 60.0]
