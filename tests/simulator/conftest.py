"""Fixtures: a simulator that runs for one test, and a client of it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import pytest

from modelrelay.local.github import App, GitHub, GitHubServer, Settings, Workflow

from .client import TOKEN, WORKFLOWS, Client, Clock

Start = Callable[..., Client]


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Start]:
    """Start a simulator with the given settings and workflows, and an App if one is given."""
    with ExitStack() as stack:

        def begin(
            settings: Settings | None = None,
            app: App | None = None,
            workflows: Iterable[Workflow] = WORKFLOWS,
        ) -> Client:
            github = GitHub(workflows, tokens=[TOKEN], clock=clock, settings=settings, app=app)
            client = Client(stack.enter_context(GitHubServer(github)))
            stack.callback(client.pool.clear)
            return client

        yield begin


@pytest.fixture
def client(start: Start) -> Client:
    """A client of a simulator with GitHub's usual settings."""
    return start(Settings())
