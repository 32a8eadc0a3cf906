"""A GitHub App: what it must sign, which tokens it gets, and what they are good for."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import rsa

from modelrelay.local.github import GHES_3_17, PRESETS, App, Settings

from . import keys
from .client import DISPATCHES, OLD, RUNS, TOKEN, Client, Clock
from .conftest import Start

MINTING = f"/app/installations/{keys.INSTALLATION_ID}/access_tokens"
SCOPE = {"repositories": ["models"], "permissions": {"actions": "write"}}
OTHERS = "/repos/acme/others/actions/workflows/deploy.yml"


def mint(client: Client, clock: Clock, body: Any = None, *, token: str = "") -> urllib3.BaseHTTPResponse:
    """Mint a token, with what the App signs or with another credential."""
    headers = {"Authorization": f"Bearer {token or keys.signed(clock.now)}"}
    return client.send("POST", MINTING, SCOPE if body is None else body, headers=headers)


def call(client: Client, token: str, path: str = DISPATCHES) -> urllib3.BaseHTTPResponse:
    """Dispatch or list with a token."""
    method, body = ("POST", {"ref": "main"}) if path.endswith("dispatches") else ("GET", None)
    return client.send(method, path, body, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def app() -> App:
    """The App, which a test may change."""
    return keys.app()


@pytest.fixture
def client(start: Start, app: App) -> Client:
    """A client of a simulator that knows the App."""
    return start(app=app)


def test_token_is_minted_as_asked(client: Client, clock: Clock) -> None:
    """A token tells its end, its permissions and its repositories, and looks like GitHub's newest."""
    answer = mint(client, clock)
    minted = answer.json()
    assert answer.status == 201
    assert minted.keys() == {
        "token",
        "expires_at",
        "permissions",
        "repository_selection",
        "repositories",
    }
    assert minted["expires_at"] == "2026-09-21T15:13:20Z"
    assert minted["permissions"] == {"actions": "write", "metadata": "read"}
    assert minted["repository_selection"] == "selected"
    assert [each["full_name"] for each in minted["repositories"]] == ["acme/models"]
    assert minted["token"].startswith("ghs_271828_")
    assert 500 < len(minted["token"]) < 540
    assert mint(client, clock).json()["token"] != minted["token"]


@pytest.mark.parametrize("body", [b"", {}])
def test_unscoped_token_is_good_for_all_that_is_granted(client: Client, clock: Clock, body: Any) -> None:
    """Without a scope the token reaches each repository of the account, but no other account's."""
    minted = mint(client, clock, body).json()
    assert (minted["repository_selection"], "repositories" in minted) == ("all", False)
    assert minted["permissions"] == {"actions": "write", "metadata": "read"}
    for path, status in (
        (DISPATCHES, 200),
        (f"{OTHERS}/dispatches", 200),
        ("/repos/elsewhere/models/actions/workflows/deploy.yml/runs", 404),
    ):
        assert call(client, minted["token"], path).status == status


def test_scoped_token_reaches_its_repository_alone(client: Client, clock: Clock) -> None:
    """Another repository is answered as if it weren't there, for a dispatch as for a listing."""
    token = mint(client, clock, {"repositories": ["Models"]}).json()["token"]
    assert call(client, token).status == 200
    assert call(client, token, RUNS.replace("acme", "ACME")).status == 200
    assert call(client, token, f"{OTHERS}/dispatches").status == 404
    assert call(client, token, f"{OTHERS}/runs").status == 404
    assert call(client, token, "/repos/acme/others/actions/workflows").status == 404
    assert len(client.server.runs()) == 1


def test_renamed_repository_is_reached_by_its_number(client: Client, clock: Clock) -> None:
    """The address that a redirect leads to is in the token's scope as well."""
    token = mint(client, clock).json()["token"]
    client.server.inject(PRESETS["redirect"])
    moved = call(client, token).headers["location"].removeprefix(client.server.url)
    assert call(client, token, moved).status == 200


def test_repository_may_be_named_by_its_number(client: Client, clock: Clock) -> None:
    """A scope by `repository_ids` is the same as one by names."""
    [number] = [each["id"] for each in mint(client, clock).json()["repositories"]]
    minted = mint(client, clock, {"repository_ids": [number]}).json()
    assert [each["name"] for each in minted["repositories"]] == ["models"]
    assert mint(client, clock, {"repository_ids": [number + 1]}).status == 422


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (
            {"repositories": ["models", "none"]},
            422,
            "There is at least one repository that does not exist or ",
        ),
        ({"repositories": ["acme/models"]}, 422, "There is at least one repository that does not exist or "),
        ({"permissions": {"contents": "read"}}, 422, "The permissions requested are not granted to this ins"),
        ({"permissions": {"actions": "admin"}}, 422, "The level of access for permissions requested are not"),
        ({"permissions": {"actions": []}}, 422, "The level of access for permissions requested are not"),
        ({"repositories": "models"}, 422, "Invalid request."),
        ({"permissions": []}, 422, "Invalid request."),
        ([], 422, "Invalid request."),
        (b"{", 400, "Problems parsing JSON"),
    ],
)
def test_impossible_scope_is_refused(
    client: Client, clock: Clock, body: Any, status: int, message: str
) -> None:
    """What the installation can't give is refused with GitHub's words, and nothing is minted."""
    answer = mint(client, clock, body)
    assert answer.status == status
    assert answer.json()["message"].startswith(message)


def test_token_may_do_what_it_was_minted_for(client: Client, clock: Clock) -> None:
    """A token that may read lists runs and starts none; without any permission it does neither."""
    reading = mint(client, clock, {"permissions": {"actions": "read"}}).json()["token"]
    assert call(client, reading, RUNS).status == 200
    refused = call(client, reading)
    assert (refused.status, refused.json()["message"]) == (403, "Resource not accessible by integration")
    assert refused.headers["x-accepted-github-permissions"] == "actions=write"
    nothing = mint(client, clock, {"permissions": {}}).json()["token"]
    assert call(client, nothing, RUNS).headers["x-accepted-github-permissions"] == "actions=read"
    assert client.server.runs() == []


JWT = "A JSON web token could not be decoded"
IAT = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
EXP = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
    "assertion expires"
)
FAR = "'Expiration time' claim ('exp') is too far in the future"
ISS = "'Issuer' claim ('iss') must be an Integer"


def by_another_key(now: float) -> str:
    """Sign with a key that GitHub doesn't know."""
    claims = {"iat": int(now), "exp": int(now) + 60, "iss": keys.CLIENT_ID}
    return jwt.encode(claims, rsa.generate_private_key(65_537, 2_048), "RS256")


def by_public_key(now: float) -> str:
    """Use what everybody may know as if it were a shared secret."""
    claims = {"iat": int(now), "exp": int(now) + 60, "iss": keys.CLIENT_ID}
    return jwt.encode(claims, "a shared secret of more than thirty-two bytes", "HS256")


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        (lambda _: "no-jwt", JWT),
        (lambda _: TOKEN, JWT),
        (by_another_key, JWT),
        (by_public_key, JWT),
        (lambda now: keys.signed(now) + "x", JWT),
        (lambda now: keys.signed(now, iss="Iv23liSomebodyElse"), ISS),
        (lambda now: keys.signed(now, iss=None), ISS),
        (lambda now: keys.signed(now, iat=int(now) + 1), IAT),
        (lambda now: keys.signed(now, iat=None), IAT),
        (lambda now: keys.signed(now, iat="soon"), IAT),
        (lambda now: keys.signed(now, exp=int(now)), EXP),
        (lambda now: keys.signed(now, exp=None), EXP),
        (lambda now: keys.signed(now, exp=int(now) + 601), FAR),
    ],
)
def test_wrong_jwt_is_refused(
    client: Client, clock: Clock, sign: Callable[[float], str], message: str
) -> None:
    """What is wrong with the App's signature or claims is told with GitHub's words."""
    answer = mint(client, clock, token=sign(clock.now))
    assert (answer.status, answer.json()["message"]) == (401, message)


def test_jwt_may_end_in_ten_minutes(client: Client, clock: Clock) -> None:
    """Ten minutes are allowed, and being issued just now is."""
    jwt = keys.signed(clock.now, iat=int(clock.now), exp=int(clock.now) + 600)
    assert mint(client, clock, token=jwt).status == 201


def test_jwt_is_no_token_and_a_token_no_jwt(client: Client, clock: Clock) -> None:
    """Each credential opens its own doors only."""
    token = mint(client, clock).json()["token"]
    assert mint(client, clock, token=token).status == 401
    assert call(client, keys.signed(clock.now)).status == 401


def test_unknown_installation_is_not_found(client: Client, clock: Clock) -> None:
    """Another installation's number is answered as if it weren't there, and so is another path."""
    headers = {"Authorization": f"Bearer {keys.signed(clock.now)}"}
    for method, path in (
        ("POST", "/app/installations/42/access_tokens"),
        ("GET", MINTING),
        ("GET", "/app/installations"),
    ):
        assert client.send(method, path, {}, headers=headers).status == 404


def test_without_an_app_nothing_is_minted(start: Start, clock: Clock) -> None:
    """A GitHub that knows no App can decode none of its tokens."""
    answer = mint(start(), clock)
    assert (answer.status, answer.json()["message"]) == (401, JWT)


def test_suspended_installation_is_refused(client: Client, clock: Clock, app: App) -> None:
    """While the installation is suspended nothing is minted, and what was minted opens nothing."""
    token = mint(client, clock).json()["token"]
    app.suspended = True
    for answer in (mint(client, clock), call(client, token), call(client, token, RUNS)):
        assert (answer.status, answer.json()["message"]) == (403, "This installation has been suspended")
    app.suspended = False
    assert call(client, token).status == 200


def test_token_ends_after_an_hour(client: Client, clock: Clock) -> None:
    """A token is good to the last second, and then no more."""
    token = mint(client, clock).json()["token"]
    clock.now += 3599.9
    assert call(client, token).status == 200
    clock.now += 0.1
    answer = call(client, token)
    assert (answer.status, answer.json()["message"]) == (401, "Bad credentials")


def test_fresh_token_may_be_unknown_for_a_while(client: Client, clock: Clock, app: App) -> None:
    """Until GitHub's databases agree, a token that was minted just now is answered 401."""
    app.replication_seconds = 5
    token = mint(client, clock).json()["token"]
    clock.now += 4.9
    assert call(client, token).status == 401
    clock.now += 0.1
    assert call(client, token).status == 200


def test_tokens_of_an_installation_share_its_limit(start: Start, clock: Clock) -> None:
    """A new token gives no new allowance; minting and personal tokens are counted apart."""
    client = start(Settings(per_hour=2), keys.app())
    first, second = (mint(client, clock).json()["token"] for _ in range(2))
    assert [call(client, token).status for token in (first, second, first)] == [200, 200, 403]
    assert call(client, TOKEN).status == 200
    assert (
        client.send("GET", "/rate_limit", headers={"Authorization": f"Bearer {second}"}).json()["resources"][
            "core"
        ]["remaining"]
        == 0
    )
    assert mint(client, clock).status == 403


def test_pause_holds_for_every_token_of_an_installation(client: Client, clock: Clock) -> None:
    """A call with another token of the same installation breaks the silence that was asked for."""
    first, second = (mint(client, clock).json()["token"] for _ in range(2))
    client.server.inject(PRESETS["secondary"])
    assert call(client, first).status == 429
    assert client.server.violations == 0
    call(client, second)
    assert client.server.violations == 1
    call(client, TOKEN)
    mint(client, clock)
    assert client.server.violations == 1


def test_runs_tell_who_started_them(client: Client, clock: Clock) -> None:
    """A run of the App has its bot as the actor, and a run of a personal token has a user."""
    call(client, mint(client, clock).json()["token"])
    call(client, TOKEN)
    listed = client.send("GET", RUNS).json()["workflow_runs"]
    assert listed[1]["actor"]["url"].endswith("/users/model-relay%5Bbot%5D")
    shown = [client.send("GET", f"/repos/acme/models/actions/runs/{run['id']}").json() for run in listed]
    for runs in (listed, shown):
        for key in ("actor", "triggering_actor"):
            assert [(run[key]["login"], run[key]["type"]) for run in runs] == [
                ("octocat", "User"),
                ("model-relay[bot]", "Bot"),
            ]


def test_enterprise_server_has_apps_too(start: Start, clock: Clock) -> None:
    """Below Enterprise Server's own path a token is minted just so."""
    client = start(Settings(edition=GHES_3_17), keys.app())
    headers = {"Authorization": f"Bearer {keys.signed(clock.now)}"}
    assert client.send("POST", f"/api/v3{MINTING}", {}, version=OLD, headers=headers).status == 201
    assert client.send("POST", MINTING, {}, version=OLD, headers=headers).status == 401


def test_no_credential_is_shown(client: Client, clock: Clock) -> None:
    """Neither tokens nor what the App signs appear in what the simulator tells of itself."""
    signed = keys.signed(clock.now)
    token = mint(client, clock, token=signed).json()["token"]
    call(client, token)
    shown = "".join(client.control("GET", name).data.decode() for name in ("requests", "runs", "state"))
    assert signed not in shown
    assert token not in shown


def test_minted_token_outlives_a_reset(client: Client, clock: Clock) -> None:
    """A reset forgets runs and limits; who holds a token can go on with it."""
    token = mint(client, clock).json()["token"]
    client.server.reset()
    assert call(client, token).status == 200
