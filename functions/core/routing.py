"""Which routes want an event."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from functions.core.event import Event
from functions.core.settings import Route


def wanted_by(event: Event, routes: Iterable[Route]) -> list[Route]:
    """Give the routes that want the event, in the order of the configuration."""
    return [route for route in routes if not objection(route, event)]


def objection(route: Route, event: Event) -> str:
    """Say why a route does not take an event; empty where it does.

    A route names events in our words or the sender's. Each of its filters judges only events that have what
    it filters by: `models` those with a model, `to_stages` those with a stage. So one route can take several
    kinds.
    """
    if event.kind not in route.events and event.name not in route.events:
        told = event.kind if event.kind == event.name else f"{event.kind} nor {event.name}"
        return f"its events don't name {told}"
    for key, value, wanted in (
        ("models", event.model_name, route.models),
        ("jobs", event.job_name, route.jobs),
    ):
        if value is not None and wanted and not any(fnmatchcase(value, glob) for glob in wanted):
            return f"no pattern of its {key} matches '{value}'"
    for key, value, wanted in (
        ("to_stages", event.to_stage, route.to_stages),
        ("aliases", event.alias, route.aliases),
    ):
        if value is not None and wanted and value not in wanted:
            return f"its {key} don't name '{value}'"
    return ""
