"""The settings: what is right is understood, what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from functions.core.settings import RelaySettings, Route, Target
from functions.dispatch import gate_state
from functions.dispatch.gate_state import Caller, GateState, Ticket
from functions.dispatch.pacing import Pace
from infra.mistakes import SettingsError
from infra.queues import MAX_RECEIVES
from infra.settings import MAX_AGE_HOURS, Relay, from_context

ACCOUNT = {"owner": "octo-org", "repository": "models", "workflow_id": "deploy.yml", "default_branch": "main"}


KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-4000-8000-0123456789ab"


def context(relay: Any = None, account: Any = None) -> dict[str, Any]:
    """Give a context that is right but for what a test puts into it."""
    return {
        "account_setings": ACCOUNT if account is None else account,
        "relay": {} if relay is None else relay,
    }


def routes(**route: Any) -> dict[str, Any]:
    """Give a context with one route."""
    return context({"routes": [{"name": "a", **route}]})


def mistake(given: Mapping[str, Any]) -> str:
    """Give the message that a wrong context is refused with."""
    with pytest.raises(SettingsError) as caught:
        from_context(given)
    return str(caught.value)


def test_without_routes_there_is_the_default_one() -> None:
    """Without routes, stage transitions and alias assignments of every model start the account's workflow."""
    assert from_context(context()).functions.routes == (
        Route(
            name="default",
            events=("model_version.stage_transitioned", "model_version.alias_set"),
            models=(),
            to_stages=(),
            aliases=(),
            target=Target("octo-org", "models", "deploy.yml", "main"),
            inputs={"model_name": "${model_name}", "model_version": "${version}"},
        ),
    )


def test_defaults_are_those_of_the_design() -> None:
    """What nobody sets has the documented default."""
    relay = from_context(context()).relay
    assert (relay.github.api_url, relay.github.api_version) == ("https://api.github.com", "2026-03-10")
    assert (relay.github.max_per_minute, relay.github.max_per_hour) == (60, 500)
    assert (relay.ingest.senders, relay.ingest.max_body_kib) == (("databricks",), 1024)
    assert (relay.ingest.throttle.rate, relay.ingest.throttle.burst) == (50, 100)
    assert (relay.retain_data, relay.max_age_hours, relay.vpc) == (True, 24, None)
    assert (relay.kms, relay.termination_protection) == (None, False)
    assert (relay.reserved_concurrency.dispatch, relay.reserved_concurrency.ingest) == (2, None)


def test_a_value_given_as_json_text_is_read() -> None:
    """`-c KEY=JSON` arrives as text and means the same as the object in cdk.json."""
    as_text = {key: json.dumps(value) for key, value in context({"max_age_hours": 3}).items()}
    assert from_context(as_text) == from_context(context({"max_age_hours": 3}))


@pytest.mark.parametrize("spelling", ["account_setings", "account_settings"])
def test_both_spellings_of_the_account_are_read(spelling: str) -> None:
    """The user's own spelling and the corrected one are the same key."""
    assert from_context({spelling: ACCOUNT}).functions.routes[0].target.owner == "octo-org"


def test_both_spellings_may_agree() -> None:
    """Both spellings with the same content are no mistake."""
    assert from_context({"account_setings": ACCOUNT, "account_settings": json.dumps(ACCOUNT)})


def test_a_number_names_a_workflow() -> None:
    """A workflow's number may be written as a number."""
    given = context(account={**ACCOUNT, "workflow_id": 12345})
    assert from_context(given).functions.routes[0].target.workflow_id == "12345"


def test_a_route_takes_what_it_lacks_from_the_account() -> None:
    """A target's own parts win; missing ones come from the account."""
    target = from_context(routes(target={"repository": "other", "ref": "v1"})).functions.routes[0].target
    assert target == Target("octo-org", "other", "deploy.yml", "v1")


def test_a_route_may_name_a_senders_event() -> None:
    """The sender's own names of events are known too."""
    assert from_context(routes(events=["MODEL_VERSION_CREATED", "job.succeeded"]))


@pytest.mark.parametrize(
    "event",
    ["jobs.on_success", "jobs.on_anything_new", "registered_model.created", "prompt.created", "job.x"],
)
def test_a_route_may_name_any_senders_event(event: str) -> None:
    """Every sender's names are known, and those that Databricks has not thought of yet."""
    assert from_context(routes(events=[event])).functions.routes[0].events == (event,)


EVENT_TARGET = {"type": "repository_dispatch", "event_type": "promoted"}


def test_a_route_may_send_a_repositorys_event() -> None:
    """A repository's event takes owner and repository from the account, and the default inputs as payload."""
    route = from_context(routes(target=EVENT_TARGET)).functions.routes[0]
    payload = {"model_name": "${model_name}", "model_version": "${version}"}
    assert route.target == Target("octo-org", "models", event_type="promoted", client_payload=payload)
    assert (route.inputs, route.templates) == ({}, payload)


def test_a_payload_is_json_of_any_depth() -> None:
    """What is no text passes as it is; a payload may be empty."""
    payload = {"model": {"name": "${model_name}", "list": [1, None, "${version:-}"]}, "dry_run": False}
    given = routes(target={**EVENT_TARGET, "client_payload": payload, "owner": "other"})
    functions = from_context(given).functions
    assert functions.routes[0].target.client_payload == payload
    assert RelaySettings.from_json(functions.to_json()) == functions
    assert (
        from_context(routes(target={**EVENT_TARGET, "client_payload": {}})).functions.routes[0].templates
        == {}
    )


@pytest.mark.parametrize(
    ("route", "field"),
    [
        ({"events": ["model.created"]}, "version"),
        ({"events": ["job.failed"], "inputs": {"a": "${job_id} ${model_name}"}}, "model_name"),
        ({"events": ["jobs.on_failure"], "inputs": {"a": "${alias}"}}, "alias"),
        ({"target": {**EVENT_TARGET, "client_payload": {"a": [{"b": "${task_key}"}]}}}, "task_key"),
    ],
)
def test_a_field_that_no_event_of_a_route_has_is_warned_of(route: dict[str, Any], field: str) -> None:
    """Every delivery would be a dead letter: that is said at synth, with the mend."""
    [warning] = from_context(routes(**route)).warnings
    assert f"Route 'a' uses ${{{field}}}, which none of its events has" in warning
    assert f"${{{field}:-…}}" in warning


@pytest.mark.parametrize(
    "route",
    [
        {},
        {"events": ["model.created"], "inputs": {"a": "${version:-}"}},
        {"events": ["MODEL_VERSION_CREATED", "model.created"]},
        {"events": ["job.paused"], "inputs": {"a": "${job_id} ${tags.x} ${kind}"}},
        {"events": ["jobs.on_anything_new"], "inputs": {"a": "${run_id}"}},
    ],
)
def test_a_field_that_some_event_has_is_not_warned_of(route: dict[str, Any]) -> None:
    """What one of the events has, what all have, and what depends on people is nothing to warn of."""
    assert from_context(routes(**route)).warnings == ()


@pytest.mark.parametrize(("copies", "warned"), [(99, True), (100, False), (None, False)])
def test_fewer_copies_of_ingest_than_a_burst_are_warned_of(copies: int | None, warned: bool) -> None:  # noqa: FBT001
    """What comes over them is answered 503, and Databricks' registry does not send again: that is said."""
    given = context({"reserved_concurrency": {"ingest": copies}})
    assert ["relay.reserved_concurrency.ingest is 99" in each for each in from_context(given).warnings] == (
        [True] if warned else []
    )


def test_an_address_loses_its_trailing_slash() -> None:
    """GitHub's base address may be pasted with a slash at its end."""
    given = context({"github": {"api_url": "https://ghe.example.com/api/v3/"}})
    assert from_context(given).functions.github.api_url == "https://ghe.example.com/api/v3"


def test_the_functions_read_back_what_the_stack_wrote() -> None:
    """The settings survive the way through the bundle's file unchanged."""
    given = routes(models=["Airline_*"], aliases=["champion"], on_unknown="hold")
    given["relay"]["github"] = {"max_per_minute": 7, "max_per_hour": 70}
    functions = from_context(given).functions
    assert RelaySettings.from_json(functions.to_json()) == functions


@pytest.mark.parametrize(
    ("given", "told"), [({}, "retry"), ({"on_unknown": "retry"}, "retry"), ({"on_unknown": "hold"}, "hold")]
)
def test_a_route_retries_what_cannot_be_found_out_unless_it_is_to_be_held(
    given: dict[str, str], told: str
) -> None:
    """`on_unknown` reaches the functions route by route, and is `retry` where nobody sets it."""
    both = {"routes": [{"name": "a", **given}, {"name": "b"}]}
    assert [route.on_unknown for route in from_context(context(both)).functions.routes] == [told, "retry"]


def test_the_default_route_retries_what_cannot_be_found_out() -> None:
    """Without routes, too, a delivery is sent again where it can't be found out what became of it."""
    assert [route.on_unknown for route in from_context(context()).functions.routes] == ["retry"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, (60, 500)),
        ({"max_per_minute": 7, "max_per_hour": 70}, (7, 70)),
        ({"max_per_minute": 1}, (1, 500)),
        ({"max_per_hour": 1}, (60, 1)),
    ],
)
def test_the_permitted_speed_reaches_the_functions(given: dict[str, int], told: tuple[int, int]) -> None:
    """How often GitHub may be called is what the settings say, each of the two for itself."""
    github = from_context(context({"github": given})).functions.github
    assert (github.max_per_minute, github.max_per_hour) == told


MISTAKES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("no account", {}, ["account_setings.owner is missing", "relay.routes[0].target.owner"]),
    ("no owner", context(account={"repository": "r"}), ["account_setings.owner is missing"]),
    (
        "no branch",
        context(account={key: ACCOUNT[key] for key in ("owner", "repository", "workflow_id")}),
        ["account_setings.default_branch is missing", "relay.routes[0].target.ref"],
    ),
    ("account of text", {"account_setings": "{bad"}, ["account_setings is not JSON", "-c account_setings='"]),
    ("account of a list", {"account_setings": "[1]"}, ["account_setings should be an object"]),
    (
        "two accounts that differ",
        {"account_setings": ACCOUNT, "account_settings": {**ACCOUNT, "owner": "x"}},
        ["both given and differ"],
    ),
    ("owner with a slash", context(account={**ACCOUNT, "owner": "a/b"}), ["account_setings.owner should be"]),
    ("empty owner", context(account={**ACCOUNT, "owner": ""}), ["account_setings.owner should be"]),
    (
        "workflow's path",
        context(account={**ACCOUNT, "workflow_id": ".github/workflows/d.yml"}),
        ["without a folder"],
    ),
    (
        "workflow of true",
        context(account={**ACCOUNT, "workflow_id": True}),
        ["workflow_id should be a string"],
    ),
    ("branch of a commit", context(account={**ACCOUNT, "default_branch": "a" * 40}), ["SHA"]),
    ("unknown account key", context(account={**ACCOUNT, "onwer": "x"}), ["onwer", "did you mean 'owner'?"]),
    (
        "unknown key",
        context({"githb": {}}),
        ["relay.githb is not a known key", "did you mean 'github'?", "routes"],
    ),
    (
        "unknown deep key",
        context({"ingest": {"throttle": {"rat": 1}}}),
        ["relay.ingest.throttle.rat", "rate, burst"],
    ),
    ("unknown key of a route", routes(evnts=[]), ["relay.routes[0].evnts", "did you mean 'events'?"]),
    ("relay of a list", context([]), ["relay should be an object"]),
    ("dotted key", {**context(), "relay.github": "x"}, ["relay.github is not read", "-c relay='"]),
    ("route without name", context({"routes": [{}]}), ["relay.routes[0].name is missing"]),
    ("bad route name", context({"routes": [{"name": "a b"}]}), ["relay.routes[0].name should be 1 to 60"]),
    (
        "two of a name",
        context({"routes": [{"name": "a"}, {"name": "a"}]}),
        ["relay.routes[1].name 'a' is taken"],
    ),
    ("no routes", context({"routes": []}), ["relay.routes is empty"]),
    (
        "unknown event",
        routes(events=["model.creatd"]),
        ["events[0] is no event", "did you mean 'model.created'?"],
    ),
    (
        "unknown field",
        routes(inputs={"x": "${modl}"}),
        ["inputs.x names the unknown field ${modl}", "model_name"],
    ),
    ("stray dollar", routes(inputs={"x": "5$"}), ["inputs.x has a $", "write $$"]),
    (
        "input name",
        routes(inputs={"9": "x"}),
        ["inputs.9 should be the name of one of the workflow's inputs"],
    ),
    (
        "event without type",
        routes(target={"type": "repository_dispatch"}),
        ["relay.routes[0].target has no event_type"],
    ),
    (
        "event with a workflow",
        routes(target={**EVENT_TARGET, "workflow_id": "x.yml"}),
        ["relay.routes[0].target has workflow_id or ref"],
    ),
    ("event with a ref", routes(target={**EVENT_TARGET, "ref": "main"}), ["target has workflow_id or ref"]),
    (
        "event type without type",
        routes(target={"event_type": "promoted"}),
        ["relay.routes[0].target has event_type", '"type": "repository_dispatch"'],
    ),
    (
        "payload without type",
        routes(target={"client_payload": {}}),
        ["target has event_type or client_payload"],
    ),
    (
        "event with inputs",
        routes(target=EVENT_TARGET, inputs={}),
        ["relay.routes[0] has inputs", "give target.client_payload"],
    ),
    (
        "unknown type",
        routes(target={"type": "push"}),
        ["relay.routes[0].target.type should be 'workflow_dispatch' or 'repository_dispatch'"],
    ),
    (
        "long event type",
        routes(target={**EVENT_TARGET, "event_type": "a" * 101}),
        ["target.event_type should be 1 to 100 characters"],
    ),
    (
        "unknown field in a payload",
        routes(target={**EVENT_TARGET, "client_payload": {"a": [{"b": "${modl}"}]}}),
        ["relay.routes[0].target.client_payload names the unknown field ${modl}"],
    ),
    (
        "11 properties",
        routes(target={**EVENT_TARGET, "client_payload": {f"p{n}": "" for n in range(11)}}),
        ["client_payload has more than 10 entries"],
    ),
    ("unknown job event", routes(events=["jobs.started"]), ["events[0] is no event"]),
    ("26 inputs", routes(inputs={f"i{n}": "" for n in range(26)}), ["inputs has more than 25 entries"]),
    ("input of a number", routes(inputs={"x": 1}), ["inputs.x should be a string"]),
    (
        "http",
        context({"github": {"api_url": "http://ghe.example.com"}}),
        ["api_url should start with https://"],
    ),
    ("no address", context({"github": {"api_url": "api.github.com"}}), ["api_url should be a base address"]),
    ("version", context({"github": {"api_version": "v3"}}), ["api_version should be a version"]),
    ("none a minute", context({"github": {"max_per_minute": 0}}), ["max_per_minute should be 1 or more"]),
    ("none an hour", context({"github": {"max_per_hour": 0}}), ["max_per_hour should be 1 or more"]),
    (
        "text for a speed",
        context({"github": {"max_per_minute": "60"}}),
        ["relay.github.max_per_minute should be a whole number"],
    ),
    (
        "no way with the unknown",
        routes(on_unknown="drop"),
        ["relay.routes[0].on_unknown", "should be 'retry' or 'hold'"],
    ),
    ("true for the unknown", routes(on_unknown=True), ["relay.routes[0].on_unknown", "'retry' or 'hold'"]),
    ("null for the unknown", routes(on_unknown=None), ["relay.routes[0].on_unknown", "'retry' or 'hold'"]),
    ("text for a number", context({"max_age_hours": "24"}), ["relay.max_age_hours should be a whole number"]),
    ("more than receives last", context({"max_age_hours": 73}), ["max_age_hours should be 72 or less"]),
    ("alarms of null", context({"alarms": None}), ["relay.alarms should be an object, like {…}"]),
    ("a route of a number", context({"routes": [1]}), ["relay.routes[0] should be an object, like {…}"]),
    (
        "a sender twice",
        context({"ingest": {"senders": ["databricks"] * 2}}),
        ["senders names 'databricks' twice"],
    ),
    (
        "a key beside ours",
        {**context(), "relays": {}},
        ["relays is not a known key", "did you mean 'relay'?"],
    ),
    ("half an address", context({"github": {"api_url": "https://[x"}}), ["api_url should be a base address"]),
    ("repository of dots", context(account={**ACCOUNT, "repository": ".."}), ["account_setings.repository"]),
    (
        "11 inputs on an old server",
        context(
            {
                "github": {"api_url": "https://ghe.example.com/api/v3", "api_version": "2022-11-28"},
                "routes": [{"name": "a", "inputs": {f"i{n}": "" for n in range(11)}}],
            }
        ),
        ["relay.routes[0].inputs has more than 10 entries"],
    ),
    ("text for true", context({"retain_data": "false"}), ["relay.retain_data should be true or false"]),
    ("unknown sender", context({"ingest": {"senders": ["databrick"]}}), ["did you mean 'databricks'?"]),
    ("no sender", context({"ingest": {"senders": []}}), ["relay.ingest.senders is empty"]),
    (
        "network",
        context({"ingest": {"allowed_cidrs": ["1.2.3.4/8"]}}),
        ["allowed_cidrs[0] should be a network"],
    ),
    ("secret's ARN", context({"github": {"secret_name": "arn:aws:x"}}), ["secret_name should be the name"]),
    (
        "secret of a stranger",
        context({"ingest": {"secret_names": {"x": "y"}}}),
        ["secret_names.x is no sender"],
    ),
    ("e-mail", context({"alarms": {"email": "me"}}), ["relay.alarms.email should be an e-mail address"]),
    ("empty vpc", context({"vpc": {}}), ['relay.vpc should be {"id"']),
    (
        "two vpcs",
        context({"vpc": {"id": "vpc-0123456789abcdef0", "new": True}}),
        ['relay.vpc should be {"id"'],
    ),
    (
        "address of another's vpc",
        context({"vpc": {"id": "vpc-0123456789abcdef0", "static_egress_ip": True}}),
        ["new"],
    ),
    ("empty key", context({"kms": {}}), ['relay.kms should be {"new": true} or {"key_arn"']),
    ("two keys", context({"kms": {"new": True, "key_arn": KEY_ARN}}), ["relay.kms should be"]),
    (
        "key's alias",
        context({"kms": {"key_arn": "alias/x"}}),
        ["relay.kms.key_arn should be the ARN of a key"],
    ),
    (
        "too few for the queue",
        context({"reserved_concurrency": {"dispatch": 1}}),
        ["relay.reserved_concurrency.dispatch should be 2 or more"],
    ),
    (
        "host name",
        context({"ingest": {"domain": {"name": "https://x.y", "certificate_arn": "x"}}}),
        ["domain.name should be a host name", "domain.certificate_arn should be the ARN of a certificate"],
    ),
    (
        "proxy with a login",
        context({"github": {"proxy": "http://me:hunter2@proxy:3128"}}),
        ["relay.github.proxy should be an HTTP proxy without a login"],
    ),
    (
        "proxy without a port",
        context({"github": {"proxy": "http://proxy"}}),
        ["relay.github.proxy should be"],
    ),
    (
        "no certificates",
        context({"github": {"ca_file": "README.md"}}),
        ["relay.github.ca_file should be a file of PEM certificates"],
    ),
    (
        "no file",
        context({"github": {"ca_file": "certs/none.pem"}}),
        ["relay.github.ca_file", "No such file or directory"],
    ),
]


@pytest.mark.parametrize(("given", "told"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_named_with_its_key_and_its_mend(given: dict[str, Any], told: list[str]) -> None:
    """Every mistake is refused with a message that names the key and what would be right."""
    message = mistake(given)
    assert [words for words in told if words not in message] == []


def test_every_mistake_is_told_at_once() -> None:
    """Several mistakes are several lines, so that nobody mends them one synth at a time."""
    message = mistake(context({"github": {"max_per_minute": 0, "api_version": "x"}, "retain": True}))
    assert len(message.splitlines()) == 3


def keys_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Give the path of every key that the settings know."""
    found = []
    for name, field in model.model_fields.items():
        found.append((*path, name))
        inner = [part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type)]
        for part in inner:
            if issubclass(part, BaseModel):
                found.extend(keys_of(part, (*path, name)))
    return found


@pytest.mark.parametrize("wrong", [None, 1.5, True, "x", [], [None], [[1]], {}, {"x": None}], ids=repr)
@pytest.mark.parametrize("path", keys_of(Relay), ids=".".join)
def test_a_value_of_any_wrong_type_is_a_message_or_is_right(path: tuple[str, ...], wrong: Any) -> None:
    """No value at any key makes anything but settings or a message that names the key."""
    given: Any = wrong
    for key in reversed(path):
        given = {key: given}
    try:
        from_context(context(given))
    except SettingsError as error:
        assert f"relay.{path[0]}" in str(error)  # noqa: PT017 - to be right is as good


def test_waiting_for_a_credential_fits_into_the_receives() -> None:
    """A delivery that waits for a credential up to the greatest age never uses up the queue's receives."""
    state, now, booked_at, receives = GateState(), 0.0, 0.0, 0
    while now <= MAX_AGE_HOURS * 3600:
        receives += 1
        caller = Caller("sandbox", "attempt", "delivery", booked_at, "", patience=0.0)
        state, decision = gate_state.enter(state, Pace(60, 500), caller, now)
        if isinstance(decision, Ticket):
            state = gate_state.rejected(state, now, "credential-missing", "")
            now = booked_at = gate_state.back_at(state, now)
        else:
            now = booked_at = decision.at
    assert receives < MAX_RECEIVES


def test_a_pasted_secret_is_not_repeated() -> None:
    """A message never quotes a value: it may be a secret in the wrong place."""
    assert "ghp_verysecret" not in mistake(context({"github": {"secret_name": "ghp_verysecret \n"}}))
