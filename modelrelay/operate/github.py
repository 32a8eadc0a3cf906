"""GitHub as an operator asks it: reads only, with the credential of the stack or of this shell.

Whatever GitHub refuses is a `GitHubError`, in words for people.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3

from functions.core.settings import GitHubSettings, Target
from functions.dispatch import credentials
from functions.dispatch.app import App, UnreadableKey, sign
from functions.dispatch.credentials import NoCredential
from functions.dispatch.github import PAGE_SIZE, TIMEOUT_SECONDS, GitHub
from functions.dispatch.outcome import Limited, Told, judge, judge_silence
from functions.dispatch.transport import Answer, NoAnswer, Transport
from modelrelay.errors import CommandError
from modelrelay.stack import Session

TOKEN_VARIABLE: Final = "GITHUB_TOKEN"  # noqa: S105 - a variable's name
_SUCCESS: Final = range(200, 300)
_MAX_PAGES: Final = 50


class GitHubError(CommandError):
    """GitHub refused or did not answer. Raised with the HTTP status, 0 where there was no answer."""

    def __init__(self, text: str, status: int = 0, message: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository's address."""

    owner: str
    name: str

    @property
    def slug(self) -> str:
        """The address as GitHub writes it."""
        return f"{self.owner}/{self.name}"

    @property
    def path(self) -> str:
        """The address in a URL."""
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.name, safe='')}"


def repository_of(target: Target) -> Repository:
    """Give the repository of a route's target."""
    return Repository(target.owner, target.repository)


class Api(GitHub):
    """GitHub's REST API with the calls that only an operator makes."""

    def get(self, path: str, token: str) -> Answer:
        """Read something.

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        return self._call("GET", path, token, TIMEOUT_SECONDS)

    def mint(self, app: App, jwt: str, repository: Repository) -> Answer:
        """Mint a token with all that an installation may do in one repository.

        Raises:
            NoAnswer: The connection failed or the time ran out.
        """
        path = f"/app/installations/{quote(app.installation_id, safe='')}/access_tokens"
        return self._call("POST", path, jwt, TIMEOUT_SECONDS, {"repositories": [repository.name]})


def api(settings: GitHubSettings) -> Api:
    """Give GitHub's API as the configuration names it."""
    return Api(settings, Transport(urllib3.PoolManager()))


def parse(value: str) -> str | App:
    """Read a credential as dispatch reads the secret: a token or an App.

    Raises:
        CommandError: It is empty or of another form; the text quotes nothing of it.
    """
    try:
        credential = credentials.parse(value.strip())
        if isinstance(credential, App):
            sign(credential, time.time())
    except NoCredential as error:
        raise CommandError(error.detail) from None
    except UnreadableKey as error:
        raise CommandError(f"The App's private key is {error}: give the file that GitHub gave.") from None
    return credential


def credential(session: Session, variables: Mapping[str, str] = os.environ) -> tuple[str | App, str]:
    """Give what to call GitHub with, and where it is from: this shell's token, or the stack's secret.

    Raises:
        CommandError: There is neither.
    """
    token = variables.get(TOKEN_VARIABLE, "").strip()
    if token:
        return token, f"${TOKEN_VARIABLE}"
    name = session.output("GitHubSecretName")
    return parse(session.secret(name)), f"the secret {name}"


class Access:
    """Reads GitHub with one credential.

    Args:
        api: GitHub.
        credential: A token or an App.
        clock: Seconds since the epoch.
    """

    def __init__(self, api: Api, credential: str | App, clock: Callable[[], float] = time.time) -> None:
        self.api = api
        self.credential = credential
        self._clock = clock
        self._tokens: dict[Repository, str] = {}

    def get(self, repository: Repository, path: str = "", **query: str | int) -> Mapping[str, Any]:
        """Read something of a repository.

        Args:
            repository: Whose.
            path: Below the repository, with a slash before it.
            query: What to ask.

        Raises:
            GitHubError: GitHub refused or did not answer.
        """
        asked = f"?{urlencode(query)}" if query else ""
        answer = answered(
            lambda: self.api.get(f"{repository.path}{path}{asked}", self.token(repository)), self._clock()
        )
        return answer.content

    def pages(self, repository: Repository, path: str, key: str) -> Iterator[Mapping[str, Any]]:
        """Read all pages of a listing.

        Raises:
            GitHubError: GitHub refused or did not answer.
        """
        for page in range(1, _MAX_PAGES + 1):
            listed = self.get(repository, path, per_page=PAGE_SIZE, page=page).get(key, [])
            yield from listed
            if len(listed) < PAGE_SIZE:
                return

    def limits(self, repository: Repository) -> Answer:
        """Ask about the limits, which costs none of them and tells whether a token is valid.

        Args:
            repository: For which an App's token is minted.

        Raises:
            GitHubError: GitHub does not take the credential, or did not answer.
        """
        token = self.token(repository)
        try:
            return answered(lambda: self.api.get("/rate_limit", token), self._clock())
        except GitHubError as error:
            # GitHub Enterprise Server without limits says so to whoever it knows.
            if error.status == HTTPStatus.NOT_FOUND:
                return Answer(HTTPStatus.NOT_FOUND, {}, b"")
            raise

    def permissions(self, target: Target) -> Mapping[str, str]:
        """Mint a token as dispatch does, which proves that an App may do what the target needs.

        Raises:
            GitHubError: GitHub minted none, or did not answer.
        """
        app = self._app()
        answer = answered(
            lambda: self.api.installation_token(app.installation_id, sign(app, self._clock()), target),
            self._clock(),
        )
        return dict(answer.content.get("permissions", {}))

    def token(self, repository: Repository) -> str:
        """Give a token that reads a repository.

        Raises:
            GitHubError: One had to be minted, and GitHub minted none.
        """
        if isinstance(self.credential, str):
            return self.credential
        if repository not in self._tokens:
            app = self._app()
            answer = answered(lambda: self.api.mint(app, sign(app, self._clock()), repository), self._clock())
            self._tokens[repository] = str(answer.content.get("token", ""))
        return self._tokens[repository]

    def _app(self) -> App:
        if isinstance(self.credential, str):
            raise TypeError("a token mints nothing")
        return self.credential


def answered(call: Callable[[], Answer], now: float) -> Answer:
    """Make a call and give its answer if that is a good one.

    Raises:
        GitHubError: It is not, or there was none.
    """
    try:
        answer = call()
    except NoAnswer as error:
        raise GitHubError(judge_silence(error).told.detail) from None
    if answer.status in _SUCCESS:
        return answer
    judged = judge(answer, now)
    words = _words(judged.told, limited=isinstance(judged, Limited))
    raise GitHubError(words, answer.status, str(answer.content.get("message", "")))


def _words(told: Told, *, limited: bool) -> str:
    if told.status == HTTPStatus.NOT_FOUND:  # Its usual meaning is a dispatch's; ours is wider.
        return "GitHub answered 404: it is not there, or the credential may not see it."
    text = f"GitHub answered {told.status}: {told.detail or 'no reason given'}"
    if limited:
        return f"{text} This is a rate limit: try again later."
    if told.status == HTTPStatus.UNAUTHORIZED:
        return f"{text}. The credential is wrong or has expired."
    return text
