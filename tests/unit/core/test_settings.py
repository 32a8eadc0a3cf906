"""Settings: the file in which the stack tells the functions what to do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from functions.core.settings import FILE_NAME, RelaySettings, Route, Target, load

from ..samples import ROUTE, SETTINGS

FULL = replace(
    SETTINGS,
    routes=(
        ROUTE,
        Route(
            name="champions",
            events=("model_version.alias_set",),
            models=("Airline_*", "ü"),
            to_stages=("Production",),
            aliases=("champion",),
            target=Target("o", "r", "12345", "v1"),
            inputs={},
            on_unknown="hold",
            jobs=("nightly-*",),
        ),
        replace(
            ROUTE,
            name="event",
            target=Target("o", "r", event_type="model", client_payload={"a": [{"b": "${version}"}, 5]}),
            inputs={},
        ),
    ),
    ingest=replace(SETTINGS.ingest, allowed_cidrs=("192.0.2.0/24", "2001:db8::/32")),
)


def test_settings_survive_the_file() -> None:
    """What the stack writes is what a function reads, with tuples where lists were."""
    assert RelaySettings.from_json(FULL.to_json()) == FULL


def test_same_settings_give_the_same_text() -> None:
    """The text is stable, so that a deployment without a change changes nothing."""
    turned = json.loads(FULL.to_json())
    again = json.dumps(dict(reversed(turned.items())))
    assert RelaySettings.from_json(again).to_json() == FULL.to_json()
    assert FULL.to_json().endswith("}\n")


def test_settings_are_read_from_the_bundle(tmp_path: Path) -> None:
    """The file lies at the bundle's root."""
    (tmp_path / FILE_NAME).write_text(FULL.to_json(), encoding="utf-8")
    assert load(tmp_path) == FULL


def test_bundle_without_settings_fails_loudly(tmp_path: Path) -> None:
    """Without its file a function does nothing rather than something by default."""
    with pytest.raises(FileNotFoundError, match=FILE_NAME):
        load(tmp_path)
