"""A GitHub App's installation: what the App signs is checked, and tokens are minted and known again.

The wording is GitHub's, as its clients quote it.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelrelay.local.github import answers
from modelrelay.local.github.model import Actor, App, Minted, Workflow
from modelrelay.local.github.render import number_of

MAX_JWT_SECONDS = 600
_ROOT = r".*/(?:repos/[^/]+/[^/]+|repositories/[^/]+)"
_REPOSITORY = re.compile(_ROOT)
_EVENT = re.compile(rf"{_ROOT}/dispatches")
_FILE = re.compile(rf"{_ROOT}/contents/.+")
_LEVELS = {"": 0, "read": 1, "write": 2}


@dataclass(frozen=True)
class Caller:
    """As whom a credential acts and what it is good for, of which None is everything."""

    actor: Actor
    repositories: Collection[str] | None = None
    permissions: Mapping[str, str] | None = None

    def check(self, slug: str, permission: str, level: str) -> None:
        """Let through what the credential is good for.

        Raises:
            RefusedError: with 404 for a repository out of its reach, with 403 for a missing permission.
        """
        if self.repositories is not None and slug.lower() not in self.repositories:
            raise answers.not_found()
        if self.permissions is not None and not _covers(self.permissions, permission, level):
            raise answers.not_accessible(f"{permission}={level}")


def needed(method: str, path: str) -> tuple[str, str]:
    """Say which permission a call needs of an App's token, and its level.

    GitHub wants `contents` from whoever dispatches an event of a repository or reads its files, nothing
    but `metadata` from whoever looks at it, and else `actions`.
    """
    level = "read" if method == "GET" else "write"
    if _EVENT.fullmatch(path) or _FILE.fullmatch(path):
        return "contents", level
    return ("metadata" if _REPOSITORY.fullmatch(path) else "actions"), level


class Installation:
    """Mints an App's tokens and knows them again."""

    def __init__(self, app: App, workflows: Iterable[Workflow], clock: Callable[[], float]) -> None:
        self.app = app
        self._workflows = tuple(workflows)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._minted: dict[str, Minted] = {}

    def knows(self, token: str) -> bool:
        """Tell whether a token was minted here, be it still good or not."""
        return token in self._minted

    def caller(self, token: str) -> Caller:
        """Say what a token is good for.

        Raises:
            RefusedError: It has ended or is not known everywhere yet, or the installation is suspended.
        """
        minted, now = self._minted[token], self._clock()
        if not minted.minted_at + self.app.replication_seconds <= now < minted.expires_at:
            raise answers.bad_credentials()
        if self.app.suspended:
            raise answers.suspended()
        slugs = {workflow.slug.lower() for workflow in minted.repositories}
        return Caller(self.app.actor, slugs, minted.permissions)

    def mint(self, jwt: str, number: str, body: bytes) -> Minted:
        """Mint a token.

        Raises:
            RefusedError: The JWT, the installation's number or the body is wrong.
        """
        _verify(jwt, self.app, self._clock())
        if number != str(self.app.installation_id):
            raise answers.not_found()
        if self.app.suspended:
            raise answers.suspended()
        wanted = _decode(body)
        minted = Minted(
            token=self._token(),
            repositories=self._select(wanted),
            is_scoped=bool(wanted.keys() & {"repositories", "repository_ids"}),
            permissions=_grant(self.app.permissions, wanted.get("permissions")),
            minted_at=self._clock(),
        )
        self._minted[minted.token] = minted
        return minted

    def _token(self) -> str:
        """Make a token up, as long as GitHub's are since they tell about themselves: `ghs_APPID_JWT`."""
        digest = hashlib.sha512(f"{self.app.installation_id} {next(self._numbers)}".encode()).hexdigest()
        return f"ghs_{self.app.id}_{digest[:40]}.{digest * 2}.{digest}{digest[:80]}"

    def _select(self, wanted: Mapping[str, Any]) -> tuple[Workflow, ...]:
        owner = self.app.owner or self._workflows[0].owner
        known = {each.repository.lower(): each for each in self._workflows if each.owner == owner}
        numbers = {number_of(each.slug): name for name, each in known.items()}
        names = [str(name).lower() for name in wanted.get("repositories", [])]
        names += [numbers.get(number, "") for number in wanted.get("repository_ids", [])]
        if not known.keys() >= set(names):
            raise answers.problem(
                422,
                "There is at least one repository that does not exist or is not accessible to the parent "
                "installation.",
                docs=answers.MINTING_DOCS,
            )
        return tuple(each for name, each in known.items() if name in names or not names)


def _verify(token: str, app: App, now: float) -> None:
    """Check what an App signed, as far as GitHub says what is wrong with it."""
    import jwt  # noqa: PLC0415  # most simulations have no App, and the import takes a tenth of a second

    try:
        claims = jwt.decode(
            token,
            app.public_key,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.PyJWTError:
        raise answers.bad_jwt() from None
    if claims.get("iss") != app.client_id:
        raise answers.bad_jwt("'Issuer' claim ('iss') must be an Integer")
    issued, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or issued > now:
        raise answers.bad_jwt(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
    if not isinstance(ends, int) or ends <= now:
        raise answers.bad_jwt(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which "
            "the assertion expires"
        )
    if ends > now + MAX_JWT_SECONDS:
        raise answers.bad_jwt("'Expiration time' claim ('exp') is too far in the future")


def _decode(body: bytes) -> dict[str, Any]:
    try:
        wanted = json.loads(body or b"{}")
    except ValueError:
        raise answers.problem(400, "Problems parsing JSON") from None
    if not isinstance(wanted, dict):
        raise answers.invalid_request("The body is not an object.")
    for name, kind in (("repositories", list), ("repository_ids", list), ("permissions", dict)):
        if not isinstance(wanted.get(name, kind()), kind):
            raise answers.invalid_request(f"For 'properties/{name}', the value is of the wrong type.")
    return wanted


def _grant(granted: Mapping[str, str], asked: Mapping[str, str] | None) -> Mapping[str, str]:
    """Give the permissions of a token; a look at metadata is part of every one."""
    for name, level in (asked or {}).items():
        if not _covers(granted, name, level):
            what = "level of access for permissions" if name in granted else "permissions"
            raise answers.problem(
                422,
                f"The {what} requested are not granted to this installation.",
                docs=answers.MINTING_DOCS,
            )
    return {**(granted if asked is None else asked), "metadata": "read"}


def _covers(granted: Mapping[str, str], name: str, level: str) -> bool:
    return _LEVELS[granted.get(name, "")] >= _LEVELS.get(str(level), len(_LEVELS))
