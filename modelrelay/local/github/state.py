"""GitHub itself: repositories, workflows and runs behind one function from request to answer.

Nothing here opens a socket or reads a clock of its own, so the same GitHub serves a real HTTP server
and a simulation in virtual time. It is not safe for threads: whoever has several takes a lock.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from modelrelay.local.github import answers, contents, render, repository_dispatch, workflow_dispatch
from modelrelay.local.github.apps import Caller, Installation, needed
from modelrelay.local.github.limits import Limits
from modelrelay.local.github.listing import page_of, select
from modelrelay.local.github.model import (
    Actor,
    Answer,
    App,
    RefusedError,
    Request,
    Run,
    Settings,
    Workflow,
)
from modelrelay.local.github.render import Sites
from modelrelay.local.github.runs import Runs

_VERSION = "x-github-api-version"
# Asking about the limits costs nothing.
_FREE = "rate_limit"
_TOKEN_OWNER = Caller(Actor("octocat"))


class GitHub:
    """The part of GitHub's REST API that meets whoever dispatches workflows or a repository's events.

    `tokens` are personal ones, all of the user `octocat`; `app` may call too, with tokens that it mints.
    """

    def __init__(
        self,
        workflows: Iterable[Workflow],
        *,
        tokens: Iterable[str],
        clock: Callable[[], float] = time.time,
        settings: Settings | None = None,
        app: App | None = None,
    ) -> None:
        self.workflows = tuple(workflows)
        self.settings = settings or Settings()
        self.clock = clock
        self.sites = Sites()
        self._tokens = frozenset(tokens)
        self._installation = Installation(app, self.workflows, clock) if app else None
        self._request_ids = itertools.count(1)
        self._runs = Runs(self.settings.keep, clock)
        self.reset()

    def reset(self) -> None:
        """Forget every run and every use of a limit; ids go on counting, so none is given twice."""
        self._runs.forget()
        self.limits = Limits(self.settings, self.clock)

    @property
    def runs(self) -> list[Run]:
        """The runs still kept, newest first."""
        return self._runs.newest_first

    @property
    def accepted(self) -> int:
        """How many runs have been started."""
        return self._runs.started

    @property
    def violations(self) -> int:
        """How many calls came while an earlier answer had asked for silence."""
        return self.limits.violations

    def place(self, url: str) -> None:
        """Let the links in answers lead to this address instead of github.com."""
        self.sites = Sites(api=url + self.settings.edition.prefix, web=url)

    def handle(self, request: Request, *, instead: Answer | None = None, effect: bool = True) -> Answer:
        """Answer a request as GitHub would, with its effect.

        A fault may put another answer `instead`, or keep the request from having an `effect`; without
        effect there must be another answer.
        """
        if not request.path.endswith(_FREE):
            self.limits.arrive(self._account(request))
        answer = self._true_answer(request) if effect else None
        given = instead or answer
        if given is None:
            raise ValueError("a request without effect needs another answer")
        return self._stamp(request, given)

    def start(
        self,
        workflow: Workflow,
        login: str,
        ref: str | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a run as a person does by hand, on GitHub's page.

        Raises:
            RefusedError: The workflow does not take these inputs, or can't be dispatched.
        """
        body = json.dumps({"ref": ref or workflow.refs[0], "inputs": inputs or {}}).encode()
        edition = self.settings.edition
        dispatch = workflow_dispatch.accept(workflow, body, edition.versions[-1], edition)
        return self._runs.start(workflow, dispatch, Actor(login), self.sites.web)

    def lists(self, run: Run) -> bool:
        """Tell whether a listing shows a run by now."""
        return run.created_at <= self.clock() - self.settings.listing_lag

    def moved(self, path: str) -> str:
        """Return the address by number that GitHub redirects to when a repository was renamed."""
        match path.removeprefix(self.settings.edition.prefix).split("/"):
            case ["", "repos", owner, name, *rest]:
                number = render.number_of(f"{owner}/{name}")
                return "/".join([self.sites.api, "repositories", str(number), *rest])
            case _:
                return self.sites.api + path

    def _stamp(self, request: Request, answer: Answer) -> Answer:
        """Add the headers that every answer of GitHub carries, also an invented one."""
        number = next(self._request_ids)
        version = request.header(_VERSION)
        versions = self.settings.edition.versions
        stamped = answer.with_defaults(
            {
                "x-github-request-id": f"51AD:{number >> 16:04X}:{number:06X}:{number * 40503:07X}",
                "x-github-api-version-selected": version if version in versions else versions[0],
                "x-github-media-type": "github.v3; format=json",
                **self.limits.headers(self._account(request)),
            }
        )
        self.limits.note(self._account(request), stamped)
        return stamped

    def _account(self, request: Request) -> str:
        """Say whom the limits count: all tokens of an installation are one, and the App itself is another."""
        if self._is_app(request):
            return "the App"
        if self._installation and self._installation.knows(request.token):
            return "the App's installation"
        return request.token

    def _is_app(self, request: Request) -> bool:
        return request.path.startswith(f"{self.settings.edition.prefix}/app/")

    def _true_answer(self, request: Request) -> Answer:
        try:
            self._check_client(request)
            if self._is_app(request):
                return self._mint(request)
            caller = self._caller(request)
            return self._route(request, self._segments(request.path), caller)
        except RefusedError as refused:
            return refused.answer

    def _mint(self, request: Request) -> Answer:
        match request.method, self._segments(request.path):
            case "POST", ["app", "installations", number, "access_tokens"]:
                if self._installation is None:
                    raise answers.bad_jwt()
                self.limits.admit(self._account(request), request.method)
                minted = self._installation.mint(request.token, number, request.body)
                return answers.reply(201, render.token_document(minted, self.sites, request.header(_VERSION)))
        raise answers.not_found()

    def _route(self, request: Request, segments: list[str], caller: Caller) -> Answer:
        if segments != [_FREE]:
            self.limits.admit(self._account(request), request.method)
        if segments[0] == "repos":
            caller.check("/".join(segments[1:3]), *needed(request.method, "/".join(["", *segments])))
        match request.method, segments:
            case "GET", [_] if segments == [_FREE]:
                return self._show_limits(request)
            case "GET", ["repos", owner, name, *rest]:
                return self._show(f"{owner}/{name}", rest, request)
            case "POST", ["repos", owner, name, "dispatches"]:
                return self._dispatch_event(f"{owner}/{name}", request, caller.actor)
            case "POST", ["repos", owner, name, "actions", "workflows", key, "dispatches"]:
                return self._dispatch(self._workflow(f"{owner}/{name}", key), request, caller.actor)
        raise answers.not_found()

    def _show(self, slug: str, path: list[str], request: Request) -> Answer:
        query = dict(parse_qsl(request.query))
        match path:
            case []:
                return self._show_repository(slug, request.header(_VERSION))
            case ["contents", *parts]:
                return self._show_file(slug, "/".join(parts), query.get("ref"))
            case ["actions", *parts]:
                return self._show_actions(slug, parts, query)
        raise answers.not_found()

    def _show_actions(self, slug: str, path: list[str], query: Mapping[str, str]) -> Answer:
        match path:
            case ["workflows"]:
                return self._list_workflows(slug, query)
            case ["workflows", key]:
                return answers.reply(200, render.workflow_document(self._workflow(slug, key), self.sites))
            case ["workflows", key, "runs"]:
                return self._list_runs_of([self._workflow(slug, key)], query)
            case ["runs"]:
                return self._list_runs_of(self._workflows_of(slug), query)
            case ["runs", key] if key.isdecimal():
                return self._show_run(slug, int(key))
        raise answers.not_found()

    def _check_client(self, request: Request) -> None:
        if not request.header("user-agent"):
            raise answers.no_user_agent()
        self._check_version(request.header(_VERSION))

    def _caller(self, request: Request) -> Caller:
        if self._installation and self._installation.knows(request.token):
            return self._installation.caller(request.token)
        if request.token in self._tokens:
            return _TOKEN_OWNER
        raise answers.bad_credentials()

    def _check_version(self, version: str) -> None:
        edition = self.settings.edition
        if not version:
            # GitHub would fall back to its oldest version; a dispatcher that relies on that breaks one day.
            raise answers.problem(400, "The simulator demands the header X-GitHub-Api-Version.")
        if version in edition.retired:
            raise answers.problem(410, f"The API version {version} is no longer supported.")
        if version not in edition.versions:
            raise answers.problem(400, f"The API version {version} is not one of {list(edition.versions)}.")

    def _segments(self, path: str) -> list[str]:
        """Split a path; a repository addressed by its number is turned into owner and name."""
        prefix = self.settings.edition.prefix
        if not path.startswith(f"{prefix}/"):
            raise answers.not_found()
        segments = [unquote(part) for part in path.removeprefix(prefix).strip("/").split("/")]
        match segments:
            case ["repositories", number, *rest]:
                slugs = {str(render.number_of(each.slug)): each.slug for each in self.workflows}
                return ["repos", *slugs.get(number, "?/?").split("/"), *rest]
        return segments

    def _workflow(self, slug: str, key: str) -> Workflow:
        for workflow in self._workflows_of(slug):
            if key in {workflow.file, str(workflow.id)}:
                return workflow
        raise answers.not_found()

    def _workflows_of(self, slug: str) -> list[Workflow]:
        found = [each for each in self.workflows if each.slug.lower() == slug.lower()]
        if not found:
            raise answers.not_found()
        return found

    def _show_limits(self, request: Request) -> Answer:
        core = self.limits.overview(self._account(request))
        return answers.reply(200, render.limit_document(core, request.header(_VERSION)))

    def _show_repository(self, slug: str, version: str) -> Answer:
        any_of_it = self._workflows_of(slug)[0]
        return answers.reply(200, render.full_repository_document(any_of_it, self.sites, version))

    def _show_file(self, slug: str, path: str, ref: str | None) -> Answer:
        for workflow in self._workflows_of(slug):
            if path == f"{contents.FOLDER}/{workflow.file}":
                if not workflow.knows_ref(ref or workflow.refs[0]):
                    raise answers.problem(404, f"No commit found for the ref {ref}")
                return answers.reply(
                    200, contents.content_document(workflow, ref or workflow.refs[0], self.sites)
                )
        raise answers.not_found()

    def _list_workflows(self, slug: str, query: Mapping[str, str]) -> Answer:
        found = self._workflows_of(slug)
        page = [render.workflow_document(each, self.sites) for each in page_of(found, query)]
        return answers.reply(200, {"total_count": len(found), "workflows": page})

    def _list_runs_of(self, workflows: Sequence[Workflow], query: Mapping[str, str]) -> Answer:
        runs = [run for run in self.runs if any(run.workflow is each for each in workflows)]
        found = [run for run in select(runs, query) if self.lists(run)]
        page = [render.run_document(run, self.sites) for run in page_of(found, query)]
        return answers.reply(200, {"total_count": len(found), "workflow_runs": page})

    def _show_run(self, slug: str, number: int) -> Answer:
        run = self._runs.find(number)
        if run is None or run.workflow.slug.lower() != slug.lower():
            raise answers.not_found()
        return answers.reply(200, render.run_document(run, self.sites))

    def _dispatch(self, workflow: Workflow, request: Request, actor: Actor) -> Answer:
        version = request.header(_VERSION)
        dispatch = workflow_dispatch.accept(workflow, request.body, version, self.settings.edition)
        run = self._runs.start(workflow, dispatch, actor, self.sites.web)
        if not dispatch.wants_details:
            return answers.no_content()
        return answers.reply(200, render.dispatch_document(run, self.sites))

    def _dispatch_event(self, slug: str, request: Request, actor: Actor) -> Answer:
        workflows = self._workflows_of(slug)
        dispatch = repository_dispatch.accept(request.body)
        for workflow in workflows:
            if workflow.listens_to(dispatch.event_type):
                self._runs.start(workflow, dispatch, actor, self.sites.web)
        return answers.no_content()
