"""GitHub's words, as they are told: with what helps a person, without anything secret, and short."""

import json
from collections.abc import Iterable

import pytest

from functions.dispatch.outcome import Limited, judge
from functions.dispatch.transport import Answer

from ..samples import NOW

FALSE_NAME = (
    "The owner, repository or workflow_id is wrong, or the credential lacks 'Actions: write' "
    "('Contents: write' for a repository_dispatch) there."
)
HINTS = {"x-accepted-github-permissions": "actions=write", "x-github-sso": "required"}


def told(status: int, message: str, prose: Iterable[str] = (), sso: str = "") -> str:
    """Give what is told of GitHub's message."""
    headers = {"x-github-sso": sso} if sso else {}
    return judge(Answer(status, headers, json.dumps({"message": message}).encode()), NOW, prose).told.detail


def test_hint_is_for_those_whom_it_helps() -> None:
    """Permissions and SSO are told with a 403 only; GitHub sends the headers with other answers too."""
    body = b'{"message": "No."}'
    assert judge(Answer(404, HINTS, body), NOW).told.detail == f"No. {FALSE_NAME}"
    assert judge(Answer(403, HINTS, body), NOW).told.detail == (
        "No. Permissions that would do: actions=write. SSO: required."
    )


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
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_token_is_never_repeated(token: str, status: int) -> None:
    """Whatever GitHub says, no token gets into a log or a dead letter, not even a part of it."""
    detail = told(status, f"The token {token} is bad", sso=token)
    assert "The token [redacted] is bad" in detail
    assert token[:12] not in detail
    assert token[-8:] not in detail


@pytest.mark.parametrize(
    ("prose", "message", "detail"),
    [
        (["a tag of prose"], "Value 'a tag of prose' is bad", "Value '[redacted]' is bad"),
        (["tag"], "tag and tag", "[redacted] and [redacted]"),
        (["in", "is", ""], "is in it", "is in it"),
        (["yes"], "yes", "[redacted]"),
        (["prose", "a tag of prose"], "'a tag of prose'", "'[redacted]'"),
        (["a tag of prose. " * 60], f"'{'a tag of prose. ' * 60}' is bad", "'[redacted]' is bad"),
        (["a.b"], "axb", "axb"),
        (
            ["use ghp_" + "a" * 36 + " please"],
            "'use ghp_" + "a" * 36 + " please' is bad",
            "'[redacted]' is bad",
        ),
        (
            [],
            "ask jane.doe+ml@example.com, not actions/checkout@v4.1",
            "ask [redacted], not actions/checkout@v4.1",
        ),
    ],
)
def test_prose_is_taken_out_of_githubs_words(prose: list[str], message: str, detail: str) -> None:
    """What people wrote into tags is not repeated, the longest first, and words too short to tell stay."""
    assert told(422, message, prose) == detail


def test_tag_does_not_uncover_a_token() -> None:
    """A tag that is the beginning of a token leaves no token that is not recognised any more."""
    assert "aaa" not in told(422, "The token ghs_" + "a" * 36 + " is bad", ["ghs"])


def test_prose_does_not_choose_the_meaning() -> None:
    """What is told is redacted; what is judged is not."""
    answer = Answer(403, {}, b'{"message": "a secondary rate limit"}')
    judged = judge(answer, NOW, ["rate limit"])
    assert isinstance(judged, Limited)
    assert judged.told.detail == "a secondary [redacted]"


def test_detail_is_bounded() -> None:
    """A long message is cut, with room for the hint of what would be right."""
    assert told(404, "x" * 10_000) == f"{'x' * 500} {FALSE_NAME}"
    assert told(403, "x", sso="y" * 10_000) == f"x SSO: {'y' * 493}"


def test_cut_leaves_no_part_of_a_secret() -> None:
    """Tokens and prose are taken out before the text is cut, so none is left at the edge."""
    words = f"{'x' * 480} a tag of prose ghs_{'a' * 36}"
    assert told(422, words, ["a tag of prose"]) == f"{'x' * 480} [redacted] [redacte"


def test_the_credential_is_taken_out_whatever_it_looks_like() -> None:
    """A token of the old kind looks like a commit; it is known, because the call was made with it."""
    answer = Answer(403, {}, b'{"message": "Bad 0123456789abcdef here"}', credential="0123456789abcdef")
    assert judge(answer, NOW).told.detail.startswith("Bad [redacted] here")
