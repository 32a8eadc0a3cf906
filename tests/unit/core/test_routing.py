"""Routing: which routes want an event."""

from dataclasses import replace
from typing import Any

import pytest

from functions.core.event import ALIAS_SET, STAGE_TRANSITIONED, TAG_SET, Event
from functions.core.routing import objection, wanted_by

from ..samples import EVENT, ROUTE

ALIAS = replace(EVENT, kind=ALIAS_SET, name="x", from_stage=None, to_stage=None, alias="champion")
JOB = replace(
    EVENT, kind="job.failed", name="jobs.on_failure", model_name=None, to_stage=None, job_name="nightly-etl"
)
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
    assert (not objection(replace(ROUTE, **filters), EVENT)) is wanted


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
    assert (not objection(replace(ROUTE, events=BOTH, **filters), ALIAS)) is wanted


def test_brackets_are_a_glob() -> None:
    """A model's name is matched as a file name would be."""
    route = replace(ROUTE, models=("[cC]hurn",))
    assert not objection(route, replace(EVENT, model_name="Churn"))
    assert objection(route, replace(EVENT, model_name="[cC]hurn"))


@pytest.mark.parametrize(
    ("glob", "wanted"),
    [
        ("main.ml.*", True),
        ("main.*", True),
        ("*.churn", True),
        ("main.ml.churn", True),
        ("main.churn", False),
    ],
)
def test_unity_catalogs_names_are_globbed_as_a_whole(glob: str, wanted: bool) -> None:  # noqa: FBT001
    """A star takes dots too: a catalog or a schema is a prefix."""
    event = replace(EVENT, model_name="main.ml.churn")
    assert (not objection(replace(ROUTE, models=(glob,)), event)) is wanted


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, True),
        ({"models": ("churn",)}, True),
        ({"jobs": ("nightly-*",)}, True),
        ({"jobs": ("hourly-*",)}, False),
    ],
)
def test_job_is_wanted_by_its_name(filters: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001
    """A job has no model that `models` could judge; `jobs` judges its name."""
    route = replace(ROUTE, events=("job.failed",), **filters)
    assert (not objection(route, JOB)) is wanted


@pytest.mark.parametrize(
    ("filters", "event", "why"),
    [
        (
            {"events": (TAG_SET,)},
            EVENT,
            "its events don't name model_version.stage_transitioned nor MODEL_VERSION_TRANSITIONED_STAGE",
        ),
        (
            {"events": (TAG_SET,)},
            replace(ALIAS, name=ALIAS_SET),
            "its events don't name model_version.alias_set",
        ),
        ({"models": ("fraud",)}, EVENT, "no pattern of its models matches 'churn'"),
        ({"events": ("job.failed",), "jobs": ("a",)}, JOB, "no pattern of its jobs matches 'nightly-etl'"),
        ({"to_stages": ("Staging",)}, EVENT, "its to_stages don't name 'Production'"),
        ({"events": BOTH, "aliases": ("x",)}, ALIAS, "its aliases don't name 'champion'"),
    ],
)
def test_objection_is_told(filters: dict[str, Any], event: Event, why: str) -> None:
    """A route that does not take an event can say which of its filters is in the way."""
    assert objection(replace(ROUTE, **filters), event) == why


def test_routes_keep_their_order() -> None:
    """Every route that wants an event gets it, in the order of the configuration."""
    routes = [
        replace(ROUTE, name="b"),
        replace(ROUTE, name="no", models=("fraud",)),
        replace(ROUTE, name="a"),
    ]
    assert [route.name for route in wanted_by(EVENT, routes)] == ["b", "a"]
    assert wanted_by(EVENT, []) == []
