"""The simulator's answers held against GitHub's own description, so that tests against it mean something."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from jsonschema import ValidationError

from modelrelay.local.github import (
    GHES_3_17,
    GITHUB_COM,
    PRESETS,
    Answer,
    App,
    GitHub,
    Line,
    Request,
    Settings,
    Workflow,
)
from tests.simulator import keys

from . import openapi
from .openapi import NotDescribedError, validate_answer, validate_query, validate_request

TOKEN = "github_pat_simulated"
OLD, NEW = "2022-11-28", "2026-03-10"
REPOSITORY = "/repos/acme/models"
ROOT = f"{REPOSITORY}/actions"
FILE = f"{REPOSITORY}/contents/.github/workflows/deploy.yml"
DESCRIBED_PATH = f"{REPOSITORY}/contents/file"
DISPATCHES = f"{ROOT}/workflows/7/dispatches"
EVENTS = "/repos/acme/models/dispatches"
EVENT = {"event_type": "promoted", "client_payload": {"model": "churn"}}
RATE_LIMIT = "/rate_limit"
MINTING = f"/app/installations/{keys.INSTALLATION_ID}/access_tokens"
NOW = 1_790_000_000.0
SPAN = "2026-09-21T14:12:00Z..2026-09-21T14:14:00Z"
EDITIONS = {"github.com": GITHUB_COM, "ghes-3.17": GHES_3_17}
SPOKEN = [("github.com", OLD), ("github.com", NEW), ("ghes-3.17", OLD)]
WORKFLOWS = [
    Workflow("acme", "models", 7, "deploy.yml", "Deploy", inputs=("model",), event_types=("promoted",)),
    Workflow("acme", "models", 8, "paused.yml", "Paused", state="disabled_manually"),
    Workflow("acme", "others", 9, "deploy.yml", "Deploy others"),
]

# Statuses that GitHub gives and its description keeps silent about, each with the reason to give them.
NOT_DESCRIBED: Mapping[tuple[str, int], str] = {
    ("dispatch", 307): "a renamed repository redirects every operation; the description repeats it nowhere",
    ("dispatch", 400): "a body that isn't JSON never reaches the operation",
    ("dispatch", 401): "authentication comes before every operation",
    ("dispatch", 403): "permissions and limits come before every operation",
    ("dispatch", 404): "unknown and forbidden repositories are answered alike, before the operation",
    ("dispatch", 422): "documented in prose and known from practice: ref, inputs, trigger, disabled",
    ("dispatch", 429): "the secondary limit comes before every operation",
    ("dispatch", 503): "an outage can't be described",
    ("event", 307): "as for a dispatch",
    ("event", 400): "a body that isn't JSON never reaches the operation",
    ("event", 401): "authentication comes before every operation",
    ("event", 403): "permissions and limits come before every operation",
    ("event", 429): "the secondary limit comes before every operation",
    ("event", 503): "an outage can't be described",
    ("workflows", 401): "authentication comes before every operation",
    ("workflows", 404): "as for a dispatch",
    ("runs", 401): "authentication comes before every operation",
    ("runs", 404): "as for a dispatch",
    ("runs", 422): "the simulator's own: a `created` that is no date is told instead of ignored",
    ("repository_runs", 401): "authentication comes before every operation",
    ("repository_runs", 404): "as for a dispatch",
    ("repository_runs", 422): "as for the runs of a workflow",
    ("repository", 401): "authentication comes before every operation",
    ("workflow", 401): "authentication comes before every operation",
    ("workflow", 404): "as for a dispatch",
    ("file", 401): "authentication comes before every operation",
    ("run", 401): "authentication comes before every operation",
    ("run", 404): "as for a dispatch",
    ("minting", 400): "a body that isn't JSON never reaches the operation",
    ("rate_limit", 401): "authentication comes before every operation",
}
OPERATIONS = {
    "dispatch": ("POST", DISPATCHES),
    "event": ("POST", EVENTS),
    "workflows": ("GET", f"{ROOT}/workflows"),
    "repository": ("GET", REPOSITORY),
    "workflow": ("GET", f"{ROOT}/workflows/7"),
    "file": ("GET", FILE),
    "runs": ("GET", f"{ROOT}/workflows/7/runs"),
    "repository_runs": ("GET", f"{ROOT}/runs"),
    "run": ("GET", f"{ROOT}/runs/17000000001"),
    "rate_limit": ("GET", RATE_LIMIT),
    "minting": ("POST", MINTING),
}
BODIES: Mapping[str, Any] = {"dispatch": {"ref": "main"}, "event": EVENT}


class Caller:
    """Calls a simulator of one edition in one API version, without sockets."""

    def __init__(self, edition: str, version: str, *, token: str = TOKEN) -> None:
        self.edition, self.version = edition, version
        self.token = token
        settings = Settings(edition=EDITIONS[edition])
        self.app = keys.app(permissions={"actions": "write", "contents": "write", "checks": "read"})
        self.line = Line(
            GitHub(WORKFLOWS, tokens=[TOKEN], clock=lambda: NOW, settings=settings, app=self.app)
        )

    def call(self, method: str, path: str, body: Any = None, query: str = "") -> Answer:
        """Send a request; a body that isn't bytes is sent as JSON. The App mints with what it signs."""
        token = keys.signed(NOW) if (path, self.token) == (MINTING, TOKEN) else self.token
        headers = {
            "user-agent": "contract-test",
            "authorization": f"Bearer {token}",
            "x-github-api-version": self.version,
        }
        encoded = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        prefix = EDITIONS[self.edition].prefix
        answer = self.line.send(Request(method, prefix + path, query, headers, encoded)).answer
        assert answer is not None
        return answer

    def judge(self, method: str, path: str, answer: Answer) -> None:
        """Hold an answer against the description."""
        body = answer.json() if answer.body else None
        # The description writes a path of a file as one step, whatever the depth.
        described = DESCRIBED_PATH if path == FILE else path
        validate_answer(self.version, method, described, answer.status, body, self.edition)


@pytest.fixture(params=SPOKEN, ids="-".join)
def caller(request: pytest.FixtureRequest) -> Caller:
    """A caller in each edition and version that the simulator speaks."""
    return Caller(*request.param)


def judge_error(name: str, answer: Answer) -> None:
    """Hold an undescribed status against the form that GitHub's errors share, if it is allowed at all."""
    assert (name, answer.status) in NOT_DESCRIBED
    error = answer.json()
    assert error.keys() <= {"message", "documentation_url", "status"}
    assert error["status"] == str(answer.status)
    assert all(isinstance(value, str) for value in error.values())


def judge_described(caller: Caller, method: str, path: str, answer: Answer) -> None:
    """Hold an answer against the description, which forgets the `status` that every 422 carries."""
    body = answer.json() if answer.body else None
    if body and answer.status == 422:
        assert body.pop("status") == "422"
    validate_answer(caller.version, method, path, answer.status, body, caller.edition)


@pytest.mark.parametrize("name", OPERATIONS)
def test_good_answers_are_as_described(caller: Caller, name: str) -> None:
    """Every operation's good answer fits the description of its edition and version."""
    dispatched = caller.call("POST", DISPATCHES, {"ref": "main", "inputs": {"model": "churn"}})
    assert dispatched.status == (200 if caller.version == NEW else 204)
    method, path = OPERATIONS[name]
    answer = dispatched if name == "dispatch" else caller.call(method, path, BODIES.get(name))
    assert answer.status < 300
    caller.judge(method, path, answer)


def test_details_on_request_are_as_described() -> None:
    """The old version's 200 with the run's details is described too."""
    caller = Caller("github.com", OLD)
    body = {"ref": "main", "return_run_details": True}
    answer = caller.call("POST", DISPATCHES, body)
    assert answer.status == 200
    caller.judge("POST", DISPATCHES, answer)
    validate_request(OLD, "POST", DISPATCHES, body)


@pytest.mark.parametrize(
    "body",
    [
        {"ref": "main"},
        {"ref": "main", "inputs": {"model": "churn"}},
        {"ref": "main", "inputs": {}},
        {"ref": "main", "return_run_details": True},
        {"ref": "main", "return_run_details": "yes"},
        {"ref": "main", "unknown": 1},
        {"ref": 5},
        {"ref": "main", "inputs": "text"},
        {"ref": "main", "inputs": {str(number): "" for number in range(11)}},
        {"ref": "main", "inputs": {str(number): "" for number in range(26)}},
        {"inputs": {}},
        [],
    ],
)
def test_simulator_and_description_agree_on_bodies(caller: Caller, body: Any) -> None:
    """The simulator refuses the form of a body exactly when the description forbids it."""
    answer = caller.call("POST", DISPATCHES, body)
    refused = answer.status == 422 and answer.json()["message"].startswith("Invalid request.")
    try:
        validate_request(caller.version, "POST", DISPATCHES, body, caller.edition)
    except ValidationError:
        assert refused
    else:
        assert not refused


@pytest.mark.parametrize(
    "body",
    [
        EVENT,
        {"event_type": "promoted"},
        {"event_type": "x" * 100, "client_payload": {}},
        {"event_type": "x" * 101},
        {"event_type": ""},
        {"event_type": None},
        {"event_type": 5},
        {"client_payload": {}},
        {"event_type": "promoted", "client_payload": {str(number): [{}] for number in range(10)}},
        {"event_type": "promoted", "client_payload": {str(number): "" for number in range(11)}},
        {"event_type": "promoted", "client_payload": None},
        {"event_type": "promoted", "client_payload": "{}"},
        {"event_type": "promoted", "client_payload": []},
        {"event_type": "promoted", "inputs": {}},
        [],
    ],
)
def test_simulator_and_description_agree_on_events(caller: Caller, body: Any) -> None:
    """An event is refused exactly when the description forbids it; answer and refusal are as described."""
    answer = caller.call("POST", EVENTS, body)
    try:
        validate_request(caller.version, "POST", EVENTS, body, caller.edition)
    except ValidationError:
        assert answer.status == 422
    else:
        assert answer.status == 204
    judge_described(caller, "POST", EVENTS, answer)


def test_large_event_is_refused_as_described(caller: Caller) -> None:
    """The limit that the description has in prose alone leads to a refusal that it describes."""
    answer = caller.call("POST", EVENTS, EVENT | {"client_payload": {"model": "x" * 65_536}})
    assert answer.status == 422
    judge_described(caller, "POST", EVENTS, answer)


@pytest.mark.parametrize("query", ["", f"event=repository_dispatch&created={SPAN}&per_page=1"])
def test_runs_of_a_repository_are_as_described(caller: Caller, query: str) -> None:
    """The listing of a repository, with runs of both kinds of dispatch, is as described, and its query."""
    caller.call("POST", DISPATCHES, {"ref": "main"})
    caller.call("POST", EVENTS, EVENT)
    method, path = OPERATIONS["repository_runs"]
    validate_query(caller.version, method, path, query, caller.edition)
    answer = caller.call(method, path, query=query)
    caller.judge(method, path, answer)
    events = [run["event"] for run in answer.json()["workflow_runs"]]
    assert events == ["repository_dispatch", "workflow_dispatch"][: 1 if query else 2]


@pytest.mark.parametrize("name", ["runs", "repository_runs", "run"])
def test_run_of_an_event_is_as_described(caller: Caller, name: str) -> None:
    """A run that an event started is described wherever it is shown."""
    caller.call("POST", EVENTS, EVENT)
    method, path = OPERATIONS[name]
    answer = caller.call(method, path)
    caller.judge(method, path, answer)
    assert b'"event": "repository_dispatch"' in answer.body


@pytest.mark.parametrize(
    ("name", "body", "query", "status"),
    [
        ("dispatch", {"ref": "nowhere"}, "", 422),
        ("dispatch", {"ref": "main", "inputs": {"x": ""}}, "", 422),
        ("dispatch", {}, "", 422),
        ("dispatch", b"{", "", 400),
        ("event", b"{", "", 400),
        ("runs", None, "created=soon", 422),
        ("repository_runs", None, "created=soon", 422),
        ("minting", b"{", "", 400),
    ],
)
def test_refusals_have_the_usual_form(caller: Caller, name: str, body: Any, query: str, status: int) -> None:
    """Refusals that the description doesn't know still have the form of all GitHub's errors."""
    method, path = OPERATIONS[name]
    answer = caller.call(method, path, body, query)
    assert answer.status == status
    judge_error(name, answer)


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"minting"}))
def test_bad_credentials_have_the_usual_form(caller: Caller, name: str) -> None:
    """A wrong token is answered alike by every operation."""
    caller.token = "wrong"
    answer = caller.call(*OPERATIONS[name])
    assert answer.status == 401
    judge_error(name, answer)


@pytest.mark.parametrize(
    "name", sorted(OPERATIONS.keys() - {"rate_limit", "minting", "event", "repository", "file"})
)
def test_not_found_has_the_usual_form(caller: Caller, name: str) -> None:
    """An unknown repository is answered alike by every operation."""
    method, path = OPERATIONS[name]
    answer = caller.call(method, path.replace("/acme/", "/nobody/"), {"ref": "main"})
    assert answer.status == 404
    judge_error(name, answer)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("repository", ("acme", "nobody")),
        ("file", ("acme", "nobody")),
        ("file", ("deploy.yml", "none.yml")),
        ("file", ("deploy.yml", "deploy.yml?ref=nowhere")),
    ],
)
def test_what_is_not_there_is_as_described(caller: Caller, name: str, change: tuple[str, str]) -> None:
    """The description knows the 404 of a repository and of a file."""
    method, path = OPERATIONS[name]
    changed, _, query = path.replace(*change).partition("?")
    answer = caller.call(method, changed, query=query)
    assert answer.status == 404
    caller.judge(method, path, answer)


def test_event_of_an_unknown_repository_is_as_described(caller: Caller) -> None:
    """The description knows the 404 of an event, unlike that of the other operations."""
    answer = caller.call("POST", EVENTS.replace("acme", "nobody"), EVENT)
    assert answer.status == 404
    caller.judge("POST", EVENTS, answer)


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"garbage", "unprocessable"}))
def test_faults_of_an_event_have_the_usual_form(caller: Caller, preset: str) -> None:
    """An event meets the same faults in the same form."""
    caller.line.faults.inject(PRESETS[preset])
    answer = caller.call("POST", EVENTS, EVENT)
    assert answer.status >= 300
    judge_error("event", answer)


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"garbage"}))
def test_faults_have_the_usual_form(caller: Caller, preset: str) -> None:
    """Faults look like GitHub's errors; the garbled one alone doesn't, which is its purpose."""
    caller.line.faults.inject(PRESETS[preset])
    answer = caller.call("POST", DISPATCHES, {"ref": "main"})
    assert answer.status >= 300
    judge_error("dispatch", answer)


SCOPES: list[dict[str, Any]] = [
    {},
    {"permissions": {"actions": "write"}},
    {"repositories": ["models"], "permissions": {"actions": "read"}},
    {"repositories": ["models"], "permissions": {"actions": "read", "contents": "write"}},
    {"repositories": ["models", "others"]},
    {"repositories": []},
]


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: "+".join(scope) or "none")
def test_minted_tokens_are_as_described(caller: Caller, scope: dict[str, Any]) -> None:
    """Every scope leads to a token that the description knows, with the repositories that it names."""
    validate_request(caller.version, "POST", MINTING, scope, caller.edition)
    answer = caller.call("POST", MINTING, scope)
    assert answer.status == 201
    caller.judge("POST", MINTING, answer)


def leave(app: App) -> None:
    """Leave the App as it is."""


def suspend(app: App) -> None:
    """Suspend the installation."""
    app.suspended = True


def install_elsewhere(app: App) -> None:
    """Give the installation another number than the one that is called."""
    app.installation_id += 1


def forget_key(app: App) -> None:
    """Leave the App another name than the one that signs."""
    app.client_id = "Iv23liSomebodyElse"


@pytest.mark.parametrize(
    ("change", "body", "status"),
    [
        (forget_key, {}, 401),
        (suspend, {}, 403),
        (install_elsewhere, {}, 404),
        (leave, {"repositories": ["none"]}, 422),
        (leave, {"permissions": {"checks": "write"}}, 422),
        (leave, {"permissions": {"issues": "read"}}, 422),
        (leave, {"repositories": "models"}, 422),
    ],
)
def test_refused_minting_is_as_described(
    caller: Caller, change: Callable[[App], None], body: Any, status: int
) -> None:
    """What GitHub refuses is described, but for the `status` that it adds to every error."""
    change(caller.app)
    answer = caller.call("POST", MINTING, body)
    assert answer.status == status
    judge_described(caller, "POST", MINTING, answer)


def test_runs_of_an_app_are_as_described(caller: Caller) -> None:
    """A run that an App or a person by hand started is listed as described, each with its actor."""
    caller.token = caller.call("POST", MINTING, {}).json()["token"]
    caller.call("POST", DISPATCHES, {"ref": "main"})
    caller.line.github.start(WORKFLOWS[0], "mona")
    answer = caller.call(*OPERATIONS["runs"])
    caller.judge(*OPERATIONS["runs"], answer)
    actors = [run[key] for run in answer.json()["workflow_runs"] for key in ("actor", "triggering_actor")]
    assert [(actor["login"], actor["type"]) for actor in actors] == [
        ("mona", "User"),
        ("mona", "User"),
        ("model-relay[bot]", "Bot"),
        ("model-relay[bot]", "Bot"),
    ]


def test_missing_permission_has_the_usual_form(caller: Caller) -> None:
    """A token that may not dispatch is told so, and which permission would do."""
    caller.token = caller.call("POST", MINTING, {"permissions": {"actions": "read"}}).json()["token"]
    answer = caller.call("POST", DISPATCHES, {"ref": "main"})
    assert answer.status == 403
    assert answer.headers["x-accepted-github-permissions"] == "actions=write"
    judge_error("dispatch", answer)
    event = caller.call("POST", EVENTS, EVENT)
    assert (event.status, event.headers["x-accepted-github-permissions"]) == (403, "contents=write")
    judge_error("event", event)


@pytest.mark.parametrize(("name", "status"), NOT_DESCRIBED)
def test_allow_list_holds_nothing_described(name: str, status: int) -> None:
    """A status that the description learns about has to leave the list and be judged by it."""
    method, path = OPERATIONS[name]
    for edition, version in SPOKEN:
        with pytest.raises(NotDescribedError):
            validate_answer(version, method, path, status, {"message": ""}, edition)


@pytest.mark.parametrize(
    "change",
    [
        {"workflow_run_id": "17000000001"},
        {"workflow_run_id": None},
        {"run_url": 1},
        {"surprise": True},
    ],
)
def test_broken_answer_is_noticed(change: dict[str, Any]) -> None:
    """A wrong type, a null or an unknown field in an answer fails, so a passing judge means something."""
    caller = Caller("github.com", NEW)
    broken = caller.call("POST", DISPATCHES, {"ref": "main"}).json() | change
    with pytest.raises(ValidationError):
        validate_answer(NEW, "POST", DISPATCHES, 200, broken)


@pytest.mark.parametrize("name", ["workflows", "runs", "repository_runs", "run", "rate_limit", "minting"])
def test_missing_field_is_noticed(caller: Caller, name: str) -> None:
    """An answer without a field that the description requires fails."""
    caller.call("POST", DISPATCHES, {"ref": "main"})
    method, path = OPERATIONS[name]
    answer = caller.call(method, path)
    broken = answer.json()
    broken.pop("id" if name == "run" else next(iter(broken)))
    with pytest.raises(ValidationError):
        validate_answer(caller.version, method, path, answer.status, broken, caller.edition)


def test_bad_field_deep_inside_is_noticed() -> None:
    """The judge follows references: a repository's owner without a login fails a listing of runs."""
    caller = Caller("github.com", NEW)
    caller.call("POST", DISPATCHES, {"ref": "main"})
    listing = caller.call(*OPERATIONS["runs"]).json()
    del listing["workflow_runs"][0]["repository"]["owner"]["login"]
    with pytest.raises(ValidationError, match="login"):
        validate_answer(NEW, *OPERATIONS["runs"], 200, listing)


def test_versions_differ_as_announced() -> None:
    """The patches are applied: 204 and the old rate are gone in 2026-03-10, and still there before."""
    validate_answer(OLD, "POST", DISPATCHES, 204, None)
    with pytest.raises(NotDescribedError):
        validate_answer(NEW, "POST", DISPATCHES, 204, None)
    old_rate = Caller("github.com", OLD).call("GET", RATE_LIMIT).json()
    with pytest.raises(ValidationError, match="rate"):
        validate_answer(NEW, "GET", RATE_LIMIT, 200, old_rate)


@pytest.mark.parametrize(("version", "path"), [(OLD, DISPATCHES), (OLD, EVENTS), (NEW, EVENTS)])
def test_silent_answer_with_a_body_is_noticed(version: str, path: str) -> None:
    """204 has no body."""
    validate_answer(version, "POST", path, 204, None)
    with pytest.raises(ValidationError):
        validate_answer(version, "POST", path, 204, {})


def test_described_refusal_is_judged() -> None:
    """Where the description gives a shared answer for a status, that answer judges the body."""
    validate_answer(NEW, "GET", RATE_LIMIT, 404, {"message": "Not Found", "status": "404"})
    with pytest.raises(ValidationError):
        validate_answer(NEW, "GET", RATE_LIMIT, 404, {"message": 404})


def test_unknown_operation_is_told() -> None:
    """A path or a body that GitHub doesn't know is an error, not a pass."""
    with pytest.raises(NotDescribedError):
        validate_answer(NEW, "GET", "/nowhere/at/all", 200, {})
    with pytest.raises(NotDescribedError):
        validate_request(NEW, "GET", RATE_LIMIT, {})


def test_patches_follow_their_standards() -> None:
    """Merge patches remove by null; JSON patches walk lists and escaped names, and keep their target."""
    assert openapi.merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None}, "d": [1]}) == {
        "a": {"c": 2},
        "d": [1],
    }
    target = {"a/b": [1, 2], "c~d": 0}
    steps: list[Mapping[str, Any]] = [
        {"op": "remove", "path": "/a~1b/0"},
        {"op": "add", "path": "/a~1b/-", "value": 3},
        {"op": "replace", "path": "/c~0d", "value": 9},
        {"op": "add", "path": "/e", "value": 5},
    ]
    assert openapi.json_patch(target, steps) == {"a/b": [2, 3], "c~d": 9, "e": 5}
    assert target == {"a/b": [1, 2], "c~d": 0}
    with pytest.raises(NotImplementedError):
        openapi.json_patch(target, [{"op": "move", "path": "/e", "from": "/c~0d"}])
