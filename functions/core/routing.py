"""Which routes want an event."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from functions.core.event import Event
from functions.core.settings import Route


def wanted_by(event: Event, routes: Iterable[Route]) -> list[Route]:
    """Give the routes that want the event, in the order of the configuration."""
    return [route for route in routes if wants(route, event)]


def wants(route: Route, event: Event) -> bool:
    """Tell whether a route takes an event.

    A route names events in our words or the sender's. `to_stages` judges only events that have a stage
    and `aliases` only those that have an alias, so that one route can take both.
    """
    return (
        (event.kind in route.events or event.name in route.events)
        and _one_of(event.model_name, route.models)
        and (event.to_stage is None or not route.to_stages or event.to_stage in route.to_stages)
        and (event.alias is None or not route.aliases or event.alias in route.aliases)
    )


def _one_of(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)
