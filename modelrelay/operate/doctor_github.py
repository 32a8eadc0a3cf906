"""The check-up's questions to GitHub: the clock, the credential, and what each route would start."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import urllib3

from functions.core.settings import Route
from functions.dispatch.app import App
from functions.dispatch.transport import NoAnswer, Transport
from modelrelay.operate import workflows as known
from modelrelay.operate.findings import Chain, Finding, not_checked, ok, problem
from modelrelay.operate.github import Access, GitHubError, repository_of
from modelrelay.operate.secrets import app_words, targets, token_words

MAX_SKEW_SECONDS: Final = 30
EXPIRY_DAYS: Final = 7
_RENEW: Final = "modelrelay secrets set-github"
_SCOPES: Final = frozenset({"repo", "public_repo"})
_SECONDS: Final = 15.0
_NO_REF: Final = "No commit found for the ref"
_WRITE: Final = 'Give it the role "write" there, or take another credential.'


def clock(chain: Chain) -> Iterator[Finding]:
    """Compare this machine's clock with GitHub's: signatures hold for minutes only."""
    transport = Transport(urllib3.PoolManager())
    url = f"{chain.settings.github.api_url}/rate_limit"
    begun = time.monotonic()
    try:
        answer = transport.send("GET", url, {"User-Agent": "model-relay"}, None, transport.now() + _SECONDS)
    except NoAnswer as error:
        raise GitHubError(f"GitHub did not answer ({error}).") from None
    on_the_way = time.monotonic() - begun
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        yield not_checked("GitHub does not tell the time")
        return
    # Its time has whole seconds, and is as old as the answer's way.
    skew = abs(chain.clock() - theirs) - on_the_way - 1
    if skew > MAX_SKEW_SECONDS:
        yield problem(
            f"This machine's clock differs from GitHub's by {skew:.0f} s.", "Let it set its clock by NTP."
        )
    else:
        yield ok("this machine's clock agrees with GitHub's")


def credential(chain: Chain) -> Iterator[Finding]:
    """Ask GitHub whether it takes the credential, and for how long still."""
    target = chain.settings.routes[0].target
    answer = chain.access.limits(repository_of(target))
    if isinstance(chain.access.credential, App):
        yield ok("GitHub mints tokens for the App")
        return
    days = _days_left(answer.headers, chain.clock())
    scopes = {each.strip() for each in answer.headers.get("x-oauth-scopes", "").split(",")} - {""}
    if scopes and not scopes & _SCOPES:
        yield problem(f"Its scopes are {', '.join(sorted(scopes))}.", f"It needs repo: {_RENEW}")
    elif days is not None and days < EXPIRY_DAYS:
        yield problem(f"The token ends in {max(0.0, days):.1f} days.", _RENEW)
    else:
        yield ok(token_words(answer.headers))


def repositories(chain: Chain) -> Iterator[Finding]:
    """Look whether the credential reaches each route's repository and may write there."""
    for target in targets(chain.settings):
        slug = repository_of(target).slug
        try:
            seen = chain.access.get(repository_of(target))
            if isinstance(chain.access.credential, App):
                app_words(chain.access, target)
        except GitHubError as error:
            yield problem(str(error), "Mend the route's target, or let the credential reach it.", slug)
            continue
        if seen.get("archived") or seen.get("disabled"):
            yield problem("It is archived or disabled: nothing runs there.", "Mend the route's target.", slug)
        elif seen.get("permissions", {}).get("push") is False:
            yield problem("The credential's owner may only read it.", _WRITE, slug)
        else:
            yield ok("it is there, and the credential reaches it", slug)


def workflows(chain: Chain) -> Iterator[Finding]:
    """Look whether what each route asks for is what some workflow takes."""
    for route in chain.settings.routes:
        try:
            look = _event if route.target.event_type else _dispatch
            yield from look(chain.access, route)
        except GitHubError as error:
            yield problem(
                str(error), "Mend the route's target. What there is: modelrelay workflows", route.name
            )


def _dispatch(access: Access, route: Route) -> Iterator[Finding]:
    target = route.target
    workflow = known.find(access, target)
    if workflow.state != known.ACTIVE:
        yield problem(
            f"The workflow {target.workflow_id} is {workflow.state}.",
            f"gh workflow enable {workflow.id} --repo {repository_of(target).slug}",
            route.name,
        )
        return
    try:
        triggers = known.triggers_of(access, repository_of(target), workflow.path, target.ref)
    except known.Unreadable as error:
        yield not_checked(str(error), route.name)
        return
    except GitHubError as error:
        yield _unread(access, route, workflow, error)
        return
    yield _judge(route, triggers)


def _unread(access: Access, route: Route, workflow: known.Workflow, error: GitHubError) -> Finding:
    """Tell a file that is not on the route's ref from one that the credential may not read."""
    target = route.target
    gone = problem(
        f"{workflow.path} is not on {target.ref}.",
        "Mend the route's ref, or bring the workflow to it.",
        route.name,
    )
    if _NO_REF in error.message:
        return problem(f"There is no branch or tag {target.ref}.", "Mend the route's ref.", route.name)
    if error.status == HTTPStatus.NOT_FOUND:
        try:
            known.triggers_of(access, repository_of(target), workflow.path)
        except (GitHubError, known.Unreadable):
            return not_checked(known.hidden(error), route.name)
        return gone
    return not_checked(known.hidden(error), route.name)


def _judge(route: Route, triggers: known.Triggers) -> Finding:
    """Say what GitHub would say to a dispatch with this route's inputs."""
    target = route.target
    if triggers.inputs is None:
        return problem(
            f"{target.workflow_id} on {target.ref} has no workflow_dispatch trigger.",
            "Add `workflow_dispatch:` under its `on:`.",
            route.name,
        )
    wrong = [*_wrong_inputs(route.inputs, triggers.inputs)]
    if wrong:
        return problem(
            f"GitHub would refuse its inputs: {'; '.join(wrong)}.",
            f"Mend the inputs of the route, or of {target.workflow_id}.",
            route.name,
        )
    return ok(f"{target.workflow_id} on {target.ref} takes its inputs", route.name)


def _wrong_inputs(sent: Mapping[str, str], declared: Mapping[str, known.Input]) -> Iterator[str]:
    for name, value in sent.items():
        if name not in declared:
            yield f"{name} is not declared"
        elif declared[name].options and "$" not in value and value not in declared[name].options:
            yield f"{name} can't be '{value}'"
    for name, each in declared.items():
        if each.required and name not in sent:
            yield f"{name} is required"


def _event(access: Access, route: Route) -> Iterator[Finding]:
    event_type = route.target.event_type
    found = known.described(access, repository_of(route.target))
    listening = [each.file for each in found if each.is_started_by(route.target)]
    unread = [each for each in found if each.triggers is None and each.file and each.state == known.ACTIVE]
    if listening:
        yield ok(f"{', '.join(listening)} listens to {event_type}", route.name)
    elif unread:
        yield not_checked(unread[0].unread, route.name)
    else:
        yield problem(
            f"No active workflow listens to {event_type}: events would start nothing.",
            "Add `repository_dispatch:` with this type under the `on:` of one, on the default branch.",
            route.name,
        )


def _days_left(headers: Mapping[str, str], now: float) -> float | None:
    """Give how long a token holds still, where GitHub tells its end; it writes `2026-12-01 08:00:00 UTC`."""
    text = headers.get("github-authentication-token-expiration", "").replace(" UTC", " +0000")
    try:
        ends = datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
    return (ends.astimezone(UTC).timestamp() - now) / 86_400
