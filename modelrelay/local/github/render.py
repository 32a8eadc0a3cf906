"""GitHub's JSON documents of workflows, runs and limits, complete enough for its own description."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from modelrelay.local.github.model import Actor, Minted, Run, Workflow

# Paths below a repository, of which a minimal repository carries the addresses.
# GitHub ends some in a template such as `{/sha}`, which no dispatcher reads.
_REPOSITORY_LINKS = (
    "archive assignees branches collaborators comments commits compare contents contributors "
    "deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events "
    "issues keys labels languages merges milestones notifications pulls releases stargazers statuses "
    "subscribers subscription tags teams blobs trees"
)
_USER_LINKS = "followers following gists starred subscriptions organizations repos events received_events"
_EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Sites:
    """Where the API and the web pages are; links in answers point there."""

    api: str = "https://api.github.com"
    web: str = "https://github.com"


def timestamp(seconds: float) -> str:
    """Write epoch seconds as GitHub does, in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number_of(slug: str) -> int:
    """Give a repository an id that follows from its name, so that every simulation agrees."""
    return int(digest(slug.lower())[:7], 16)


def workflow_document(workflow: Workflow, sites: Sites) -> dict[str, Any]:
    """Return a workflow as `GET …/actions/workflows` lists it."""
    path = f".github/workflows/{workflow.file}"
    return {
        "id": workflow.id,
        "node_id": f"W_{workflow.id}",
        "name": workflow.name,
        "path": path,
        "state": workflow.state,
        "created_at": timestamp(_EPOCH),
        "updated_at": timestamp(_EPOCH),
        "url": f"{sites.api}/repos/{workflow.slug}/actions/workflows/{workflow.id}",
        "html_url": f"{sites.web}/{workflow.slug}/blob/main/{path}",
        "badge_url": f"{sites.web}/{workflow.slug}/workflows/{workflow.name}/badge.svg",
    }


def run_document(run: Run, sites: Sites) -> dict[str, Any]:
    """Return a run as GitHub shows it: without its inputs, which it never gives back."""
    sha = digest(f"{run.workflow.slug}@{run.ref}")
    created = timestamp(run.created_at)
    repository = _repository(run.workflow, sites)
    actor = _user(run.actor, sites)
    return {
        "id": run.id,
        "name": run.workflow.name,
        "node_id": f"WFR_{run.id}",
        "check_suite_id": run.id,
        "check_suite_node_id": f"CS_{run.id}",
        "head_branch": run.ref.removeprefix("refs/heads/").removeprefix("refs/tags/"),
        "head_sha": sha,
        "path": f".github/workflows/{run.workflow.file}",
        "run_number": run.number,
        "run_attempt": 1,
        "referenced_workflows": [],
        "event": run.event,
        "display_title": run.display_title,
        "status": run.status,
        "conclusion": None,
        "workflow_id": run.workflow.id,
        "pull_requests": [],
        "created_at": created,
        "updated_at": created,
        "run_started_at": created,
        "actor": actor,
        "triggering_actor": actor,
        "head_commit": _commit(sha),
        "repository": repository,
        "head_repository": repository,
        **_run_links(run, sites),
    }


def dispatch_document(run: Run, sites: Sites) -> dict[str, Any]:
    """Return what a dispatch answers when it tells about the run."""
    return {
        "workflow_run_id": run.id,
        "run_url": f"{sites.api}/repos/{run.workflow.slug}/actions/runs/{run.id}",
        "html_url": run.html_url,
    }


def token_document(minted: Minted, sites: Sites, version: str) -> dict[str, Any]:
    """Return an installation token; the repositories stand beside it only where it was scoped to some."""
    document: dict[str, Any] = {
        "token": minted.token,
        "expires_at": timestamp(minted.expires_at),
        "permissions": dict(minted.permissions),
        "repository_selection": "selected" if minted.is_scoped else "all",
    }
    if minted.is_scoped:
        document["repositories"] = [repository_document(each, sites, version) for each in minted.repositories]
    return document


def repository_document(workflow: Workflow, sites: Sites, version: str) -> dict[str, Any]:
    """Return a workflow's repository in full, as it stands beside an installation token."""
    created = timestamp(_EPOCH)
    features = ("issues", "projects", "wiki", "pages", *(["downloads"] if version < "2026-03-10" else []))
    counts = ("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers")
    return {
        **_repository(workflow, sites),
        "clone_url": f"{sites.web}/{workflow.slug}.git",
        "git_url": f"git:{sites.web.partition(':')[2]}/{workflow.slug}.git",
        "ssh_url": f"git@github.com:{workflow.slug}.git",
        "svn_url": f"{sites.web}/{workflow.slug}",
        "default_branch": workflow.refs[0],
        **{f"has_{feature}": False for feature in features},
        **dict.fromkeys((*counts, "watchers_count", "size"), 0),
        **dict.fromkeys(("homepage", "language", "mirror_url", "license")),
        "archived": False,
        "disabled": False,
        "created_at": created,
        "updated_at": created,
        "pushed_at": created,
    }


def full_repository_document(workflow: Workflow, sites: Sites, version: str) -> dict[str, Any]:
    """Return a repository as `GET /repos/{owner}/{repo}` shows it to somebody who may write to it."""
    return {
        **repository_document(workflow, sites, version),
        "has_discussions": False,
        "network_count": 0,
        "subscribers_count": 0,
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True},
    }


def limit_document(core: Mapping[str, int], version: str) -> dict[str, Any]:
    """Return `GET /rate_limit`; version 2026-03-10 dropped the old `rate` beside the resources."""
    resources = {"core": core, "search": {**core, "limit": 30, "used": 0, "remaining": 30}}
    return {"resources": resources} if version >= "2026-03-10" else {"resources": resources, "rate": core}


def _run_links(run: Run, sites: Sites) -> dict[str, Any]:
    repository = f"{sites.api}/repos/{run.workflow.slug}"
    url = f"{repository}/actions/runs/{run.id}"
    parts = {f"{part}_url": f"{url}/{part}" for part in ("jobs", "logs", "artifacts", "cancel", "rerun")}
    return {
        "url": url,
        "html_url": run.html_url,
        "previous_attempt_url": None,
        "check_suite_url": f"{repository}/check-suites/{run.id}",
        "workflow_url": f"{repository}/actions/workflows/{run.workflow.id}",
        **parts,
    }


def _commit(sha: str) -> dict[str, Any]:
    person = {"name": "Octo Cat", "email": "octocat@example.com"}
    return {
        "id": sha,
        "tree_id": digest(sha),
        "message": "The simulated head",
        "timestamp": timestamp(_EPOCH),
        "author": person,
        "committer": person,
    }


def _repository(workflow: Workflow, sites: Sites) -> dict[str, Any]:
    url = f"{sites.api}/repos/{workflow.slug}"
    number = number_of(workflow.slug)
    return {
        "id": number,
        "node_id": f"R_{number}",
        "name": workflow.repository,
        "full_name": workflow.slug,
        "owner": _user(Actor(workflow.owner), sites),
        "private": True,
        "html_url": f"{sites.web}/{workflow.slug}",
        "description": None,
        "fork": False,
        "url": url,
        **{f"{part}_url": f"{url}/{part.replace('_', '/')}" for part in _REPOSITORY_LINKS.split()},
    }


def _user(actor: Actor, sites: Sites) -> dict[str, Any]:
    path = quote(actor.login, safe="")
    url = f"{sites.api}/users/{path}"
    number = number_of(actor.login)
    return {
        "login": actor.login,
        "id": number,
        "node_id": f"U_{number}",
        "avatar_url": f"{sites.web}/{path}.png",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{sites.web}/{path}",
        "type": actor.type,
        "site_admin": False,
        **{f"{part}_url": f"{url}/{part}" for part in _USER_LINKS.split()},
    }


def digest(text: str) -> str:
    """Give 40 hex digits that follow from a text, as a commit's or a file's do."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]
