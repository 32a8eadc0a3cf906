"""What goes wrong between us and GitHub: the seed's decisions about each call to it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from modelrelay.local.github import PRESETS, Answer, Request
from modelrelay.local.github.answers import SECONDARY_TEXT
from tests.simulation.plan import START, Phase, Plan
from tests.simulation.weather import Weather

_CUT_SECONDS: Final = 10.0
"""GitHub itself ends a request after so long; whatever it does for it has been done by then."""

_RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of one call to GitHub.

    Attributes:
        name: How the story calls it.
        effect: After how many seconds GitHub does what was asked; None is never.
        answer: After how many seconds there is an answer, or none.
        instead: What is answered instead of the truth.
        error: What the caller gets instead of any answer.
        garbled: Whether the answer is cut off in its middle.
        stalls: Whether the answer begins and never ends.
    """

    name: str = ""
    effect: float | None = None
    answer: float = 0.0
    instead: Answer | None = None
    error: HTTPError | None = None
    garbled: bool = False
    stalls: bool = False

    @property
    def tells(self) -> bool:
        """Whether the caller learns what became of its request."""
        return not (self.error or self.garbled or self.stalls or self.instead)


class Skies:
    """Decides about calls.

    Args:
        plan: The world's plan.
        weather: Tells which phases hold.
        moved: Gives the address to which a renamed repository is redirected.
    """

    def __init__(self, plan: Plan, weather: Weather, moved: Callable[[str], str]) -> None:
        self._plan = plan
        self._weather = weather
        self._moved = moved
        self._random = Random(f"{plan.seed}/skies")
        self._met = 0
        self.lies = plan.lies

    def decide(self, request: Request) -> Passage:
        """Decide what becomes of a call that is being made."""
        there, back = self._random.uniform(0.05, 0.5), self._random.uniform(0.05, 0.5)
        well = Passage(effect=there, answer=there + back)
        if self._weather.fine:
            return well
        phases: Mapping[str, Callable[[Request, Phase, Passage], Passage | None]] = {
            "down": self._down,
            "hanging": self._hanging,
            "limited": self._limited,
            "forbidden": self._forbidden,
            "refusing": self._refusing,
            "failing": self._failing,
            "renamed": self._renamed,
            "slow": self._slow,
        }
        for kind, passage in phases.items():
            phase = self._weather.phase(kind)
            found = passage(request, phase, well) if phase else None
            if found:
                return found
        return self._mishap(well) if self._random.random() < self._plan.trouble else well

    def _down(self, _request: Request, phase: Phase, well: Passage) -> Passage:
        """Fail every call, in one way or in any."""
        match phase.style % 4:
            case 0:
                return Passage("no connection", None, 0.05, error=_refused())
            case 1:
                return Passage("down: 503", None, well.answer, instead=PRESETS["outage"].answer(""))
            case 2:
                return Passage("no connection", None, 5.0, error=ConnectTimeoutError("timed out"))
            case _:
                return self._mishap(well, effects=False)

    def _hanging(self, _request: Request, phase: Phase, _well: Passage) -> Passage:
        """Let calls time out; one in three was accepted all the same."""
        effect = self._random.uniform(0.1, _CUT_SECONDS) if self._random.random() < 0.3 else None
        return Passage("hangs", effect, 60.0 + phase.style % 60)

    def _limited(self, _request: Request, phase: Phase, well: Passage) -> Passage:
        """Limit us in one of the documented ways."""
        left = phase.ends - self._weather.elapsed
        status = 429 if phase.style % 2 else 403
        if phase.style % 3 == 0:
            wait = math.ceil(min(left, self._random.choice([5, _RETRY_SECONDS, 600])))
            headers = {"retry-after": str(max(wait, 1))}
        elif phase.style % 3 == 1:
            reset = math.ceil(START + min(phase.ends, self._weather.elapsed + 3600) + self._plan.skew)
            headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
        else:
            headers = {}
        answer = _refusal(status, SECONDARY_TEXT, headers)
        return Passage(f"limited {status} {headers}", None, well.answer, instead=answer)

    def _limit(self) -> Answer:
        """Make an answer that asks for silence, for a short while."""
        wait = {"retry-after": str(self._random.choice([1, 7, 90]))}
        headers = self._random.choice([wait, {**wait, "x-ratelimit-remaining": "0"}, {}])
        return _refusal(self._random.choice([403, 429]), SECONDARY_TEXT, headers)

    def _forbidden(self, _request: Request, phase: Phase, well: Passage) -> Passage:
        preset = ("sso", "ip-allow-list", "forbidden")[phase.style % 3]
        return Passage(f"403 {preset}", None, well.answer, instead=PRESETS[preset].answer(""))

    def _refusing(self, request: Request, phase: Phase, well: Passage) -> Passage | None:
        """Refuse one model for good reason."""
        model = self._plan.models[phase.style % len(self._plan.models)]
        if request.method != "POST" or json.dumps(model).encode() not in request.body:
            return None
        if phase.style % 2:
            return Passage("404", None, well.answer, instead=_refusal(404, "Not Found", {}))
        answer = _refusal(422, f"No ref found for: {model}", {})
        return Passage("422", None, well.answer, instead=answer)

    def _renamed(self, request: Request, _phase: Phase, well: Passage) -> Passage | None:
        if not request.path.startswith("/repos/"):
            return None
        status = 307 if request.method == "POST" else 301
        headers = {"location": self._moved(request.path) + (f"?{request.query}" if request.query else "")}
        return Passage("renamed", None, well.answer, instead=_refusal(status, "Moved", headers))

    def _slow(self, _request: Request, _phase: Phase, _well: Passage) -> Passage:
        effect = self._random.uniform(0.5, _CUT_SECONDS)
        return Passage("slow", effect, effect + self._random.uniform(0.1, 8.0))

    def _failing(self, _request: Request, phase: Phase, well: Passage) -> Passage | None:
        self._met += 1
        return None if self._met % (phase.style % 4 + 1) else self._mishap(well)

    def _mishap(self, well: Passage, *, effects: bool = True) -> Passage:
        """Let a call fail in any way, with or without effect.

        What stands in front of GitHub may give up, or the connection break, before GitHub is done with it.
        """
        done = effects and self._random.random() < 0.5
        note = ", done" if done else ""
        effect = well.effect if done else None
        later = self._random.uniform(0.1, _CUT_SECONDS) if done else None
        status = self._random.choice([500, 502, 503, 504])
        gateway = _refusal(self._random.choice([502, 504]), "Bad Gateway", {})
        dropped = ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
        passages = [
            Passage(f"{status}{note}", effect, well.answer, instead=_refusal(status, "Oops", {})),
            Passage(f"gateway{note} at any time", later, well.answer, instead=gateway),
            Passage(f"dropped{note}", effect, well.answer, error=dropped),
            Passage(f"dropped{note} at any time", later, well.answer, error=dropped),
            Passage(f"too slow{note}", later, self._random.uniform(16.0, 40.0)),
            Passage("no connection", None, 0.05, error=_refused()),
            Passage("limited once", None, well.answer, instead=self._limit()),
            Passage("401 once", None, well.answer, instead=PRESETS["bad-credentials"].answer("")),
            Passage("503", None, well.answer, instead=PRESETS["outage"].answer("")),
        ]
        if done:
            passages.append(Passage("garbled", effect, well.answer, garbled=True))
            passages.append(Passage("stalls, done", effect, well.answer, stalls=True))
        return self._random.choice(passages)


def timed_out() -> ReadTimeoutError:
    """Make urllib3's error of an answer that does not come in time."""
    return ReadTimeoutError(None, "simulated", "Read timed out.")  # type: ignore[arg-type]  # there is no pool


def _refused() -> HTTPError:
    return NewConnectionError(None, "simulated: Connection refused")  # type: ignore[arg-type]  # no connection


def _refusal(status: int, message: str, headers: Mapping[str, str]) -> Answer:
    body = json.dumps({"message": message, "status": str(status)}).encode()
    return Answer(status, {"content-type": "application/json; charset=utf-8", **headers}, body)
