"""The way from a function to an AWS service and back, with botocore's tries and with what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.scheduler import Scheduler
from tests.simulation.story import Story

Note = str | Callable[[], str]
"""What the story tells of an effect, or what gives it."""

Effect = Callable[[], tuple[Any, Note]]
"""Has an effect, and gives the answer and a note; or raises the refusal."""

TRIES: Final = 2
"""As `functions.core.aws` configures botocore."""

_TRANSIENT: Final = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one try of a call.

    Attributes:
        name: How the story calls it.
        effect: After how many seconds it takes effect; None is never.
        answer: After how many seconds the caller hears of it, or gives up.
        error: What the caller hears instead of the true answer.
    """

    name: str
    effect: float | None
    answer: float
    error: Exception | None = None


class Watcher(Protocol):
    """Somebody who keeps account of what is called."""

    def aws(self, who: str, operation: str, key: str, fate: Fate) -> None:
        """Note one try of a call as it begins."""

    def wrote(self, who: str, operation: str, key: str) -> None:
        """Note that a call took effect, and was not refused."""


class Wire:
    """Carries the calls of one service.

    Args:
        service: Its name, for the story.
        scheduler: Lets the caller wait.
        story: Is told of every call.
        fates: Decides what becomes of a try of an operation.
        watcher: Keeps account.
        seed: Decides about botocore's pauses between tries.
    """

    def __init__(
        self,
        service: str,
        scheduler: Scheduler,
        story: Story,
        fates: Callable[[str, str], Fate],
        watcher: Watcher,
        seed: int,
    ) -> None:
        self.service = service
        self._scheduler = scheduler
        self._story = story
        self._fates = fates
        self._watcher = watcher
        self._random = Random(f"{seed}/wire/{service}")

    def call(self, operation: str, key: str, effect: Effect) -> Any:
        """Make a call for the running task, and once more where botocore would.

        Args:
            operation: What is called, `update_item`.
            key: What it is about, for the story.
            effect: Does it, and gives the answer and a note for the story; or raises the refusal.
        """
        for tries_left in reversed(range(TRIES)):
            answer = self._try(operation, key, effect)
            if not isinstance(answer, Exception):
                return answer
            if not tries_left or not _transient(answer):
                raise answer
            self._scheduler.sleep(self._random.random())
        raise AssertionError

    def _try(self, operation: str, key: str, effect: Effect) -> Any:
        task = self._scheduler.current
        who = task.name if task else "?"
        fate = self._fates(self.service, operation)
        self._watcher.aws(who, operation, key, fate)
        heard: list[Any] = []
        about = self._story.topics(who)
        title = f"{self.service} {operation} {key}"

        def happen() -> None:
            try:
                answer, note = effect()
            except ClientError as refusal:
                heard.append(refusal)
                self._story.tell(who, f"{title} → {_words(refusal)}", *about)
            else:
                heard.append(answer)
                self._watcher.wrote(who, operation, key)
                self._story.tell(who, lambda: _noted(title, note), *about)

        if fate.effect is not None:
            self._scheduler.after(fate.effect, happen)
        self._scheduler.sleep(fate.answer)
        if fate.error is None:
            return heard[0]
        self._story.tell(who, f"{title} ⚡ {fate.name}", *about)
        return fate.error


def _noted(title: str, note: Note) -> str:
    text = note if isinstance(note, str) else note()
    return f"{title} → {text}" if text else title


def _transient(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _TRANSIENT
    return isinstance(error, BotoCoreError)


def _words(refusal: ClientError) -> str:
    error = refusal.response["Error"]
    return f"refused: {error['Code']}" + (f" ({error['Message']})" if error.get("Message") else "")
