"""The checks that a `workflow_dispatch` must pass before GitHub accepts it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelrelay.local.github.answers import invalid_request, problem
from modelrelay.local.github.model import Edition, Workflow

MAX_INPUT_CHARACTERS = 65_535
# From this version on a dispatch always tells about its run, so asking for it became an error.
ALWAYS_DETAILS = "2026-03-10"


@dataclass(frozen=True)
class Dispatch:
    """A dispatch that GitHub accepts."""

    ref: str
    inputs: Mapping[str, Any]
    wants_details: bool
    body: Any


def accept(workflow: Workflow, body: bytes, version: str, edition: Edition) -> Dispatch:
    """Check a dispatch in GitHub's order: its form, then the workflow, the ref and the inputs.

    Raises:
        RefusedError: with the 400 or 422 that GitHub answers.
    """
    decoded = _decode(body)
    _check_form(decoded, version, edition)
    _check_workflow(workflow, decoded["ref"])
    inputs = decoded.get("inputs") or {}
    _check_inputs(workflow, inputs)
    details = version >= ALWAYS_DETAILS or decoded.get("return_run_details") is True
    return Dispatch(decoded["ref"], inputs, details, decoded)


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise problem(400, "Problems parsing JSON") from None


def _check_form(body: Any, version: str, edition: Edition) -> None:
    if not isinstance(body, dict):
        raise invalid_request("The body is not an object.")
    permitted = {"ref", "inputs"}
    if edition.gives_run_details and version < ALWAYS_DETAILS:
        permitted.add("return_run_details")
    if unknown := [name for name in body if name not in permitted]:
        raise invalid_request(f'"{unknown[0]}" is not a permitted key.')
    if "ref" not in body:
        raise invalid_request('"ref" wasn\'t supplied.')
    if not isinstance(body["ref"], str):
        raise invalid_request(f"For 'properties/ref', {json.dumps(body['ref'])} is not a string.")
    if not isinstance(body.get("return_run_details", False), bool):
        raise invalid_request("For 'properties/return_run_details', the value is not a boolean.")
    _check_form_of_inputs(body.get("inputs", {}), edition)


def _check_form_of_inputs(inputs: Any, edition: Edition) -> None:
    if not isinstance(inputs, dict):
        raise invalid_request(f"For 'properties/inputs', {json.dumps(inputs)} is not an object.")
    if len(inputs) > edition.max_inputs:
        raise invalid_request(
            f"No more than {edition.max_inputs} properties are allowed; {len(inputs)} were supplied."
        )


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
    compact = json.dumps(inputs, separators=(",", ":"), ensure_ascii=False)
    if len(compact) > MAX_INPUT_CHARACTERS:
        raise problem(422, "inputs are too large.")
