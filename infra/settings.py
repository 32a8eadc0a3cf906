"""The stack's settings: CDK context in, typed and checked settings out.

Every mistake is found here, at synth, with a message that names the key and what would be right, so that
nothing wrong is left for a function to find. `docs/configuration.md` describes every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from functions.core import event as kinds
from functions.core import template
from functions.core.event import fields_of
from functions.core.settings import GitHubSettings, IngestSettings, RelaySettings, Route, Target
from functions.ingest.senders import SENDERS
from infra import fields
from infra.context import ACCOUNT_ALIAS, ACCOUNT_KEY, RELAY_KEY, Strict, decode, parse, refuse_stray_keys
from infra.environments import Environment, overlaid
from infra.mistakes import SettingsError

DEFAULT_EVENTS: Final = (kinds.STAGE_TRANSITIONED, kinds.ALIAS_SET)
DEFAULT_INPUTS: Final = {"model_name": "${model_name}", "model_version": "${version}"}
MAX_INPUTS: Final = 25
MAX_INPUTS_OLD_SERVER: Final = 10
"""What GitHub Enterprise Server takes before it knows API version 2026-03-10."""

MAX_AGE_HOURS: Final = 72
"""The queue's own redrive moves a message after 1,000 receives, without a reason. The shortest wait that
repeats for so long is five minutes, for a credential: 1,000 of them are 83 hours."""

MIN_CONCURRENCY: Final = 2
"""The least that SQS's event source takes; GitHub wants its calls one after another."""


class Account(Strict):
    """`account_setings`: the workflow that routes start unless they name another."""

    owner: fields.Owner | None = None
    repository: fields.Repository | None = None
    workflow_id: fields.WorkflowId | None = None
    default_branch: fields.Ref | None = None


class TargetSettings(Strict):
    """`relay.routes[].target`; what is missing comes from `account_setings`."""

    type: Literal["workflow_dispatch", "repository_dispatch"] = "workflow_dispatch"
    owner: fields.Owner | None = None
    repository: fields.Repository | None = None
    workflow_id: fields.WorkflowId | None = None
    ref: fields.Ref | None = None
    event_type: fields.EventType | None = None
    client_payload: fields.Payload | None = None

    @model_validator(mode="after")
    def _of_one_type(self) -> Self:
        if self.type == "repository_dispatch":
            if self.event_type is None:
                raise ValueError(
                    "has no event_type: a repository_dispatch needs the one your workflow listens to"
                )
            if self.workflow_id is not None or self.ref is not None:
                raise ValueError(
                    "has workflow_id or ref, which a repository_dispatch does not take: it starts what "
                    "listens to its event_type, on the default branch"
                )
        elif self.event_type is not None or self.client_payload is not None:
            raise ValueError('has event_type or client_payload, which need "type": "repository_dispatch"')
        return self


class RouteSettings(Strict):
    """`relay.routes[]`."""

    name: fields.RouteName
    events: Annotated[tuple[fields.Event, ...], Field(min_length=1)] = DEFAULT_EVENTS
    models: tuple[fields.Glob, ...] = ()
    jobs: tuple[fields.Glob, ...] = ()
    to_stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    target: TargetSettings = TargetSettings()
    inputs: Annotated[Mapping[fields.InputName, fields.Template], Field(max_length=MAX_INPUTS)] = (
        DEFAULT_INPUTS
    )
    on_unknown: Literal["retry", "hold"] = "retry"

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        if self.target.type == "repository_dispatch" and "inputs" in self.model_fields_set:
            raise ValueError(
                "has inputs, which a repository_dispatch does not take: give target.client_payload"
            )
        return self


class GitHub(Strict):
    """`relay.github`."""

    api_url: fields.ApiUrl = "https://api.github.com"
    api_version: fields.ApiVersion = "2026-03-10"
    secret_name: fields.SecretName | None = None
    credential: Literal["any", "token"] = "any"
    same_credential_as: fields.StackName | None = None
    max_per_minute: Annotated[int, Field(ge=1)] = 60
    max_per_hour: Annotated[int, Field(ge=1)] = 500
    proxy: fields.ProxyUrl | None = None
    ca_file: fields.CaFile | None = None


class Throttle(Strict):
    """`relay.ingest.throttle`: requests per second, and how many may come at once."""

    rate: Annotated[int, Field(ge=1)] = 50
    burst: Annotated[int, Field(ge=1)] = 100


class Domain(Strict):
    """`relay.ingest.domain`: a name of the user's for the ingest URL, with its certificate."""

    name: fields.HostName
    certificate_arn: fields.CertificateArn


class Ingest(Strict):
    """`relay.ingest`."""

    senders: Annotated[tuple[fields.SenderName, ...], Field(min_length=1), fields.DISTINCT] = ("databricks",)
    allowed_cidrs: tuple[fields.Cidr, ...] = ()
    max_body_kib: Annotated[int, Field(ge=1, le=4096)] = 1024
    throttle: Throttle = Throttle()
    domain: Domain | None = None
    secret_names: Mapping[fields.SenderName, fields.SecretName] = {}


class Alarms(Strict):
    """`relay.alarms`."""

    email: fields.Email | None = None


class Vpc(Strict):
    """`relay.vpc`: an existing VPC, or a new one."""

    id: fields.VpcId | None = None
    new: bool = False
    static_egress_ip: bool = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.id is None) is not self.new:
            raise ValueError('should be {"id": "vpc-…"} or {"new": true}')
        if self.static_egress_ip and not self.new:
            raise ValueError(
                "has static_egress_ip, which goes with new; an existing VPC keeps its own way out"
            )
        return self


class Kms(Strict):
    """`relay.kms`: a key of the user's, or a new one, for everything at rest."""

    key_arn: fields.KeyArn | None = None
    new: bool = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.key_arn is None) is not self.new:
            raise ValueError('should be {"new": true} or {"key_arn": "arn:aws:kms:…"}')
        return self


class ReservedConcurrency(Strict):
    """`relay.reserved_concurrency`: copies of a function that the rest of the account can't take away.

    They are its most as well. Dispatch has its own, so that no flood at ingest starves it; ingest is held by
    the API's throttle.
    """

    dispatch: Annotated[int, Field(ge=MIN_CONCURRENCY)] | None = MIN_CONCURRENCY
    ingest: Annotated[int, Field(ge=1)] | None = None


class Relay(Strict):
    """`relay`: everything that has a default."""

    routes: Annotated[tuple[RouteSettings, ...], Field(min_length=1)] = (RouteSettings(name="default"),)
    github: GitHub = GitHub()
    ingest: Ingest = Ingest()
    alarms: Alarms = Alarms()
    vpc: Vpc | None = None
    kms: Kms | None = None
    reserved_concurrency: ReservedConcurrency = ReservedConcurrency()
    retain_data: bool = True
    termination_protection: bool = False
    max_age_hours: Annotated[int, Field(ge=1, le=MAX_AGE_HOURS)] = 24


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What the stack is built from.

    Attributes:
        functions: What the functions are told.
        relay: `relay` as configured, with its defaults.
        environment: Which deployment this is, and where it belongs.
        warnings: What is possible and hardly meant.
    """

    functions: RelaySettings
    relay: Relay
    environment: Environment
    warnings: tuple[str, ...] = ()


def from_context(context: Mapping[str, Any]) -> StackSettings:
    """Read the settings from CDK context; what the named environment says lies over the rest.

    Args:
        context: Every context value by key. A value given with `-c` arrives as a string of JSON.

    Raises:
        SettingsError: The text names each wrong key and what would be right.
    """
    refuse_stray_keys(context)
    environment, context = overlaid(context)
    account_key, account_value = _account(context)
    account = parse(Account, account_key, account_value)
    relay = parse(Relay, RELAY_KEY, context.get(RELAY_KEY))
    if relay.github.same_credential_as == environment.stack:
        raise SettingsError(
            f"relay.github.same_credential_as is this stack itself, {environment.stack}: name the other one."
        )
    if relay.github.same_credential_as and not relay.github.secret_name:
        raise SettingsError(
            "relay.github.same_credential_as needs relay.github.secret_name too: the other stack's "
            "GitHubSecretName, so that both read one secret."
        )
    functions = RelaySettings(
        routes=_routes(relay, account, account_key),
        github=GitHubSettings(
            relay.github.api_url,
            relay.github.api_version,
            relay.github.max_per_minute,
            relay.github.max_per_hour,
            proxy=relay.github.proxy or "",
            credential=relay.github.credential,
            certificates=fields.read_certificates(relay.github.ca_file) if relay.github.ca_file else "",
        ),
        ingest=IngestSettings(
            senders=relay.ingest.senders,
            allowed_cidrs=relay.ingest.allowed_cidrs,
            max_body_bytes=relay.ingest.max_body_kib * 1024,
        ),
        max_age_hours=relay.max_age_hours,
    )
    return StackSettings(functions, relay, environment, (*_unfilled(functions), *_tight(relay)))


def _account(context: Mapping[str, Any]) -> tuple[str, Any]:
    given = {key: context[key] for key in (ACCOUNT_KEY, ACCOUNT_ALIAS) if context.get(key) is not None}
    decoded = [decode(key, value) for key, value in given.items()]
    if len(decoded) > 1 and decoded[0] != decoded[1]:
        raise SettingsError(
            f"{ACCOUNT_KEY} and {ACCOUNT_ALIAS} are both given and differ: keep one, either spelling will do."
        )
    return next(iter(given.items()), (ACCOUNT_KEY, None))


def _routes(relay: Relay, account: Account, account_key: str) -> tuple[Route, ...]:
    names = [route.name for route in relay.routes]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise SettingsError(
                f"relay.routes[{index}].name '{name}' is taken: give each route a name of its own."
            )
    _check_inputs(relay)
    return tuple(
        Route(
            name=route.name,
            events=route.events,
            models=route.models,
            to_stages=route.to_stages,
            aliases=route.aliases,
            jobs=route.jobs,
            target=_target(route.target, account, f"relay.routes[{index}].target", account_key),
            inputs=dict(route.inputs) if route.target.type == "workflow_dispatch" else {},
            on_unknown=route.on_unknown,
        )
        for index, route in enumerate(relay.routes)
    )


def _check_inputs(relay: Relay) -> None:
    old_server = relay.github.api_url.endswith("/api/v3") and relay.github.api_version < "2026-03-10"
    for index, route in enumerate(relay.routes):
        if old_server and len(route.inputs) > MAX_INPUTS_OLD_SERVER:
            raise SettingsError(
                f"relay.routes[{index}].inputs has more than {MAX_INPUTS_OLD_SERVER} entries, which GitHub "
                f"Enterprise Server does not take before API version 2026-03-10."
            )


def _target(target: TargetSettings, account: Account, path: str, account_key: str) -> Target:
    def pick(own: str | None, key: str, inherited: str | None, account_part: str) -> str:
        if own is None and inherited is None:
            raise SettingsError(
                f"{account_key}.{account_part} is missing: give it there, or as {path}.{key}."
            )
        return own or inherited or ""

    owner = pick(target.owner, "owner", account.owner, "owner")
    repository = pick(target.repository, "repository", account.repository, "repository")
    if target.event_type:
        payload = DEFAULT_INPUTS if target.client_payload is None else target.client_payload
        return Target(owner, repository, event_type=target.event_type, client_payload=payload)
    return Target(
        owner,
        repository,
        workflow_id=pick(target.workflow_id, "workflow_id", account.workflow_id, "workflow_id"),
        ref=pick(target.ref, "ref", account.default_branch, "default_branch"),
    )


def _unfilled(settings: RelaySettings) -> Iterator[str]:
    """Find templates that no event of their route has a value for: all of them would be dead letters."""
    for route in settings.routes:
        had = {field for event in route.events for kind in _kinds(event) for field in fields_of(kind)}
        for text in template.texts(route.templates):
            for field in template.needs(text):
                if field in template.SOMETIMES and field not in had:
                    yield (
                        f"Route '{route.name}' uses ${{{field}}}, which none of its events has: they will "
                        f"become dead letters. Give it a fallback, ${{{field}:-…}}."
                    )


def _tight(relay: Relay) -> Iterator[str]:
    """Find fewer copies of ingest than requests that may come at once: what is over is lost."""
    copies, burst = relay.reserved_concurrency.ingest, relay.ingest.throttle.burst
    if copies is not None and copies < burst:
        yield (
            f"relay.reserved_concurrency.ingest is {copies}, and relay.ingest.throttle.burst lets {burst} "
            "requests in at once: those over it get a 503, and Databricks' registry does not send again."
        )


def _kinds(event: str) -> list[str]:
    """Give the kinds that a route's word for events may stand for: our own, or senders' names."""
    named = [sender.events[event] for sender in SENDERS.values() if event in sender.events]
    job = event.startswith(("job.", "jobs."))
    return [*named, *([kinds.JOB_STARTED] if job else []), *([event] if event in kinds.KINDS else [])]
