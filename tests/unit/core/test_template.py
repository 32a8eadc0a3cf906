"""Templates: how a route's inputs are made from an event."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.template import (
    FIELDS,
    MissingField,
    TemplateError,
    check,
    fill,
    needs,
    render,
    texts,
    values_of,
)

from ..samples import delivery

VALUES = {"model_name": "churn", "version": "8", "alias": None, "tags.team": "risk", "from_stage": ""}


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("${model_name}", "churn"),
        ("${model_name}-v${version}", "churn-v8"),
        ("${tags.team}", "risk"),
        ("${alias:-none}", "none"),
        ("${alias:-}", ""),
        ("${alias:-a:-b}", "a:-b"),
        ("${version:-0}", "8"),
        ("${from_stage:-x}", ""),
        ("${tags.other:-x}", "x"),
        ("$$", "$"),
        ("$${model_name}", "${model_name}"),
        ("$$${version}", "$8"),
        ("a{b}c", "a{b}c"),
    ],
)
def test_template_is_filled(template: str, rendered: str) -> None:
    """Fields, tags, fallbacks and dollar signs each have their place."""
    check(template)
    assert render(template, VALUES) == rendered


@pytest.mark.parametrize("template", ["${alias}", "${tags.other}", "x ${version} ${alias}"])
def test_field_without_value_is_missing(template: str) -> None:
    """A template never starts a workflow with a hole in it."""
    with pytest.raises(MissingField):
        render(template, VALUES)


def test_missing_field_is_named() -> None:
    """The error is the field's name, for the dead letter to explain."""
    with pytest.raises(MissingField, match=r"^alias$"):
        render("${alias}", VALUES)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("$", "write $$ for a dollar sign"),
        ("costs 5$", "write $$ for a dollar sign"),
        ("$model_name", "write $$ for a dollar sign"),
        ("$$$", "write $$ for a dollar sign"),
        ("${", "write $$ for a dollar sign"),
        ("${}", "write $$ for a dollar sign"),
        ("${version", "write $$ for a dollar sign"),
        ("${ver{sion}}", "write $$ for a dollar sign"),
        ("${model}", "names the unknown field ${model}; known: model_name, version"),
        ("${version} ${Version}", "names the unknown field ${Version}"),
        ("${ version }", "names the unknown field ${ version }"),
        ("${fact:-x}", "names the unknown field ${fact}"),
        ("${tag.team}", "known: model_name, version, from_stage, to_stage, alias, workspace_id, job_id"),
    ],
)
def test_mistake_is_told_before_deployment(template: str, complaint: str) -> None:
    """A template that could never be filled is refused with what would be right."""
    with pytest.raises(TemplateError) as caught:
        check(template)
    assert complaint in str(caught.value)


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("${}:-$ tags.version")))
def test_accepted_template_is_always_filled(template: str) -> None:
    """Whatever passes the check is filled when its fields have values."""
    try:
        check(template)
    except TemplateError:
        return
    tags = dict.fromkeys(re.findall(r"tags\.[^{}:]*", template), "t")
    assert isinstance(render(template, dict.fromkeys(FIELDS, "v") | tags), str)


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_values_are_not_templates(value: str) -> None:
    """What an event holds is copied as it is, also when it looks like a template."""
    assert render("${model_name}", {"model_name": value}) == value


def test_every_promised_field_has_a_place() -> None:
    """A delivery gives every field that a template may name, and each tag."""
    sent = delivery("production", alias="champion", tags={"team": "risk", "a b": "c"})
    assert values_of(sent) == {
        "model_name": "churn",
        "version": "8",
        "from_stage": "None",
        "to_stage": "Production",
        "alias": "champion",
        **dict.fromkeys(("workspace_id", "job_id", "job_name", "run_id", "parent_run_id", "task_key")),
        "occurred_at": "2026-09-21T14:13:20.000Z",
        "source": "databricks",
        "kind": "model_version.stage_transitioned",
        "name": "MODEL_VERSION_TRANSITIONED_STAGE",
        "delivery_id": sent.id,
        "route": "production",
        "tags.team": "risk",
        "tags.a b": "c",
    }
    assert values_of(sent).keys() >= set(FIELDS)


NESTED = {"model": {"name": "${model_name}", "tags": ["${tags.team}", 5, None, True]}, "${version}": 1.5}


def test_payload_is_filled_in_every_depth() -> None:
    """Texts are filled wherever they stand; keys, numbers and the like stay as they are."""
    assert fill(NESTED, VALUES) == {
        "model": {"name": "churn", "tags": ["risk", 5, None, True]},
        "${version}": 1.5,
    }
    assert list(texts(NESTED)) == ["${model_name}", "${tags.team}"]
    with pytest.raises(MissingField, match="alias"):
        fill({"a": [{"b": "${alias}"}]}, VALUES)


def test_template_tells_what_it_can_not_do_without() -> None:
    """A field with a fallback may be missing, and a dollar sign needs none."""
    assert needs("$$ ${version} ${alias:-x} ${alias:-} ${tags.team}") == {"version", "tags.team"}


def test_tag_cannot_pose_as_a_field() -> None:
    """A tag named like a field is reached as a tag only."""
    assert values_of(delivery(tags={"version": "99"}))["version"] == "8"
