"""The checks that a `workflow_dispatch` must pass before GitHub accepts it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from modelrelay.local.github.answers import problem
from modelrelay.local.github.dispatch import (
    Dispatch,
    check_keys,
    check_object,
    check_text,
    decode,
    is_too_large,
    refuse,
)
from modelrelay.local.github.model import Edition, Workflow

# From this version on a dispatch always tells about its run, so asking for it became an error.
ALWAYS_DETAILS = "2026-03-10"


def accept(workflow: Workflow, body: bytes, version: str, edition: Edition) -> Dispatch:
    """Check a dispatch in GitHub's order: its form, then the workflow, the ref and the inputs.

    Raises:
        RefusedError: with the 400 or 422 that GitHub answers.
    """
    decoded = decode(body)
    refuse(_complaints(decoded, version, edition))
    _check_workflow(workflow, decoded["ref"])
    inputs = decoded.get("inputs") or {}
    _check_inputs(workflow, inputs)
    details = version >= ALWAYS_DETAILS or decoded.get("return_run_details") is True
    return Dispatch(inputs, decoded, ref=decoded["ref"], wants_details=details)


def _complaints(body: Mapping[str, Any], version: str, edition: Edition) -> Iterator[str]:
    permitted = {"ref", "inputs"}
    if edition.gives_run_details and version < ALWAYS_DETAILS:
        permitted.add("return_run_details")
    yield from check_keys(body, permitted, "ref")
    yield from check_text(body, "ref")
    if not isinstance(body.get("return_run_details", False), bool):
        yield "For 'properties/return_run_details', the value is not a boolean."
    yield from check_object(body, "inputs", edition.max_inputs)


def _check_workflow(workflow: Workflow, ref: str) -> None:
    if workflow.state != "active":
        raise problem(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    if not workflow.knows_ref(ref):
        raise problem(422, f"No ref found for: {ref}")
    if not workflow.has_dispatch_trigger:
        raise problem(422, "Workflow does not have 'workflow_dispatch' trigger")


def _check_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> None:
    declared = workflow.inputs
    if declared is not None and (unexpected := [name for name in inputs if name not in declared]):
        raise problem(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
    if is_too_large(inputs):
        raise problem(422, "inputs are too large.")
