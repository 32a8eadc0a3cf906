"""Why deliveries wait or are dead letters: what each of dispatch's reasons means, and what to do then.

`functions/dispatch` names the reasons; a test holds this table against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from functions.core.ledger import State

_NOTHING: Final = "Nothing: it passes by itself."
_REPLAY: Final = "Mend it, deploy, and replay the dead letter."
_PLACE: Final = "the secret that the stack's output GitHubSecretName names"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a reason means, and what to do next; a sentence each."""

    means: str
    next: str


MEANING: Final[Mapping[State, str]] = {
    State.WAITING: "It waits on the queue and is tried again by itself; nothing is lost.",
    State.CLAIMED: "A call to GitHub is under way, or an attempt died within the last minute.",
    State.UNKNOWN: "GitHub may have started its run; that is looked up before anything is sent again.",
    State.DISPATCHED: "GitHub accepted it.",
    State.DEAD_LETTERED: "It is a dead letter: waiting would not mend it, so a person must look.",
    State.SUPERSEDED: "A newer fact of the same stage or alias was dispatched, so this one was left out.",
}

NEXT: Final[Mapping[State, str]] = {
    State.CLAIMED: "Look again in a minute.",
    State.DISPATCHED: "Nothing. What became of the workflow, its run tells.",
    State.SUPERSEDED: "Nothing, unless the older version is really wanted: then replay it with force.",
}
"""What to do where the state says it, whatever the reason was before."""

REASONS: Final[Mapping[str, Advice]] = {
    # Waits of everybody
    "paused": Advice(
        "A person has paused dispatch; no attempt is used up meanwhile.",
        "See `modelrelay status` for who and why, and end it with `modelrelay resume`.",
    ),
    "pacing": Advice(
        "It has a turn: more comes in than relay.github.max_per_minute and max_per_hour let through.",
        _NOTHING,
    ),
    "busy": Advice("Another call was under way, and calls are made one after the other.", _NOTHING),
    "rate-limited": Advice("GitHub asked for a pause, and everybody keeps it.", _NOTHING),
    "github-outage": Advice(
        "GitHub failed several times in a row, so nobody calls for growing pauses, and then one tries.",
        "Look at GitHub's status page; there is nothing to do here.",
    ),
    # Waits of one delivery
    "claimed": Advice("Another attempt is under way, or died within the last minute.", _NOTHING),
    "looking": Advice(
        "GitHub did not say whether it started the run, so its listing is read first.", _NOTHING
    ),
    "github-unavailable": Advice("GitHub answered with a server error.", _NOTHING),
    "no-answer": Advice("GitHub did not answer in time, or the connection broke.", _NOTHING),
    "unreadable-answer": Advice("GitHub's answer made no sense.", _NOTHING),
    "unreachable": Advice(
        "No connection to GitHub came about.",
        "If it is so for every delivery: is relay.github.api_url right, and does the VPC have a way out?",
    ),
    "ledger-unavailable": Advice(
        "DynamoDB did not answer, and without the ledger nothing is sent.",
        "If it lasts: is DynamoDB well, and may dispatch's role use the table?",
    ),
    "ledger-slow": Advice("The ledger answered too late to call GitHub still.", _NOTHING),
    "secret-unavailable": Advice(
        "Dispatch can't read GitHub's secret.",
        "If it lasts: may dispatch's role read the secret, and decrypt it where it has a key of its own?",
    ),
    # The credential: GitHub or its secret keeps us out
    "credential-missing": Advice(
        "There is no GitHub credential yet.",
        f'Put {{"token": "…"}} or an App\'s keys into {_PLACE}.',
    ),
    "credential-malformed": Advice(
        "GitHub's secret holds something else than a token or an App's keys.",
        f"Mend {_PLACE}; the detail says what is wrong with it.",
    ),
    "credential-app-unknown": Advice(
        "GitHub does not know the App's installation_id, or it belongs to another App.",
        f"Mend client_id and installation_id in {_PLACE}.",
    ),
    "credential-rejected": Advice(
        "GitHub does not take the token: it is wrong, expired or revoked.", f"Put a new one into {_PLACE}."
    ),
    "credential-not-permitted": Advice(
        "The credential may not start workflows there.",
        "Grant it 'Actions: write' on the repository; the detail names the permissions that would do.",
    ),
    "credential-needs-sso": Advice(
        "The organisation wants the token authorised for its single sign-on.",
        "Authorise it; the detail has the address.",
    ),
    "credential-ip-not-allowed": Advice(
        "The organisation's IP allow list lacks our address.",
        "Allow it, or set relay.vpc with static_egress_ip for an address that stays.",
    ),
    "credential-suspended": Advice(
        "The organisation has suspended the App's installation.", "Ask its owner to lift that."
    ),
    # Dead letters
    "github-not-found": Advice(
        "The owner, repository or workflow_id is wrong, or the credential lacks 'Actions: write' there.",
        _REPLAY,
    ),
    "github-refused": Advice("GitHub refuses the request; its words are the detail.", _REPLAY),
    "github-moved": Advice(
        "GitHub points to another host.", f"Check the target and relay.github.api_url. {_REPLAY}"
    ),
    "github-bad-request": Advice("This GitHub does not know relay.github.api_version.", _REPLAY),
    "github-gone": Advice("GitHub has retired relay.github.api_version.", f"Set a newer one. {_REPLAY}"),
    "github-app-repository": Advice(
        "The App's installation does not reach this repository.",
        "Add the repository to it at GitHub, or mend its name, and replay the dead letter.",
    ),
    "missing-field": Advice(
        "An input needs a field that this event does not have.",
        f"Give the template a fallback or narrow the route. {_REPLAY}",
    ),
    "inputs-too-large": Advice(
        "The inputs are over GitHub's 65,535 characters.", f"Send fewer tags. {_REPLAY}"
    ),
    "payload-too-large": Advice("The client_payload is over GitHub's 65,535 bytes.", f"Send less. {_REPLAY}"),
    "expired": Advice(
        "It was tried for as long as max_age_hours allows; the detail has the last trouble.",
        "See that it is over, and replay the dead letter: it has its full time again.",
    ),
    "unknown-outcome": Advice(
        "GitHub may have started a run, it can't be told, and the route holds such deliveries.",
        "Look at the workflow's runs around the time in doubt, and replay it only if there is none.",
    ),
    "crashed": Advice(
        "Its attempts died five times between claim and outcome.",
        "Look for time-outs and memory in dispatch's log around the last claim, and replay the dead letter.",
    ),
    "unknown-route": Advice(
        "Its route was removed or renamed while it waited.", "Add the route again and replay, or purge it."
    ),
    "malformed": Advice("Somebody put something else than a delivery onto the queue.", "Purge it."),
}

_OTHER_ANSWER: Final = Advice(
    "GitHub gave an answer that it has no rule for; the detail has its words.", _REPLAY
)
_UNKNOWN: Final = Advice("", "See dispatch's log lines of this delivery.")


def advice(reason: str) -> Advice:
    """Say what a reason means and what to do; something general for a status of GitHub's without a rule."""
    return REASONS.get(reason) or (_OTHER_ANSWER if reason.startswith("github-") else _UNKNOWN)


def next_step(state: State, reason: str) -> str:
    """Say what a person does about a delivery in a state, for a reason."""
    return NEXT.get(state) or advice(reason).next
