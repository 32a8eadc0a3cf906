"""Routing: which routes want an event."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.event import ALIAS_SET, STAGE_TRANSITIONED, TAG_SET
from functions.core.routing import wanted_by, wants

from ..samples import EVENT, ROUTE

ALIAS = replace(EVENT, kind=ALIAS_SET, name="x", from_stage=None, to_stage=None, alias="champion")
BOTH = (STAGE_TRANSITIONED, ALIAS_SET)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, True),
        ({"events": ()}, False),
        ({"events": (TAG_SET,)}, False),
        ({"events": ("MODEL_VERSION_TRANSITIONED_STAGE",)}, True),
        ({"events": ("MODEL_VERSION_TRANSITIONED_TO_PRODUCTION",)}, False),
        ({"models": ("churn",)}, True),
        ({"models": ("fraud", "ch*")}, True),
        ({"models": ("ch?rn",)}, True),
        ({"models": ("chur",)}, False),
        ({"models": ("Churn",)}, False),
        ({"to_stages": ("Staging", "Production")}, True),
        ({"to_stages": ("Staging",)}, False),
        ({"to_stages": ("production",)}, False),
        ({"aliases": ("champion",)}, True),
        ({"models": ("churn",), "to_stages": ("Staging",)}, False),
    ],
)
def test_every_filter_must_fit(filters: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001 - a table's column
    """A route wants what fits all its filters; one that is left empty takes everything."""
    assert wants(replace(ROUTE, **filters), EVENT) is wanted


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, True),
        ({"aliases": ("champion", "other")}, True),
        ({"aliases": ("other",)}, False),
        ({"to_stages": ("Production",)}, True),
        ({"to_stages": ("Production",), "aliases": ("other",)}, False),
    ],
)
def test_filters_judge_only_what_the_event_has(filters: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001
    """An event without a stage is not kept away by `to_stages`, so one route takes stages and aliases."""
    assert wants(replace(ROUTE, events=BOTH, **filters), ALIAS) is wanted


def test_brackets_are_a_glob() -> None:
    """A model's name is matched as a file name would be."""
    route = replace(ROUTE, models=("[cC]hurn",))
    assert wants(route, replace(EVENT, model_name="Churn"))
    assert not wants(route, replace(EVENT, model_name="[cC]hurn"))


def test_routes_keep_their_order() -> None:
    """Every route that wants an event gets it, in the order of the configuration."""
    routes = [
        replace(ROUTE, name="b"),
        replace(ROUTE, name="no", models=("fraud",)),
        replace(ROUTE, name="a"),
    ]
    assert [route.name for route in wanted_by(EVENT, routes)] == ["b", "a"]
    assert wanted_by(EVENT, []) == []
