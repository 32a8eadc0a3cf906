"""The files of a repository that anybody asks for here: those of its workflows."""

import base64
import json
from typing import Any
from urllib.parse import quote

from modelrelay.local.github.model import Workflow
from modelrelay.local.github.render import Sites, digest

FOLDER = ".github/workflows"
_LINE_CHARACTERS = 60


def source(workflow: Workflow) -> str:
    """Return a workflow's file: its own text, or one with the workflow's triggers and inputs."""
    if workflow.content is not None:
        return workflow.content
    # A text in JSON is one in YAML, whatever is in it.
    lines = [f"name: {json.dumps(workflow.name)}", *_title(workflow), "on:", *_triggers(workflow)]
    return "\n".join([*lines, ""])


def content_document(workflow: Workflow, ref: str, sites: Sites) -> dict[str, Any]:
    """Return a workflow's file as `GET …/contents/{path}` shows it."""
    path, text = f"{FOLDER}/{workflow.file}", source(workflow).encode()
    sha = digest(text.decode())
    url = f"{sites.api}/repos/{workflow.slug}/contents/{path}?ref={quote(ref)}"
    blob = f"{sites.api}/repos/{workflow.slug}/git/blobs/{sha}"
    page = f"{sites.web}/{workflow.slug}/blob/{quote(ref)}/{path}"
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(text),
        "name": workflow.file,
        "path": path,
        "content": _wrapped(base64.b64encode(text).decode()),
        "sha": sha,
        "url": url,
        "git_url": blob,
        "html_url": page,
        "download_url": f"{sites.web}/{workflow.slug}/raw/{quote(ref)}/{path}",
        "_links": {"self": url, "git": blob, "html": page},
    }


def _title(workflow: Workflow) -> list[str]:
    return [f"run-name: {json.dumps(workflow.run_name)}"] if workflow.run_name else []


def _triggers(workflow: Workflow) -> list[str]:
    lines = []
    if workflow.event_types != ():
        lines.append("  repository_dispatch:")
    if workflow.event_types:
        lines.append(f"    types: {json.dumps(workflow.event_types)}")
    if workflow.has_dispatch_trigger:
        lines.append("  workflow_dispatch:")
    if workflow.has_dispatch_trigger and workflow.inputs:
        lines += ["    inputs:", *(f"      {json.dumps(name)}: {{type: string}}" for name in workflow.inputs)]
    return lines or ["  push:"]


def _wrapped(text: str) -> str:
    """Break a text into lines, each with its end, as GitHub does."""
    return "".join(
        f"{text[start : start + _LINE_CHARACTERS]}\n" for start in range(0, len(text), _LINE_CHARACTERS)
    )
