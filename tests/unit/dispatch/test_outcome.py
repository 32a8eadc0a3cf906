"""What GitHub's answers mean: one row for each case of its rules."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.dispatch.github import Answer
from functions.dispatch.outcome import DeadLetter, Dispatched, Outcome, Told, Wait, judge

from ..samples import NOW

case = pytest.param
BACKOFF = 7.0
NEVER = float("inf")
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
PRIMARY = "API rate limit exceeded for user ID 1."
HTML = b"<html><body>Unicorn!</body></html>"
IP_LIST = "The `acme` organization has an IP allow list enabled, and your IP address is not permitted"
VALUE = "Provided value 'x' for input 'stage' not in the list of allowed values"
RUN_URL = "https://github.com/x"
RUN = {"workflow_run_id": 17, "run_url": "https://api.github.com/x", "html_url": RUN_URL}


def answer(status: int, content: Any = None, /, **headers: str) -> Answer:
    """Give an answer; text is GitHub's message, bytes are the body, headers have underscores."""
    content = {"message": content} if isinstance(content, str) else content
    body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"x-github-request-id": "51AD", **named}, body)


def after(value: str, status: int = 429) -> Answer:
    """Give an answer with `retry-after`."""
    return answer(status, retry_after=value)


def reset(value: str, message: Any = None, status: int = 403, **headers: str) -> Answer:
    """Give an answer after which nothing remains before a time in epoch seconds."""
    return answer(status, message, **{"x_ratelimit_remaining": "0", "x_ratelimit_reset": value, **headers})


def in_seconds(number: int) -> str:
    """Give a time as `x-ratelimit-reset` has it."""
    return str(int(NOW) + number)


def decide(given_answer: Answer, backoff: float = BACKOFF) -> Outcome:
    """Judge an answer now."""
    return judge(given_answer, NOW, lambda: backoff)


@pytest.mark.parametrize(
    ("given_answer", "run_id", "run_url"),
    [
        case(answer(200, RUN), 17, RUN_URL, id="200 with the run"),
        case(answer(204), None, None, id="204"),
        case(replace(answer(204), redirected=True), None, None, id="204 under the new name"),
        case(replace(answer(200, RUN), redirected=True), 17, RUN_URL, id="200 under the new name"),
        case(answer(201, RUN), 17, RUN_URL, id="another 2xx with the run"),
        case(answer(200, {"workflow_run_id": 17}), 17, "", id="200 without an address"),
        case(answer(200, RUN, x_ratelimit_remaining="0"), 17, RUN_URL, id="200 and nothing remains"),
    ],
)
def test_accepted(given_answer: Answer, run_id: int | None, run_url: str | None) -> None:
    """An accepted dispatch is recorded with its run, where GitHub tells it."""
    told = Told(given_answer.status, "", "51AD")
    assert decide(given_answer) == Dispatched(told, run_id, run_url, given_answer.redirected)


@pytest.mark.parametrize(
    ("given_answer", "seconds"),
    [
        case(after("60", 403), 60, id="403 retry-after in seconds"),
        case(after("60", 429), 60, id="429 retry-after in seconds"),
        case(after("0"), 1, id="retry-after now"),
        case(after("9" * 5_000), NEVER, id="retry-after never"),
        case(after("Mon, 21 Sep 2026 14:14:40 GMT", 403), 80, id="403 retry-after a date"),
        case(after("Mon, 21 Sep 2026 14:14:40 GMT", 429), 80, id="429 retry-after a date"),
        case(after("Mon, 21 Sep 2026 14:14:40 -0000"), 80, id="retry-after a date without zone"),
        case(after("Mon, 21 Sep 2026 16:14:40 +0200"), 80, id="retry-after a date in another zone"),
        case(after("Mon, 21 Sep 2020 14:14:40 GMT"), 1, id="retry-after a date in the past"),
        case(after("soon"), 60, id="retry-after garbage"),
        case(after("-5"), 60, id="retry-after negative"),
        case(after("1 Jan 99999999999 0:00:00 GMT"), 60, id="retry-after no such year"),
        case(after("1 Jan 2024 0:00:00 +99999999999999"), 60, id="retry-after no such zone"),
        case(reset(in_seconds(90), PRIMARY, retry_after="5"), 5, id="retry-after comes before the reset"),
        case(reset(in_seconds(90), PRIMARY, 403), 91, id="403 reset in the future"),
        case(reset(in_seconds(90), PRIMARY, 429), 91, id="429 reset in the future"),
        case(reset(in_seconds(90)), 91, id="reset without a word"),
        case(reset(in_seconds(90), SECONDARY), 91, id="reset comes before the text"),
        case(reset(in_seconds(-90)), 1, id="reset in the past"),
        case(reset("9" * 5_000), NEVER, id="reset never"),
        case(answer(403, PRIMARY, x_ratelimit_remaining="0"), 60, id="nothing remains, no reset"),
        case(reset("soon", PRIMARY), 60, id="reset garbage"),
        case(reset(in_seconds(90), SECONDARY, x_ratelimit_remaining="12"), 60, id="some remain, and text"),
        case(answer(403, SECONDARY), 60, id="403 secondary text"),
        case(answer(403, SECONDARY.upper()), 60, id="403 secondary text in another case"),
        case(answer(429, SECONDARY), 60, id="429 secondary text"),
        case(answer(429), 60, id="429 without a word"),
        case(answer(429, HTML), 60, id="429 that is no JSON"),
    ],
)
def test_limited(given_answer: Answer, seconds: float) -> None:
    """A limit is waited out for as long as GitHub says, by its official order of rules."""
    outcome = decide(given_answer)
    assert isinstance(outcome, Wait)
    assert (outcome.reason, outcome.seconds) == ("rate-limited", seconds)


def test_repeated_secondary_limit_waits_ever_longer() -> None:
    """Without a time from GitHub the wait grows with the attempts, and never falls below a minute."""
    waits = [decide(answer(403, SECONDARY), backoff) for backoff in (3.0, 61.0, 500.0)]
    assert [wait.seconds for wait in waits if isinstance(wait, Wait)] == [60, 61, 500]


@pytest.mark.parametrize(
    ("given_answer", "reason"),
    [
        case(answer(401, "Bad credentials"), "rejected", id="401"),
        case(answer(401), "rejected", id="401 without a word"),
        case(after("5", 401), "rejected", id="401 is no limit"),
        case(answer(403, "Resource not accessible by integration"), "not-permitted", id="403 permission"),
        case(answer(403, HTML), "not-permitted", id="403 that is no JSON"),
        case(answer(403, {"message": ["rate limit"]}), "not-permitted", id="403 odd message"),
        case(answer(403, IP_LIST), "ip-not-allowed", id="403 IP allow list"),
        case(answer(403, "SAML", x_github_sso="required; url=u"), "needs-sso", id="403 SSO"),
        case(answer(403, "This installation has been suspended"), "suspended", id="403 suspended"),
    ],
)
def test_human_must_act(given_answer: Answer, reason: str) -> None:
    """A credential that can't be used keeps the event, leaves GitHub alone and says what to mend."""
    outcome = decide(given_answer)
    assert isinstance(outcome, Wait)
    assert (outcome.reason, outcome.seconds) == (f"credential-{reason}", 300)


@pytest.mark.parametrize(
    ("given_answer", "reason"),
    [
        case(answer(500), "github-unavailable", id="500"),
        case(answer(502, HTML), "github-unavailable", id="502 that is no JSON"),
        case(answer(503, "No server is available"), "github-unavailable", id="503"),
        case(answer(504), "github-unavailable", id="504"),
        case(answer(408), "github-unavailable", id="408"),
        case(answer(200), "unreadable-answer", id="200 without a body"),
        case(answer(200, b'{"workflow_run_id": 1700'), "unreadable-answer", id="200 cut off"),
        case(answer(200, b"\xff\xfe"), "unreadable-answer", id="200 that is no text"),
        case(answer(200, b"[" * 100_000), "unreadable-answer", id="200 nested too deep"),
        case(answer(200, [RUN]), "unreadable-answer", id="200 with a list"),
        case(answer(200, {}), "unreadable-answer", id="200 without a run"),
        case(answer(200, {"workflow_run_id": "17"}), "unreadable-answer", id="200 with an odd run"),
        case(answer(202, HTML), "unreadable-answer", id="202 that is no JSON"),
    ],
)
def test_unknown(given_answer: Answer, reason: str) -> None:
    """What may have been accepted, or not, is waited out with growing patience."""
    outcome = decide(given_answer)
    assert isinstance(outcome, Wait)
    assert (outcome.reason, outcome.seconds) == (reason, BACKOFF)


@pytest.mark.parametrize(
    ("status", "message", "reason", "hint"),
    [
        case(404, "Not Found", "not-found", "or the credential lacks 'Actions: write' there.", id="404"),
        case(422, "No ref found for: main", "refused", "", id="422 ref"),
        case(422, 'Unexpected inputs provided: ["x"]', "refused", "", id="422 unexpected inputs"),
        case(422, VALUE, "refused", "", id="422 value"),
        case(422, "Workflow does not have 'workflow_dispatch' trigger", "refused", "", id="422 trigger"),
        case(
            422,
            "Cannot trigger a 'workflow_dispatch' on a disabled workflow",
            "refused",
            "",
            id="422 disabled",
        ),
        case(422, "inputs are too large.", "refused", "", id="422 too large"),
        case(422, "The rate limit input is bad", "refused", "", id="422 is no limit"),
        case(400, "Bad version", "bad-request", "api_version one that this GitHub knows?", id="400"),
        case(410, "Gone", "gone", "api_version has been retired; set a newer one.", id="410"),
        case(
            307, "Moved", "moved", "Mend the target or relay.github.api_url.", id="307 that was not followed"
        ),
        case(451, "No", "451", "", id="another status"),
    ],
)
def test_permanent(status: int, message: str, reason: str, hint: str) -> None:
    """What no wait will mend goes to the dead letters at once, with GitHub's words and its request id."""
    outcome = decide(answer(status, message))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == f"github-{reason}"
    assert (outcome.told.status, outcome.told.request_id) == (status, "51AD")
    assert outcome.told.detail.startswith(message)
    assert outcome.told.detail.endswith(hint)
    assert hint or outcome.told.detail == message


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "No."),
        ({"x_accepted_github_permissions": "actions=write"}, "No. Permissions that would do: actions=write."),
        (
            {"x_github_sso": "required; url=https://github.com/x"},
            "No. SSO: required; url=https://github.com/x.",
        ),
    ],
)
def test_detail_says_what_to_do(headers: Mapping[str, str], detail: str) -> None:
    """A refused credential's detail has the permissions or the address that a person needs."""
    assert decide(answer(403, "No.", **headers)).told.detail == detail
    assert decide(answer(404, "No.", **headers)).told.detail.startswith("No. The owner")


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1B2" * 9,
        "gho_" + "a" * 36,
        "ghu_" + "a" * 36,
        "ghs_" + "a" * 36,
        "ghr_" + "a" * 36,
        "ghs_123456_eyJhbGciOi.eyJpc3-MiOiJ.c2lnbmF0" + "x" * 480,
        "github_pat_" + "A1_b" * 20,
    ],
)
@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_token_is_never_repeated(token: str, status: int) -> None:
    """Whatever GitHub says, no token gets into a log or a dead letter, not even a part of it."""
    detail = decide(answer(status, f"The token {token} is bad", x_github_sso=token)).told.detail
    assert "The token [redacted] is bad" in detail
    assert token[:12] not in detail
    assert token[-8:] not in detail


def test_detail_is_bounded() -> None:
    """A long message is cut, with room for the hint of what would be right."""
    detail = decide(answer(404, "x" * 10_000)).told.detail
    assert detail.startswith("x" * 500 + " The owner")
    assert len(detail) < 700
    assert len(decide(answer(403, "x", x_github_sso="y" * 10_000)).told.detail) == 500


def test_cut_leaves_no_part_of_a_token() -> None:
    """Tokens are taken out before the text is cut, so none is left at the edge."""
    detail = decide(answer(422, "x" * 490 + " ghs_" + "a" * 36)).told.detail
    assert "ghs_" not in detail


@settings(deadline=None, max_examples=200)
@given(
    status=st.integers(100, 599),
    body=st.binary() | st.builds(lambda text: json.dumps({"message": text}).encode(), st.text()),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "x-github-sso"]),
        st.sampled_from(["0", "1", "", "Mon, 21 Sep 2026 14:14:40 GMT"])
        | st.text(st.characters(max_codepoint=255)),
    ),
)
def test_every_answer_has_an_outcome(status: int, body: bytes, headers: dict[str, str]) -> None:
    """No answer makes judging fail, and a wait is never in the past."""
    outcome = decide(Answer(status, headers, body))
    assert isinstance(outcome, Dispatched) == (status == 204)
    if isinstance(outcome, Wait):
        assert outcome.seconds >= 1
    assert len(outcome.told.detail) < 700
