"""Ingest: the table of answers, and what must have happened before each."""

import hashlib
import hmac
import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from functions.core import aws as clients
from functions.core.delivery import Delivery
from functions.core.metrics import Metric
from functions.core.secrets import FAILURE_SECONDS, TTL_SECONDS, Secret
from functions.core.settings import IngestSettings
from functions.ingest.http import Request, Response
from functions.ingest.ingest import Ingest
from functions.ingest.queue import DeliveryQueue
from functions.ingest.senders import SENDERS

from ..aws import Aws
from ..samples import NOW, ROUTE, SETTINGS, Clock
from .test_forgery import GOOD, SECRETS, other, with_header
from .webhooks import CANARIES, FIXTURES, REVEALING, SECRET, TRANSITION, changed, webhook

STAGES = {"AWSCURRENT", "AWSPREVIOUS"}
PROOF = {
    "databricks": "x-databricks-signature",
    "mlflow": "x-mlflow-signature",
    "databricks-jobs": "authorization",
    "events": "webhook-signature",
}
"""The header in which each sender proves itself."""

UNSIGNED = webhook(changed(), headers={})
RECEIVED, REJECTED, IGNORED, QUEUED = Metric.RECEIVED, Metric.REJECTED, Metric.IGNORED, Metric.QUEUED


def build(clock: Clock, *, limits: dict[str, Any] | None = None, **changes: Any) -> Ingest:
    """Build ingest on the stand-in; `limits` change its own settings, `changes` the others."""
    ingest: IngestSettings = replace(SETTINGS.ingest, **(limits or {}))
    return Ingest(
        replace(SETTINGS, ingest=ingest, **changes),
        {"databricks": SENDERS["databricks"]},
        {"databricks": Secret(clients.client("secretsmanager"), "webhook", clock)},
        DeliveryQueue(clients.client("sqs"), "http://127.0.0.1/queue"),
        clock,
    )


@pytest.fixture
def ingest(aws: Aws, clock: Clock) -> Ingest:
    """Ingest with one route and a secret that is filled in."""
    aws.keep_secret("webhook", SECRET)
    return build(clock)


def check(response: Response, status: int, key: str, words: str) -> None:
    """Hold an answer against a row of the table."""
    assert response.status == status
    assert response.content.keys() == {key}
    assert words in str(response.content[key])


def test_stored_event_is_accepted(aws: Aws, ingest: Ingest) -> None:
    """202 names the delivery that is on the queue, with the event and when it was taken."""
    response = ingest.answer(webhook(changed()))
    [stored] = [Delivery.from_message(each["MessageBody"]) for each in aws.parameters("SendMessage")]
    assert response.status == 202
    assert response.content == {"deliveries": [{"id": stored.id, "route": "default"}]}
    assert (stored.route, stored.accepted_at) == ("default", int(NOW * 1000))
    assert (stored.event.model_name, stored.event.version) == ("Airline_Delay_SparkML", "8")
    assert response.facts == {
        "deliveries": response.content["deliveries"],
        "kind": "model_version.stage_transitioned",
        "model": "Airline_Delay_SparkML",
        "version": "8",
    }
    assert (response.counts, response.reason) == ({RECEIVED: 1, QUEUED: 1}, "")


def test_every_route_that_wants_it_gets_a_delivery(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """One event for two routes is two deliveries with ids of their own, and counted as two."""
    routes = tuple(replace(ROUTE, name=name) for name in ("a", "b"))
    response = build(clock, routes=routes).answer(webhook(changed()))
    assert [each["route"] for each in response.content["deliveries"]] == ["a", "b"]
    assert len({each["id"] for each in response.content["deliveries"]}) == 2
    assert len(aws.parameters("SendMessage")) == 2
    assert response.counts == {RECEIVED: 1, QUEUED: 2}


def test_same_fact_has_the_same_id_again(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """A duplicate, and another report of the act, is answered alike and deduplicated by SQS."""
    other_report = changed(event="MODEL_VERSION_TRANSITIONED_TO_PRODUCTION", webhook_id="another")
    answers = []
    for payload in (TRANSITION, TRANSITION, other_report):
        answers.append(ingest.answer(webhook(payload)).content)
        clock.now += 60
    assert answers[0] == answers[1] == answers[2]
    assert len({each["MessageDeduplicationId"] for each in aws.parameters("SendMessage")}) == 1


@pytest.mark.parametrize(
    ("payload", "words", "reason"),
    [
        (FIXTURES[3]["payload"], "This is a test delivery", "test-delivery"),
        (changed(event="NEW_KIND"), "not one that Model Relay knows", "unknown-event"),
        (FIXTURES[1]["payload"], "No route wants this model_version.tag_set event.", "no-route"),
    ],
)
def test_what_starts_nothing_is_answered_200(
    aws: Aws, ingest: Ingest, payload: dict[str, Any], words: str, reason: str
) -> None:
    """A test delivery, or an event that no route wants, is no error, stores nothing and is counted."""
    response = ingest.answer(webhook(payload))
    check(response, 200, "ignored", words)
    assert (response.counts, response.reason) == ({RECEIVED: 1, IGNORED: 1}, reason)
    assert aws.parameters("SendMessage") == []


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (webhook(b"{"), 400, "not JSON"),
        (webhook(changed(model_name=None)), 400, "'model_name' is missing"),
        (UNSIGNED, 401, "does not prove"),
        (webhook(changed(), secret="wrong"), 401, "does not prove"),
        (webhook(b"{", secret="wrong"), 401, "does not prove"),
        (webhook(b" " * 4097), 413, "larger than 4 KiB"),
        (webhook(b" " * 4097, headers={}), 413, "larger than 4 KiB"),
        (webhook(changed(), path="/"), 404, "taken at /databricks"),
        (webhook(changed(), path="/mlflow"), 404, "taken at /databricks"),
        (webhook(changed(), path="/databricks/x"), 404, "taken at /databricks"),
        (webhook(changed(), path="//databricks"), 404, "taken at /databricks"),
        (webhook(changed(), method="GET"), 405, "with POST"),
        (webhook(changed(), method="PUT", headers={}), 405, "with POST"),
    ],
)
def test_refusal_says_what_is_wrong(
    aws: Aws, ingest: Ingest, request_: Request, status: int, words: str
) -> None:
    """What is the sender's fault is a 4xx, in the order of who may know what, and stores nothing."""
    check(ingest.answer(request_), status, "error", words)
    assert aws.parameters("SendMessage") == []


@pytest.mark.parametrize(
    ("request_", "counts"),
    [
        (UNSIGNED, {RECEIVED: 1, REJECTED: 1}),
        (webhook(changed(), method="GET"), {RECEIVED: 1, REJECTED: 1}),
        (webhook(changed(), path="/favicon.ico"), {REJECTED: 1}),
    ],
)
def test_request_to_no_sender_is_not_counted_as_received(
    ingest: Ingest, request_: Request, counts: dict[Metric, int]
) -> None:
    """Strangers who try paths don't hide how many webhooks there are; every refusal is counted."""
    assert ingest.answer(request_).counts == counts


def test_body_of_the_limit_is_read(ingest: Ingest) -> None:
    """The limit itself is allowed."""
    body = json.dumps(changed()).encode()
    assert ingest.answer(webhook(body + b" " * (4096 - len(body)))).status == 202


def test_large_body_is_refused_before_anything_is_asked(aws: Aws, ingest: Ingest) -> None:
    """A flood of large bodies costs no call."""
    ingest.answer(webhook(b" " * 5000))
    assert aws.calls == []


@pytest.mark.parametrize(
    ("address", "status"),
    [("192.0.2.7", 202), ("198.51.100.1", 403), ("2001:db8::1", 202), ("2001:db9::1", 403)],
)
def test_foreign_address_is_refused(
    aws: Aws, clock: Clock, ingest: Ingest, address: str, status: int
) -> None:
    """Where networks are named, only they may send, and nobody else makes us ask for a secret."""
    limited = build(clock, limits={"allowed_cidrs": ("192.0.2.0/24", "2001:db8::/32")})
    assert limited.answer(webhook(changed(), source_ip=address)).status == status
    assert bool(aws.calls) == (status == 202)


def test_allowed_address_proves_nothing(clock: Clock, ingest: Ingest) -> None:
    """An address is no authentication: the signature is needed all the same."""
    limited = build(clock, limits={"allowed_cidrs": ("192.0.2.0/24",)})
    assert limited.answer(UNSIGNED).status == 401


@pytest.mark.parametrize("value", [None, ""])
def test_empty_secret_fails_closed(aws: Aws, clock: Clock, value: str | None) -> None:
    """Before a secret is filled in, nothing is genuine, not even what is signed with nothing."""
    if value is not None:
        aws.keep_secret("webhook", value)
    assert build(clock).answer(webhook(changed(), secret="")).status == 401


def test_previous_secret_is_accepted(aws: Aws, clock: Clock) -> None:
    """During a rotation the sender may still use the previous secret."""
    aws.keep_secret("webhook", "new")
    aws.keep_secret("webhook", "old", "AWSPREVIOUS")
    ingest = build(clock)
    statuses = [ingest.answer(webhook(changed(), secret=used)).status for used in ("new", "old", "older")]
    assert statuses == [202, 202, 401]


def test_queue_that_fails_is_503(aws: Aws, ingest: Ingest) -> None:
    """What SQS did not confirm is not accepted; the sender learns when to come again."""
    aws.fail("SendMessage", times=1)
    response = ingest.answer(webhook(changed()))
    check(response, 503, "error", "could not be stored")
    assert response.headers == {"retry-after": "30"}
    assert ingest.answer(webhook(changed())).status == 202


def test_partial_failure_is_503(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """202 comes only after every message is stored; sent again, the first is deduplicated by its id."""
    both = build(clock, routes=tuple(replace(ROUTE, name=name) for name in ("a", "b")))
    aws.fail("SendMessage", after=1, times=1)
    assert both.answer(webhook(changed())).status == 503
    assert both.answer(webhook(changed())).status == 202
    ids = [each["MessageDeduplicationId"] for each in aws.parameters("SendMessage")]
    assert ids[:2] == ids[2:]


def test_unknown_secret_is_503(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """When Secrets Manager fails and nothing is known, the sender is asked to come again."""
    aws.fail("GetSecretValue")
    response = ingest.answer(webhook(changed()))
    check(response, 503, "error", "could not be checked")
    assert response.headers == {"retry-after": "30"}
    aws.mend()
    clock.now += FAILURE_SECONDS
    assert ingest.answer(webhook(changed())).status == 202


def test_known_secret_outlasts_an_outage(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """Once a secret is known, Secrets Manager is not on the path of an event."""
    ingest.answer(webhook(changed()))
    aws.fail("GetSecretValue")
    clock.now += TTL_SECONDS
    assert ingest.answer(webhook(changed(version="9"))).status == 202


def test_event_too_large_for_the_queue_is_413(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """An event that no message can hold is told as such, since sending it again would not help."""
    large = changed(tags=[{"key": "k", "value": "x" * 1_050_000}])
    patient = build(clock, limits={"max_body_bytes": 2_000_000})
    check(patient.answer(webhook(large)), 413, "error", "does not fit")
    assert aws.parameters("SendMessage") == []


def test_flood_of_unsigned_requests_costs_nothing(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """What proves nothing is refused before anything is asked, by a cold function as well."""
    for _ in range(300):
        assert ingest.answer(UNSIGNED).status == 401
        clock.now += 1
    assert aws.calls == []


def test_flood_of_forgeries_costs_a_look_in_four_minutes(aws: Aws, clock: Clock, ingest: Ingest) -> None:
    """Forgers reach neither SQS nor, more than once in a time to live, Secrets Manager."""
    for _ in range(300):
        assert ingest.answer(webhook(changed(), secret="wrong")).status == 401
        clock.now += 1
    assert {name for name, _ in aws.calls} == {"GetSecretValue"}
    refreshes = -(-300 // TTL_SECONDS)
    assert len(aws.calls) == refreshes * len(STAGES)


ROTATED_AT = (600.0, 2_400.0)
IN_FORCE_SECONDS = 300.0
"""What operators are promised: `modelrelay secrets rotate-webhook` says "within five minutes"."""


def test_rotation_has_no_gap(aws: Aws, clock: Clock) -> None:
    """A sender that follows a rotation after five minutes is never refused, whenever a function was started.

    Eight environments are started over four minutes: some look just before a rotation, and some just after.
    Five minutes after the second rotation, the first value is good nowhere.
    """
    aws.keep_secret("webhook", "first")
    started: list[Ingest] = []
    late: dict[float, set[int]] = {}
    values = ["first", "second", "third"]
    sent = {value: webhook(changed(event="COMMENT_CREATED"), secret=value) for value in values}
    for second in range(0, 3_600, 5):
        if second in ROTATED_AT:
            place = ROTATED_AT.index(second)
            rotate(aws, values[place + 1], values[place])
        if second % 35 == 0 and len(started) < 8:
            started.append(build(clock))
        known = values[sum(second >= at + IN_FORCE_SECONDS for at in ROTATED_AT)]
        assert {each.answer(sent[known]).status for each in started} == {200}, second
        late[second - ROTATED_AT[1]] = {each.answer(sent["first"]).status for each in started}
        clock.now += 5
    assert late[-5.0] == {200}
    assert all(answers == {401} for after, answers in late.items() if after >= IN_FORCE_SECONDS)
    assert {200, 401} in late.values()


def rotate(aws: Aws, value: str, previous: str) -> None:
    """Do what Secrets Manager does with a new value."""
    aws.keep_secret("webhook", value)
    aws.keep_secret("webhook", previous, "AWSPREVIOUS")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"event": "MODEL_VERSION_TAG_SET"},
        {"event": "NEW_KIND"},
        {"model_name": ""},
        {"model_name": 5},
        {"tags": [CANARIES[1]]},
        {"tags": [{"key": CANARIES[1], "value": 5}]},
        {"comment": [CANARIES[3]]},
    ],
)
@pytest.mark.parametrize("secret", [SECRET, "wrong"])
def test_answer_and_log_give_nothing_away(ingest: Ingest, changes: dict[str, Any], secret: str) -> None:
    """Neither the secret nor prose, addresses or tags of an event are ever repeated."""
    response = ingest.answer(webhook({**REVEALING, **changes}, secret=secret))
    shown = json.dumps([response.content, dict(response.headers), response.facts])
    assert not [canary for canary in (*CANARIES, SECRET) if canary in shown]


class Work:
    """Counts what is computed and compared, with how many bytes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, int, int]] = []
        self._patch(patch, hmac, "new")
        self._patch(patch, hmac, "compare_digest")
        self._patch(patch, hashlib, "sha256")

    def _patch(self, patch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def counted(*given: Any, **named: Any) -> Any:
            sizes = [len(each) for each in given if isinstance(each, bytes)]
            self.done.append((name, sum(sizes), len(sizes)))
            return real(*given, **named)

        patch.setattr(module, name, counted)

    def of(self, name: str, request: Request, secrets: list[str]) -> tuple[bool, list[tuple[str, int, int]]]:
        """Verify a request, and give the verdict and the work."""
        self.done.clear()
        verdict = SENDERS[name].verify(request, secrets, NOW)
        return verdict, self.done.copy()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", SENDERS)
def test_verifying_costs_the_same_whatever_is_right(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    """A right proof, one that differs in its first or last character, and a wrong one cause the same work.

    Counted, not timed: how many digests over how many bytes, and how many comparisons of how many bytes. With
    two secrets both are tried, whichever is the right one.
    """
    right, value = GOOD[name].headers[PROOF[name]], SECRETS[name]
    first = right.rindex(",") + 1 if "," in right else right.rindex(" ") + 1 if " " in right else 0
    last = len(right.rstrip("=")) - 2
    wrong = right[:first] + "".join(map(_other, right[first:]))
    proofs = [right, *(other(right, place) for place in (first, len(right) // 2, last)), wrong]
    others = {"databricks-jobs": json.dumps({"username": "databricks", "password": "x" * len(SECRET)})}
    wrong_value = others.get(name, value[::-1] if name != "events" else "QUJD" * (len(value) // 4))
    orders = [[value]] if count == 1 else [[value, wrong_value], [wrong_value, value]]
    work = Work(monkeypatch)
    found = [
        work.of(name, with_header(GOOD[name], PROOF[name], given), secrets)
        for secrets in orders
        for given in proofs
    ]
    assert [verdict for verdict, _ in found] == [True, False, False, False, False] * len(orders)
    assert len({tuple(done) for _, done in found}) == 1
    assert [each[0] for each in found[0][1]].count("compare_digest") == count


def _other(letter: str) -> str:
    """Give another letter, of those that every proof may be made of."""
    return letter if letter == "=" else "1" if letter != "1" else "2"
