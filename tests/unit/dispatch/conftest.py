"""Fixtures: a GitHub that keeps what it was sent, and a client of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import urllib3

from functions.core.ledger import Ledger
from functions.core.settings import GitHubSettings
from functions.dispatch.github import GitHub
from functions.dispatch.transport import Transport
from modelrelay.local.emulator import Emulator
from modelrelay.local.github import App, Settings

from ..aws import Aws
from ..samples import Clock
from .bench import Bench
from .listing import Look
from .simulator import NEW, Simulator

Start = Callable[..., Simulator]
Connect = Callable[..., GitHub]


@pytest.fixture
def start(clock: Clock) -> Iterator[Start]:
    """Start a simulator with the given settings, and an App if one is given."""
    with ExitStack() as stack:

        def begin(settings: Settings | None = None, app: App | None = None) -> Simulator:
            return stack.enter_context(Simulator(clock, settings or Settings(), app))

        yield begin


@pytest.fixture
def simulator(start: Start) -> Simulator:
    """A simulator of github.com."""
    return start()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients, whose connections end with the test."""
    with ExitStack() as stack:

        def make(url: str, version: str = NEW) -> GitHub:
            pool = urllib3.PoolManager()
            stack.callback(pool.clear)
            return GitHub(GitHubSettings(url, version), Transport(pool))

        yield make


@pytest.fixture
def github(simulator: Simulator, connect: Connect) -> GitHub:
    """A client of the simulator in GitHub's newest API version."""
    return connect(simulator.url)


@pytest.fixture
def bench(aws: Aws, clock: Clock, simulator: Simulator, dynamodb: Emulator, table: str) -> Iterator[Bench]:
    """Dispatch with everything around it."""
    with Bench(aws, clock, simulator, dynamodb.client("dynamodb"), table) as made:
        yield made


@pytest.fixture
def look(ledger: Ledger) -> Look:
    """A look at GitHub's listing, with an empty ledger."""
    return Look(ledger)
