"""Sizes of the bundles for Lambda: zipped as for the upload, and unpacked."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import bundles, samples
from benchmarks.frame import Plan, Spread, Table
from infra import bundling

UNITS: Final = {"zipped": "kB", "unpacked": "kB", "files": "", "packages": ""}


def run(plan: Plan) -> Table:
    """Measure the bundles, and those of another commit where one is asked for."""
    table = Table("Bundles for Lambda", UNITS)
    settings = samples.settings("https://api.github.com")
    with tempfile.TemporaryDirectory() as scratch:
        for bundle in (bundling.INGEST, bundling.DISPATCH, bundling.CONSOLE):
            folder = Path(scratch, bundle.name)
            bundling.make(bundle, settings, folder)
            table.rows[bundle.name] = sizes(folder)
            if plan.before:
                tree, there = bundles.other(plan.before), bundling.LAMBDA
                other = bundles.ours(bundle.name, settings.to_json(), tree, there)
                table.rows[f"{bundle.name} at {plan.before}"] = sizes(other)
        folder = Path(scratch, "token")
        bundling.make(bundling.DISPATCH_WITH_A_TOKEN, settings, folder)
        table.rows["dispatch for a token alone"] = sizes(folder)
    for name in ("ingest", "dispatch"):
        folder = bundles.usual(name)
        table.rows[f"usual {name}"] = sizes(folder)
    table.notes.append(f"the usual way's are for {json.dumps(bundles.machine().name)}, without bytecode")
    return table


def sizes(folder: Path) -> dict[str, Spread | float]:
    """Give a folder's figures."""
    paths = bundles.files(folder)
    return {
        "zipped": bundles.zipped(folder, paths) / 1000,
        "unpacked": sum(path.stat().st_size for path in paths) / 1000,
        "files": len(paths),
        "packages": len({path.parent for path in paths if path.name == "METADATA"}),
    }
