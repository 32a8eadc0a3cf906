"""A GitHub App: what it signs, and how long a minted token is used."""

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from functions.core.settings import Target
from functions.dispatch.app import (
    FRESH_SECONDS,
    MINT_SECONDS,
    REFRESH_SECONDS,
    App,
    Installation,
    TokenRefused,
    UnreadableKey,
    sign,
)
from functions.dispatch.github import TIMEOUT_SECONDS, GitHub
from functions.dispatch.request import DispatchRequest
from functions.dispatch.transport import Answer, NoAnswer
from modelrelay.local import github as simulated
from modelrelay.local.github import Fault
from tests.simulator import keys

from ..samples import NOW, Clock
from .conftest import Start
from .simulator import Simulator

TARGET = Target("acme", "models", "deploy.yml", "main")
OTHER = Target("acme", "others", "deploy.yml", "main")
APP = App(keys.CLIENT_ID, str(keys.INSTALLATION_ID), keys.private_pem())
HOUR = 3600


@pytest.fixture
def known() -> simulated.App:
    """The App as GitHub knows it, which a test may change."""
    return keys.app()


@pytest.fixture
def simulator(start: Start, known: simulated.App) -> Simulator:
    """A simulator of a GitHub that knows the App."""
    return start(app=known)


@pytest.fixture
def installation(github: GitHub, clock: Clock) -> Installation:
    """The App's installation, with no token yet."""
    return Installation(APP, github, clock)


def claims(signed: str) -> dict[str, Any]:
    """Give what was signed, after a look at the signature."""
    lenient: Any = {"verify_exp": False, "verify_iat": False}
    return jwt.decode(signed, keys.public_pem(), algorithms=["RS256"], options=lenient)


def test_signed_claims_are_what_github_asks_for() -> None:
    """The App is named, the times are whole seconds within GitHub's bounds, and no two are alike."""
    first, second = (sign(APP, NOW + 0.9) for _ in range(2))
    assert jwt.get_unverified_header(first) == {"alg": "RS256", "typ": "JWT"}
    found, other = claims(first), claims(second)
    assert found.keys() == {"iat", "exp", "iss", "jti"}
    assert (found["iat"], found["exp"], found["iss"]) == (NOW - 60, NOW + 540, keys.CLIENT_ID)
    assert found["jti"] != other["jti"]
    assert len(found["jti"]) >= 16


def pem(key: Any, form: PrivateFormat, passphrase: bytes = b"") -> str:
    """Write a key as a file."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, form, encryption).decode())


def test_key_may_have_either_form() -> None:
    """GitHub gives a key in one form, and other tools write it in another."""
    for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8):
        assert claims(sign(replace(APP, private_key=pem(keys.key(), form)), NOW))


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("", "not a readable key"),
        ("no key", "not a readable key"),
        ("schlüssel", "not a readable key"),
        (keys.private_pem()[:200], "not a readable key"),
        (keys.private_pem().replace("M", "N"), "not a readable key"),
        (keys.public_pem(), "not a readable key"),
        (pem(keys.key(), PrivateFormat.PKCS8, b"word"), "not a readable key without a passphrase"),
        (
            pem(keys.key(), PrivateFormat.TraditionalOpenSSL, b"word"),
            "not a readable key without a passphrase",
        ),
        (pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.PKCS8), "not an RSA key"),
    ],
    ids=["empty", "text", "umlaut", "half", "garbled", "public", "locked", "locked-old", "elliptic"],
)
def test_unreadable_key_is_told_and_not_quoted(key: str, what: str) -> None:
    """What can't sign for a GitHub App is told in words that hold nothing of it."""
    with pytest.raises(UnreadableKey) as caught:
        sign(replace(APP, private_key=key), NOW)
    assert what in str(caught.value)
    assert caught.value.__cause__ is None
    assert "MII" not in str(caught.value)


def test_token_is_minted_once_and_kept(
    installation: Installation, github: GitHub, simulator: Simulator, clock: Clock
) -> None:
    """A token serves until five minutes before its end; then another is minted."""
    token = installation.token(TARGET)
    assert github.dispatch(DispatchRequest(TARGET, {}), token).status == 200
    clock.now += HOUR - REFRESH_SECONDS - 1
    assert installation.token(TARGET) == token
    clock.now += 1
    renewed = installation.token(TARGET)
    assert renewed != token
    assert installation.token(TARGET) == renewed
    assert [each.path.rpartition("/")[2] for each in simulator.seen] == [
        "access_tokens",
        "dispatches",
        "access_tokens",
    ]


def test_each_repository_has_a_token_of_its_own(installation: Installation, simulator: Simulator) -> None:
    """A token is good for one repository, whichever of its workflows is meant."""
    token = installation.token(TARGET)
    assert installation.token(replace(TARGET, workflow_id="strict.yml", ref="v2")) == token
    assert installation.token(OTHER) != token
    assert installation.token(TARGET) == token
    scopes = [json.loads(each.body)["repositories"] for each in simulator.seen]
    assert scopes == [["models"], ["others"]]


def test_each_purpose_has_a_token_of_its_own(
    installation: Installation, simulator: Simulator, known: simulated.App
) -> None:
    """A token that starts workflows may not send events of the same repository, nor the other way round."""
    known.permissions = {"actions": "write", "contents": "write"}
    event = Target("acme", "models", event_type="promoted")
    tokens = [installation.token(each) for each in (TARGET, event, TARGET, event)]
    assert (tokens[:2], len(set(tokens))) == (tokens[2:], 2)
    assert [json.loads(each.body)["permissions"] for each in simulator.seen] == [
        {"actions": "write"},
        {"contents": "write", "actions": "read"},
    ]


def test_forgotten_token_is_minted_anew(installation: Installation) -> None:
    """A rejected token is replaced, and other repositories keep theirs; forgetting none is no error."""
    installation.forget(TARGET)
    token, other = installation.token(TARGET), installation.token(OTHER)
    installation.forget(TARGET)
    assert installation.token(TARGET) != token
    assert installation.token(OTHER) == other


def test_token_is_fresh_for_a_minute(installation: Installation, clock: Clock) -> None:
    """For some time after minting, a 401 may mean that not all of GitHub knows the token yet."""
    assert not installation.fresh(TARGET)
    installation.token(TARGET)
    clock.now += FRESH_SECONDS - 1
    assert installation.fresh(TARGET)
    assert not installation.fresh(OTHER)
    clock.now += 1
    assert not installation.fresh(TARGET)


def test_token_that_ends_at_once_is_used_all_the_same(
    installation: Installation, simulator: Simulator, clock: Clock
) -> None:
    """With a clock far ahead of GitHub's every token seems old; one is minted each time, and used."""
    simulator.inject(minted(expires_at="2026-09-21T14:13:20Z"))
    assert installation.token(TARGET) == "ghs_x"
    assert installation.token(TARGET) != "ghs_x"


def minted(**content: Any) -> Fault:
    """Give an answer to minting."""
    return Fault(status=201, body=json.dumps({"token": "ghs_x", **content}))


@pytest.mark.parametrize(
    ("expires_at", "serves"),
    [
        ("2026-09-21T15:13:20Z", 3300),
        ("2026-09-21T17:13:20+02:00", 3300),
        ("2026-09-21T15:13:20.500Z", 3300),
        ("2026-09-21T15:13:20", 3300),
    ],
)
def test_end_is_read_in_any_writing(
    installation: Installation, simulator: Simulator, clock: Clock, expires_at: str, serves: float
) -> None:
    """A token's end is a moment, whatever its zone; without one it is UTC."""
    simulator.inject(minted(expires_at=expires_at))
    installation.token(TARGET)
    clock.now += serves - 1
    installation.token(TARGET)
    assert len(simulator.seen) == 1
    clock.now += 2
    installation.token(TARGET)
    assert len(simulator.seen) == 2


@pytest.mark.parametrize(
    "answer",
    [
        minted(),
        minted(expires_at=None),
        minted(expires_at="soon"),
        minted(expires_at=1_790_003_600),
        minted(expires_at="2026-09-21T15:13:20Z", token=""),
        minted(expires_at="2026-09-21T15:13:20Z", token=None),
        Fault(status=201, body='{"token": "ghs_x"'),
        Fault(status=201, body=""),
    ],
)
def test_unusable_token_is_refused_without_being_told(
    installation: Installation, simulator: Simulator, answer: Fault
) -> None:
    """An answer without a token and its end is no token, and what it holds is kept to ourselves."""
    simulator.inject(answer)
    with pytest.raises(TokenRefused) as caught:
        installation.token(TARGET)
    assert caught.value.answer.status == 201
    assert caught.value.answer.request_id
    assert "ghs_x" not in repr(caught.value) + repr(caught.value.answer)
    assert installation.token(TARGET)


@pytest.mark.parametrize(
    ("change", "target", "status", "message"),
    [
        ({"client_id": "Iv23liSomebodyElse"}, TARGET, 401, "'Issuer' claim ('iss') must be an Integer"),
        ({"public_key": rsa.generate_private_key(65_537, 2_048)}, TARGET, 401, "A JSON web token could not"),
        ({"suspended": True}, TARGET, 403, "This installation has been suspended"),
        ({"installation_id": 42}, TARGET, 404, "Not Found"),
        ({}, replace(TARGET, repository="none"), 422, "There is at least one repository that does not exist"),
        ({"permissions": {"contents": "read"}}, TARGET, 422, "The permissions requested are not granted"),
    ],
)
def test_refusal_is_given_to_the_caller(
    installation: Installation,
    known: simulated.App,
    change: dict[str, Any],
    target: Target,
    status: int,
    message: str,
) -> None:
    """What GitHub says instead of minting is passed on, and nothing is kept."""
    for name, value in change.items():
        setattr(known, name, value.public_key() if name == "public_key" else value)
    with pytest.raises(TokenRefused, match=f"minted no installation token \\({status}\\)") as caught:
        installation.token(target)
    assert caught.value.answer.content["message"].startswith(message)
    assert not installation.fresh(target)


def test_refusal_is_not_remembered(installation: Installation, known: simulated.App) -> None:
    """The next use asks again."""
    known.suspended = True
    with pytest.raises(TokenRefused):
        installation.token(TARGET)
    known.suspended = False
    assert installation.token(TARGET)


def test_no_answer_is_passed_on(installation: Installation, simulator: Simulator) -> None:
    """Where GitHub doesn't answer, there is no token, and the next use asks again."""
    simulator.inject(Fault(drop="after"))
    with pytest.raises(NoAnswer):
        installation.token(TARGET)
    assert installation.token(TARGET)
    assert len(simulator.seen) == 2


def test_minting_is_not_waited_for_long(
    github: GitHub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minting ends well before a dispatch would have to."""
    given: list[float] = []
    mint = github.installation_token

    def watch(installation_id: str, jwt: str, target: Target, seconds: float) -> Answer:
        given.append(seconds)
        return mint(installation_id, jwt, target, seconds)

    monkeypatch.setattr(github, "installation_token", watch)
    assert Installation(APP, github, clock).token(TARGET)
    assert given == [MINT_SECONDS]
    assert 0 < 2 * MINT_SECONDS < TIMEOUT_SECONDS


def test_fresh_token_that_is_not_known_everywhere(
    installation: Installation, github: GitHub, known: simulated.App, clock: Clock
) -> None:
    """A token that GitHub rejects in its first seconds is good soon after, and is the same."""
    known.replication_seconds = 3
    token = installation.token(TARGET)
    assert github.dispatch(DispatchRequest(TARGET, {}), token).status == 401
    assert installation.fresh(TARGET)
    clock.now += 3
    assert github.dispatch(DispatchRequest(TARGET, {}), installation.token(TARGET)).status == 200
