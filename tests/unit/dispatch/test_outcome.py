"""What GitHub's answers mean: one row for each case of its rules."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.dispatch.outcome import (
    DeadLetter,
    Dispatched,
    Failed,
    Judged,
    Limited,
    Rejected,
    Told,
    judge,
    judge_silence,
    judge_trouble,
    used_up,
)
from functions.dispatch.transport import Answer, NoAnswer

from ..samples import NOW

DAY = 24 * 3600.0
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
PRIMARY = "API rate limit exceeded for user ID 1."
HTML = b"<html><body>Unicorn!</body></html>"
NO_ACCESS = "Resource not accessible by integration"
IP_LIST = "The `acme` organization has an IP allow list enabled, and your IP address is not permitted"
SUSPENDED = "This installation has been suspended"
VALUE = "Provided value 'x' for input 'stage' not in the list of allowed values"
NO_TRIGGER = "Workflow does not have 'workflow_dispatch' trigger"
DISABLED = "Cannot trigger a 'workflow_dispatch' on a disabled workflow"
RUN_URL = "https://github.com/x"
RUN = {"workflow_run_id": 17, "run_url": "https://api.github.com/x", "html_url": RUN_URL}
FALSE_NAME = (
    "The owner, repository or workflow_id is wrong, or the credential lacks 'Actions: write' "
    "('Contents: write' for a repository_dispatch) there."
)
ELSEWHERE = (
    "GitHub points elsewhere, where the credential is not taken. Mend the target or relay.github.api_url."
)


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


def at(seconds: int) -> str:
    """Give a time as `x-ratelimit-reset` has it."""
    return str(int(NOW) + seconds)


def told(status: int, detail: str = "") -> Told:
    """Give what GitHub said."""
    return Told(status, detail, "51AD")


def run(status: int, run_id: int | None = 17, url: str | None = RUN_URL, *, moved: bool = False) -> Judged:
    """Give the meaning of an accepted dispatch."""
    return Dispatched(told(status), run_id, url, redirected=moved)


def limited(seconds: float | None, detail: str = "", status: int = 429) -> Judged:
    """Give the meaning of a limit."""
    return Limited(told(status, detail), seconds, "rate-limited")


def quota_gone(seconds: float | None, detail: str = "", status: int = 429) -> Judged:
    """Give the meaning of an hour's quota that is used up."""
    return Limited(told(status, detail), seconds, "rate-limited", secondary=False)


def rejected(reason: str, detail: str = "", status: int = 403) -> Judged:
    """Give the meaning of a credential that is not taken."""
    return Rejected(told(status, detail), f"credential-{reason}")


def refused(status: int, reason: str, detail: str = "") -> Judged:
    """Give the meaning of an answer that waiting won't mend."""
    return DeadLetter(told(status, detail), f"github-{reason}")


def down(status: int, detail: str = "") -> Judged:
    """Give the meaning of an answer after which nobody knows what happened."""
    return Failed(told(status, detail), "github-unavailable", sent=True)


def garbage(status: int = 200) -> Judged:
    """Give the meaning of a success that can't be read."""
    return Failed(told(status), "unreadable-answer", sent=True)


POLICY: dict[str, tuple[Answer, Judged]] = {
    # Accepted.
    "200 with the run": (answer(200, RUN), run(200)),
    "200 under the new name": (replace(answer(200, RUN), redirected=True), run(200, moved=True)),
    "200 without an address": (answer(200, {"workflow_run_id": 17}), run(200, url="")),
    "200 and nothing remains": (reset(at(90), RUN, 200), run(200)),
    "201 with the run": (answer(201, RUN), run(201)),
    "204": (answer(204), run(204, None, None)),
    "204 under the new name": (replace(answer(204), redirected=True), run(204, None, None, moved=True)),
    # Accepted or not: nobody knows.
    "200 without a body": (answer(200), garbage()),
    "200 cut off": (answer(200, b'{"workflow_run_id": 1700'), garbage()),
    "200 that is no text": (answer(200, b"\xff\xfe"), garbage()),
    "200 nested too deep": (answer(200, b"[" * 100_000), garbage()),
    "200 with a list": (answer(200, [RUN]), garbage()),
    "200 without a run": (answer(200, {}), garbage()),
    "200 with an odd run": (answer(200, {"workflow_run_id": "17"}), garbage()),
    "200 with a run that is no number": (answer(200, {"workflow_run_id": True}), garbage()),
    "202 that is no JSON": (answer(202, HTML), garbage(202)),
    "408": (answer(408), down(408)),
    "500": (answer(500, "Server Error"), down(500, "Server Error")),
    "502 that is no JSON": (answer(502, HTML), down(502)),
    "503": (answer(503, "No server is available"), down(503, "No server is available")),
    "503 with retry-after": (after("5", 503), down(503)),
    "504": (answer(504), down(504)),
    "599": (answer(599), down(599)),
    # Limited, by the order of GitHub's rules: retry-after, reset, text.
    "403 retry-after in seconds": (after("60", 403), limited(60, status=403)),
    "429 retry-after in seconds": (after("60"), limited(60)),
    "retry-after now": (after("0"), limited(1)),
    "retry-after a day": (after("86400"), limited(DAY)),
    "retry-after more than a day": (after("86401"), limited(DAY)),
    "retry-after never": (after("9" * 5_000), limited(DAY)),
    "403 retry-after a date": (after("Mon, 21 Sep 2026 14:14:40 GMT", 403), limited(80, status=403)),
    "429 retry-after a date": (after("Mon, 21 Sep 2026 14:14:40 GMT"), limited(80)),
    "retry-after a date without a zone": (after("Mon, 21 Sep 2026 14:14:40 -0000"), limited(80)),
    "retry-after a date in another zone": (after("Mon, 21 Sep 2026 16:14:40 +0200"), limited(80)),
    "retry-after a date in the past": (after("Mon, 21 Sep 2020 14:14:40 GMT"), limited(1)),
    "retry-after a date in a month": (after("Wed, 21 Oct 2026 14:14:40 GMT"), limited(DAY)),
    "403 retry-after garbage": (after("soon", 403), limited(None, status=403)),
    "429 retry-after garbage": (after("soon"), limited(None)),
    "retry-after empty": (after("", 403), limited(None, status=403)),
    "retry-after negative": (after("-5"), limited(None)),
    "retry-after a fraction": (after("1.5"), limited(None)),
    "retry-after no such year": (after("1 Jan 99999999999 0:00:00 GMT"), limited(None)),
    "retry-after no such zone": (after("1 Jan 2024 0:00:00 +99999999999999"), limited(None)),
    "retry-after comes before the reset": (reset(at(90), retry_after="5"), quota_gone(5, status=403)),
    "reset instead of a garbage retry-after": (reset(at(90), retry_after="soon"), quota_gone(91, status=403)),
    "403 reset": (reset(at(90), PRIMARY), quota_gone(91, PRIMARY, 403)),
    "429 reset": (reset(at(90), PRIMARY, 429), quota_gone(91, PRIMARY)),
    "reset without a word": (reset(at(90)), quota_gone(91, status=403)),
    "reset comes before the text": (reset(at(90), SECONDARY), quota_gone(91, SECONDARY, 403)),
    "reset in the past": (reset(at(-90)), quota_gone(1, status=403)),
    "reset in a week": (reset(at(7 * 86_400)), quota_gone(DAY, status=403)),
    "reset never": (reset("9" * 5_000), quota_gone(DAY, status=403)),
    "reset garbage": (reset("soon", PRIMARY), quota_gone(None, PRIMARY, 403)),
    "nothing remains, no reset": (answer(403, x_ratelimit_remaining="0"), quota_gone(None, status=403)),
    "some remain, and text": (
        reset(at(90), SECONDARY, x_ratelimit_remaining="12"),
        limited(None, SECONDARY, 403),
    ),
    "403 secondary text": (answer(403, SECONDARY), limited(None, SECONDARY, 403)),
    "403 primary text": (answer(403, PRIMARY), limited(None, PRIMARY, 403)),
    "403 text in another case": (answer(403, SECONDARY.upper()), limited(None, SECONDARY.upper(), 403)),
    "429 text": (answer(429, SECONDARY), limited(None, SECONDARY)),
    "429 without a word": (answer(429), limited(None)),
    "429 that is no JSON": (answer(429, HTML), limited(None)),
    # The credential: a person must act.
    "401": (answer(401, "Bad credentials"), rejected("rejected", "Bad credentials", 401)),
    "401 without a word": (answer(401), rejected("rejected", status=401)),
    "401 is no limit": (after("5", 401), rejected("rejected", status=401)),
    "403 permission": (answer(403, NO_ACCESS), rejected("not-permitted", NO_ACCESS)),
    "403 permission, with what would do": (
        answer(403, NO_ACCESS, x_accepted_github_permissions="actions=write"),
        rejected("not-permitted", f"{NO_ACCESS} Permissions that would do: actions=write."),
    ),
    "403 and some remain": (
        answer(403, NO_ACCESS, x_ratelimit_remaining="9"),
        rejected("not-permitted", NO_ACCESS),
    ),
    "403 that is no JSON": (answer(403, HTML), rejected("not-permitted")),
    "403 odd message": (answer(403, {"message": ["rate limit"]}), rejected("not-permitted")),
    "403 IP allow list": (answer(403, IP_LIST), rejected("ip-not-allowed", IP_LIST)),
    "403 SSO": (
        answer(403, "SAML", x_github_sso="required; url=https://github.com/x"),
        rejected("needs-sso", "SAML SSO: required; url=https://github.com/x."),
    ),
    "403 suspended": (answer(403, SUSPENDED), rejected("suspended", SUSPENDED)),
    # Waiting won't mend it.
    "404": (answer(404, "Not Found"), refused(404, "not-found", f"Not Found {FALSE_NAME}")),
    "404 that is no JSON": (answer(404, HTML), refused(404, "not-found", FALSE_NAME)),
    "422 ref": (answer(422, "No ref found for: main"), refused(422, "refused", "No ref found for: main")),
    "422 inputs": (answer(422, 'Unexpected: ["x"]'), refused(422, "refused", 'Unexpected: ["x"]')),
    "422 value": (answer(422, VALUE), refused(422, "refused", VALUE)),
    "422 trigger": (answer(422, NO_TRIGGER), refused(422, "refused", NO_TRIGGER)),
    "422 disabled": (answer(422, DISABLED), refused(422, "refused", DISABLED)),
    "422 too large": (answer(422, "inputs are too large."), refused(422, "refused", "inputs are too large.")),
    "422 is no limit": (answer(422, "The rate limit input"), refused(422, "refused", "The rate limit input")),
    **{
        f"{status} that was not followed": (
            answer(status, "Moved"),
            refused(status, "moved", f"Moved {ELSEWHERE}"),
        )
        for status in (301, 302, 307, 308)
    },
    "300": (answer(300, RUN), refused(300, "300")),
    "303": (answer(303), refused(303, "303")),
    "400": (
        answer(400, "Bad version"),
        refused(400, "bad-request", "Bad version Is relay.github.api_version one that this GitHub knows?"),
    ),
    "410": (
        answer(410, "Gone"),
        refused(410, "gone", "Gone relay.github.api_version has been retired; set a newer one."),
    ),
    "an unknown 4xx": (answer(451, "No"), refused(451, "451", "No")),
}


@pytest.mark.parametrize("case", POLICY)
def test_policy(case: str) -> None:
    """What GitHub answers has exactly one meaning."""
    given_answer, meaning = POLICY[case]
    assert judge(given_answer, NOW) == meaning


def test_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this runs, a date of GitHub's without a zone is no local time."""
    given_answer, meaning = POLICY["retry-after a date without a zone"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        judged = judge(given_answer, NOW)
    time.tzset()
    assert judged == meaning


@pytest.mark.parametrize("case", POLICY)
def test_trouble_is_the_same_whatever_was_asked_for(case: str) -> None:
    """Limits, rejections and failures mean the same for a listing or a token; refusals are no trouble."""
    given_answer, meaning = POLICY[case]
    trouble = isinstance(meaning, Limited | Rejected | Failed) and given_answer.status >= 300
    assert judge_trouble(given_answer, NOW) == (meaning if trouble else None)


@pytest.mark.parametrize(("sent", "reason"), [(True, "no-answer"), (False, "unreachable")])
def test_silence_is_told_apart_by_what_was_sent(sent: bool, reason: str) -> None:  # noqa: FBT001
    """Without an answer it counts whether GitHub may have got the request."""
    failed = judge_silence(NoAnswer(TimeoutError("secret"), sent=sent))
    assert failed == Failed(Told(detail="GitHub did not answer (TimeoutError)."), reason, sent)


@pytest.mark.parametrize(
    ("given_answer", "seconds"),
    [
        (reset(at(90), RUN, 200), 91),
        (reset(at(90), None, 204), 91),
        (reset(at(90), None, 200, retry_after="5"), 5),
        (reset(at(9 * 86_400), RUN, 200), DAY),
        (reset(at(-90), RUN, 200), 1),
        (reset("soon", RUN, 200), None),
        (reset(at(90), RUN, 200, x_ratelimit_remaining="1"), None),
        (answer(200, RUN), None),
        (reset(at(90), RUN, 200, x_ratelimit_remaining="1", retry_after="5"), None),
        (reset(at(90), None, 300), None),
        (reset(at(90), None, 307), None),
        (reset(at(90), None, 403), None),
        (reset(at(90), None, 422), None),
    ],
)
def test_last_call_of_the_hour_is_noticed(given_answer: Answer, seconds: float | None) -> None:
    """A call that was taken and left none for the hour asks for silence until the next one begins."""
    assert used_up(given_answer, NOW) == seconds


def test_quota_without_measure_is_no_failure() -> None:
    """A number of remaining calls that no machine word holds is as good as any other."""
    assert judge(answer(200, RUN, x_ratelimit_remaining="9" * 5_000), NOW) == run(200)
    assert used_up(answer(200, RUN, x_ratelimit_remaining="9" * 5_000), NOW) is None


@settings(deadline=None, max_examples=200)
@given(
    status=st.integers(200, 599),
    body=st.binary() | st.builds(lambda text: json.dumps({"message": text}).encode(), st.text()),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "x-github-sso"]),
        st.sampled_from(["0", "1", "", "Mon, 21 Sep 2026 14:14:40 GMT"])
        | st.text(st.characters(max_codepoint=255)),
    ),
    prose=st.lists(st.text(max_size=4), max_size=3),
)
def test_every_answer_has_a_meaning(
    status: int, body: bytes, headers: dict[str, str], prose: list[str]
) -> None:
    """No answer makes judging fail, no pause is in the past or longer than a day, and no text is long."""
    given_answer = Answer(status, headers, body)
    judged = judge(given_answer, NOW, prose)
    assert isinstance(judged, Dispatched) == (status == 204)
    assert len(judged.told.detail) < 700
    for seconds in (judged.seconds if isinstance(judged, Limited) else None, used_up(given_answer, NOW)):
        assert seconds is None or 1 <= seconds <= DAY
