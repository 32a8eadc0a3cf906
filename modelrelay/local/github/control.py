"""What a person or a test controls the simulator with: the page and the `/_simulator/` endpoints.

GET     runs        the runs, newest first, with their inputs or payload (`?limit=N`, as for requests)
POST    runs        start a run by hand, as another person would: `ByHand` as JSON; answers it with 201
GET     requests    the requests and what became of them, newest first
GET     state       counts, limits, workflows, faults
GET     faults      the faults that can still hit something
POST    faults      switch one fault or a list of them on: `Fault` as JSON, or `{"preset": "NAME", …}`
DELETE  faults      switch off all faults, or those of one name (`?name=NAME`)
POST    reset       forget the runs, the faults and the log
"""

import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, field
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from modelrelay.local.github.answers import JSON_TYPE
from modelrelay.local.github.exchange import Line
from modelrelay.local.github.faults import PRESETS, FaultError, parse_faults
from modelrelay.local.github.model import Answer, RefusedError, Request, Run, Workflow
from modelrelay.local.github.render import timestamp

PREFIX = "/_simulator/"
_PAGE = files("modelrelay.local.github").joinpath("page.html").read_text(encoding="utf-8")
_ALWAYS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class ByHand:
    """A run that a person starts on GitHub's page.

    `login` is the person. `workflow` is one that `GET state` lists (`OWNER/REPOSITORY/FILE`), or else the
    first of them; `ref` is the workflow's first one if it is left out.
    """

    login: str
    workflow: str | None = None
    ref: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def is_control(request: Request) -> bool:
    """Tell whether a request is for the simulator itself, not for the GitHub in it."""
    return request.path.startswith(PREFIX) or is_page(request)


def is_page(request: Request) -> bool:
    """Tell whether a browser wants the page: at the root, or at the web address of a run."""
    match request.path.split("/"):
        case ["", ""] | ["", _, _, "actions", "runs", _]:
            return request.method == "GET"
    return False


def control(line: Line, request: Request) -> Answer:
    """Answer a request for the simulator itself."""
    if not _is_local(request):
        return _refuse(403, "The simulator is controlled from its own page or from this machine only.")
    if is_page(request):
        return _page()
    return _endpoint(line, request, dict(parse_qsl(request.query)))


def _endpoint(line: Line, request: Request, query: Mapping[str, str]) -> Answer:
    match request.method, request.path.removeprefix(PREFIX):
        case "GET" | "POST" as method, "runs":
            return _runs(line, method, request.body, query)
        case "GET", "requests":
            return _json(200, [asdict(each) for each in _cut(line.exchanges, query)])
        case "GET", "state":
            return _json(200, state(line))
        case method, "faults":
            return _faults(line, method, request.body, query)
        case "POST", "reset":
            line.reset()
            return Answer(204, _ALWAYS)
    return _refuse(404, f"The simulator has no {request.method} {request.path}.")


def run_entry(run: Run) -> dict[str, Any]:
    """Return a run with what GitHub hides of it: its inputs or payload, and the body that asked for it."""
    return {
        "id": run.id,
        "repository": run.workflow.slug,
        "workflow": run.workflow.file,
        "ref": run.ref,
        "event": run.event,
        "event_type": run.event_type,
        "actor": run.actor.login,
        "inputs": dict(run.inputs),
        "created_at": timestamp(run.created_at),
        "status": run.status,
        "display_title": run.display_title,
        "html_url": run.html_url,
        "request": run.request,
    }


def state(line: Line) -> dict[str, Any]:
    """Return the counts, the limits and the faults; `limits` holds no credential."""
    github = line.github
    return {
        "runs": github.accepted,
        "newest_run": next((run.id for run in github.runs[:1]), None),
        "requests": line.sent,
        "violations": github.violations,
        "limits": {
            "per_hour": github.settings.per_hour,
            "max_per_minute": github.settings.max_per_minute,
            "listing_lag": github.settings.listing_lag,
        },
        "workflows": list(_workflows(line)),
        "faults": [each.document() for each in line.faults.active()],
        "presets": list(PRESETS),
    }


def _workflows(line: Line) -> dict[str, Workflow]:
    return {f"{each.slug}/{each.file}": each for each in line.github.workflows}


def _runs(line: Line, method: str, body: bytes, query: Mapping[str, str]) -> Answer:
    if method == "GET":
        return _json(200, [run_entry(run) for run in _cut(line.github.runs, query)])
    try:
        wanted = TypeAdapter(ByHand).validate_json(body)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        return _refuse(400, "; ".join(mistakes))
    known = _workflows(line)
    workflow = known.get(wanted.workflow or next(iter(known)))
    if workflow is None:
        return _refuse(400, f"workflow: {wanted.workflow} is none of {', '.join(known)}")
    try:
        return _json(201, run_entry(line.github.start(workflow, wanted.login, wanted.ref, wanted.inputs)))
    except RefusedError as refused:
        return refused.answer


def _faults(line: Line, method: str, body: bytes, query: Mapping[str, str]) -> Answer:
    if method == "POST":
        try:
            line.faults.inject(*parse_faults(body))
        except FaultError as error:
            return _refuse(400, str(error))
    elif method == "DELETE":
        line.faults.clear(query.get("name"))
    elif method != "GET":
        return _refuse(405, "Faults are read by GET, added by POST and removed by DELETE.")
    return _json(200, [each.document() for each in line.faults.active()])


def _is_local(request: Request) -> bool:
    """Refuse other sites in the same browser, and names that were made to lead to this machine.

    A page of another site sends its own Origin; after DNS rebinding it sends its own name as the Host.
    """
    host = request.header("host")
    origin = request.header("origin")
    return _is_loopback(urlsplit(f"//{host}").hostname) and origin in {"", f"http://{host}"}


def _is_loopback(name: str | None) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False


def _page() -> Answer:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": policy, **_ALWAYS}
    return Answer(200, headers, _PAGE.replace("{{nonce}}", nonce).encode())


def _cut(items: list[Any], query: Mapping[str, str]) -> list[Any]:
    limit = query.get("limit", "")
    return items[: int(limit)] if limit.isdecimal() else items


def _json(status: int, payload: Any) -> Answer:
    return Answer(status, {"content-type": JSON_TYPE, **_ALWAYS}, json.dumps(payload, default=str).encode())


def _refuse(status: int, message: str) -> Answer:
    return _json(status, {"message": message})
