"""A GitHub on this machine that answers a dispatcher as the real one does, and fails on demand.

`GitHub` is the state and needs no socket; `Line` puts `Faults` in front of it; `GitHubServer` serves both.
"""

from modelrelay.local.github.exchange import Exchange, Line, Outcome
from modelrelay.local.github.faults import PRESETS, Fault, FaultError, Faults, parse_faults
from modelrelay.local.github.model import (
    GHES_3_17,
    GITHUB_COM,
    Actor,
    Answer,
    App,
    Edition,
    Request,
    Run,
    Settings,
    Workflow,
)
from modelrelay.local.github.server import GitHubServer
from modelrelay.local.github.state import GitHub

__all__ = [
    "GHES_3_17",
    "GITHUB_COM",
    "PRESETS",
    "Actor",
    "Answer",
    "App",
    "Edition",
    "Exchange",
    "Fault",
    "FaultError",
    "Faults",
    "GitHub",
    "GitHubServer",
    "Line",
    "Outcome",
    "Request",
    "Run",
    "Settings",
    "Workflow",
    "parse_faults",
]
