"""The task of a Databricks job that tells Model Relay: what it sends, how it persists, and how it fails."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.examples.server import STORED, Reply, Sent, relay
from tests.examples.task import SECRET, deployment, run, trigger, update

CHAMPION = update("main.ml.churn", 3, "champion")

DBUTILS = f"""
class dbutils:
    class secrets:
        def get(scope, key):
            return {{"s/k": {SECRET!r}}}[f"{{scope}}/{{key}}"]
"""
"""A stand-in for what Databricks has as `databricks.sdk.runtime`: it holds one secret."""


def verified(sent: Sent, secret: str = SECRET) -> Any:
    """Have a library of Standard Webhooks judge a request, and give the event."""
    return Webhook(secret).verify(sent.body, dict(sent.headers))


def test_each_update_of_a_batch_becomes_its_event() -> None:
    """An alias, a version and a model become their kinds of event, in their order, each signed."""
    updates = [CHAMPION, update("main.ml.churn", 4), update("main.ml.new")]
    with relay() as server:
        done = trigger(server.url, updates, "--started-at=2026-05-04T03:02:01.123456Z")
    assert (done.returncode, done.stderr) == (0, "")
    assert [sent.path for sent in server.sent] == ["/events"] * 3
    assert [verified(sent) for sent in server.sent] == [
        {"type": kind, "timestamp": "2026-05-04T03:02:01.123Z", "data": data}
        for kind, data in [
            ("model_version.alias_set", {"model_name": "main.ml.churn", "version": "3", "alias": "champion"}),
            ("model_version.created", {"model_name": "main.ml.churn", "version": "4"}),
            ("model.created", {"model_name": "main.ml.new"}),
        ]
    ]
    assert done.stdout.count('stored, [{"id": ') == 3


@pytest.mark.parametrize(
    ("arguments", "kind", "more"),
    [
        ((), "model_version.stage_transitioned", {"to_stage": "Production"}),
        (("--to-stage=Staging",), "model_version.stage_transitioned", {"to_stage": "Staging"}),
        (("--alias=champion",), "model_version.alias_set", {"alias": "champion"}),
    ],
)
def test_a_deployment_job_tells_of_a_stage_or_an_alias(
    arguments: tuple[str, ...], kind: str, more: dict[str, str]
) -> None:
    """The version goes to Production unless another stage or an alias is named."""
    with relay() as server:
        assert deployment(server.url, "main.ml.churn", "3", *arguments).returncode == 0
    event = verified(server.sent[0])
    assert event["type"] == kind
    assert event["data"] == {"model_name": "main.ml.churn", "version": "3", **more}


def test_ids_hold_over_retries_of_a_run() -> None:
    """The same run sends the same ids again, in both commands; another run sends others."""
    with relay() as server:
        for run_id in ("1", "1", "2"):
            trigger(server.url, [CHAMPION], run_id=run_id)
        for run_id in ("1", "1", "2"):
            deployment(server.url, "main.ml.churn", "3", run_id=run_id)
    ids = [sent.id for sent in server.sent]
    assert ids[0] == ids[1]
    assert ids[3] == ids[4]
    assert len(set(ids)) == 4


def test_each_fact_of_a_run_has_its_own_id() -> None:
    """Model, version, alias and stage tell ids apart; so does setting an alias back within one batch."""
    updates = [
        CHAMPION,
        update("main.ml.churn", 4, "champion"),
        CHAMPION,
        update("main.ml.churn", 3, "challenger"),
        update("main.ml.other", 3, "champion"),
        update("main.ml.churn", 3),
        update("main.ml.churn"),
    ]
    with relay() as server:
        trigger(server.url, updates, run_id="1")
        for stage in ("Staging", "Production"):
            deployment(server.url, "main.ml.churn", "3", f"--to-stage={stage}", run_id="1")
        once = [sent.id for sent in server.sent]
        trigger(server.url, updates, run_id="1")
    assert len(set(once)) == len(once) == 9
    assert [sent.id for sent in server.sent[9:]] == once[:7]


@pytest.mark.parametrize(
    ("started_at", "timestamp"),
    [
        ("2026-05-04T03:02:01Z", "2026-05-04T03:02:01.000Z"),
        ("2026-05-04T03:02:01.5+00:00", "2026-05-04T03:02:01.500Z"),
        ("2026-05-04T03:02:01.123", "2026-05-04T03:02:01.123Z"),
        ("2026-05-04T05:02:01+02:00", "2026-05-04T03:02:01.000Z"),
    ],
)
def test_the_event_happened_when_the_run_started(started_at: str, timestamp: str) -> None:
    """However Databricks writes the start, it is told in UTC with milliseconds."""
    with relay() as server:
        trigger(server.url, [CHAMPION], f"--started-at={started_at}")
    assert server.sent[0].event["timestamp"] == timestamp


@pytest.mark.parametrize("arguments", [(), ("--started-at={{job.start_time.iso_datetime}}",)])
def test_without_a_start_the_event_happened_now(arguments: tuple[str, ...]) -> None:
    """An event is not lost for want of its time."""
    with relay() as server:
        trigger(server.url, [CHAMPION], *arguments)
    when = datetime.fromisoformat(server.sent[0].event["timestamp"])
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)


def test_an_outage_is_waited_out() -> None:
    """After 503 it comes again when asked to: same id and body, a new time and a signature that fits it."""
    busy = Reply(503, {"error": "later"}, {"retry-after": "1"})
    with relay(busy, busy, STORED) as server:
        done = trigger(server.url, [CHAMPION])
    assert done.returncode == 0, done.stderr
    first, second, third = server.sent
    assert len({sent.id for sent in server.sent}) == len({sent.body for sent in server.sent}) == 1
    assert len({sent.headers["webhook-timestamp"] for sent in server.sent}) == 3
    assert len({sent.headers["webhook-signature"] for sent in server.sent}) == 3
    for sent in server.sent:
        verified(sent)
        assert 0 <= sent.at - int(sent.headers["webhook-timestamp"]) < 2
    assert second.at - first.at >= 1
    assert third.at - second.at >= 1


def test_a_date_to_come_back_at_is_honoured() -> None:
    """`Retry-After` may be a date too."""
    then = datetime.now(UTC) + timedelta(seconds=3)
    with relay(Reply(429, None, {"retry-after": format_datetime(then, usegmt=True)}), STORED) as server:
        assert trigger(server.url, [CHAMPION]).returncode == 0
    assert server.sent[1].at >= then.replace(microsecond=0).timestamp()


@pytest.mark.parametrize("retry_after", ["", "soon", "-5"])
def test_pauses_grow(retry_after: str) -> None:
    """Without a time that makes sense, each pause is twice the one before."""
    with relay(Reply(500, None, {"retry-after": retry_after})) as server:
        trigger(server.url, [CHAMPION], "--attempts=4", "--pause=0.2")
    times = [sent.at for sent in server.sent]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.2, 0.4, 0.8), strict=True))


def test_it_gives_up_in_words() -> None:
    """After its attempts it fails, says what it met, and sends nothing that would overtake the event."""
    with relay(Reply(503, {"error": "The event could not be stored."})) as server:
        done = trigger(server.url, [CHAMPION, update("main.ml.churn", 4, "champion")], "--attempts=3")
    assert done.returncode == 1
    assert len({sent.id for sent in server.sent}) == 1
    assert len(server.sent) == 3
    assert "2 of 2, from model_version.alias_set model_name=main.ml.churn version=3" in done.stderr
    assert "Gave up after 3 attempts" in done.stderr
    assert "503 The event could not be stored." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_connection_is_tried_again() -> None:
    """A server that hangs up may have stored the event: the same id makes it safe to ask again."""
    with relay(Reply(0), STORED) as server:
        assert trigger(server.url, [CHAMPION]).returncode == 0
    assert [sent.id for sent in server.sent] == [server.sent[0].id] * 2


def test_nothing_that_went_wrong_is_left_out() -> None:
    """Where the rest can't be sent, the updates that were refused or made no sense are told as well."""
    with relay(Reply(400, {"error": "It says why."}), Reply(503)) as server:
        updates = [CHAMPION, {"version": 9}, update("main.ml.other", 1)]
        done = trigger(server.url, updates, "--attempts=1")
    assert done.returncode == 1
    assert "400 It says why." in done.stderr
    assert '{"version": 9}' in done.stderr
    assert "1 of 2, from model_version.created model_name=main.ml.other" in done.stderr


def test_nobody_answers() -> None:
    """A server that is not there ends in a sentence."""
    with relay() as server:
        pass
    done = trigger(server.url, [CHAMPION], "--attempts=2")
    assert done.returncode == 1
    assert "Gave up after 2 attempts" in done.stderr
    assert "refused" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "EventsSecretName"), (403, "allowed_cidrs"), (404, "relay.ingest.senders"), (405, "405")],
)
def test_what_is_set_up_wrong_is_not_tried_again(status: int, hint: str) -> None:
    """One request is enough to learn that none will do; the answer and a hint are told, the secret is not."""
    with relay(Reply(status, {"error": "It says why."})) as server:
        done = trigger(server.url, [CHAMPION, update("main.ml.other", 1, "champion")])
    assert (done.returncode, len(server.sent)) == (1, 1)
    assert f"{status} It says why." in done.stderr
    assert hint in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_event_does_not_hold_up_the_others(status: int) -> None:
    """It is not tried again; the rest is sent; then the task fails and names it."""
    with relay(Reply(status, {"error": "It says why."}), STORED) as server:
        done = trigger(server.url, [CHAMPION, update("main.ml.other", 1, "champion")])
    assert done.returncode == 1
    assert [sent.event["data"]["model_name"] for sent in server.sent] == ["main.ml.churn", "main.ml.other"]
    assert (
        f"model_name=main.ml.churn version=3 alias=champion: Model Relay refuses it: {status}" in done.stderr
    )
    assert "main.ml.other" not in done.stderr


@pytest.mark.parametrize(
    "bad",
    [
        {"version": 3, "alias_name": "no-name"},
        {"full_name": "", "version": 3},
        {"full_name": 7},
        {"full_name": "main.ml.bad", "version": "three"},
        {"full_name": "main.ml.bad", "version": True},
        {"full_name": "main.ml.bad", "alias_name": "of-no-version"},
        {"full_name": "main.ml.bad", "version": 3, "alias_name": ["a"]},
        "main.ml.bad",
        None,
    ],
)
def test_an_update_that_makes_no_sense_does_not_hold_up_the_others(bad: Any) -> None:
    """The good ones before and behind it are sent; then the task fails and quotes it."""
    with relay() as server:
        done = trigger(server.url, [CHAMPION, bad, update("main.ml.other", 1)])
    assert done.returncode == 1
    assert [sent.event["data"]["model_name"] for sent in server.sent] == ["main.ml.churn", "main.ml.other"]
    (problem,) = re.findall("^  (.*)$", done.stderr, re.MULTILINE)
    assert "main.ml.churn" not in problem
    assert "Traceback" not in done.stderr


def test_fields_that_are_null_or_empty_are_not_there() -> None:
    """Whether Databricks leaves a field out or leaves it empty makes no difference."""
    updates = [
        {"full_name": "main.ml.a", "version": None, "alias_name": ""},
        {"full_name": "main.ml.b", "version": "2"},
    ]
    with relay() as server:
        assert trigger(server.url, updates).returncode == 0
    assert [sent.event["type"] for sent in server.sent] == ["model.created", "model_version.created"]


@pytest.mark.parametrize("updates", ["[]", "", " "])
def test_an_empty_batch_is_fine(updates: str) -> None:
    """With nothing to send it says so and needs neither server nor secret."""
    done = trigger("http://127.0.0.1:9", updates, secret=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "There were no updates, so there was nothing to send.\n"


@pytest.mark.parametrize("updates", ["no json", '{"full_name": "main.ml.churn"}', "[", "3"])
def test_what_is_no_batch_is_quoted(updates: str) -> None:
    """Garbage ends in a sentence that shows it."""
    done = trigger("http://127.0.0.1:9", updates)
    assert done.returncode == 1
    assert done.stderr.startswith("--updates is no")
    assert updates in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reference_that_was_not_filled_in_is_told() -> None:
    """A literal `{{...}}` is no run id: every later event would have the id of the first."""
    with relay() as server:
        done = [
            trigger(server.url, [CHAMPION], run_id="{{job.run_id}}"),
            trigger(server.url, "{{job.trigger.model.updates}}"),
            deployment(server.url, "{{job.parameters.model_name}}", "3"),
            deployment(server.url, "main.ml.churn", "{{job.parameters.model_version}}"),
        ]
    assert server.sent == []
    assert [each.returncode for each in done] == [1] * 4
    assert all("Databricks put nothing in its place" in each.stderr for each in done)


@pytest.mark.parametrize(
    ("name", "version", "run_id"), [("", "", "1"), ("main.ml.churn", "", "1"), ("main.ml.churn", "3", "")]
)
def test_a_deployment_of_nothing_is_told(name: str, version: str, run_id: str) -> None:
    """A deployment job that was started by hand without its parameters fails in words."""
    with relay() as server:
        done = deployment(server.url, name, version, run_id=run_id)
    assert (done.returncode, server.sent) == (1, [])
    assert "empty" in done.stderr


@pytest.mark.parametrize(
    ("secret", "says"),
    [(None, "no secret"), ("", "no secret"), ("n@t base64", "not base64"), ("whsec_", "not base64")],
)
def test_a_secret_that_can_not_be_used_is_told(secret: str | None, says: str) -> None:
    """Without a secret that is one nothing is sent, and what was given instead is not shown."""
    with relay() as server:
        done = trigger(server.url, [CHAMPION], secret=secret)
    assert (done.returncode, server.sent) == (1, [])
    assert says in done.stderr
    assert "n@t" not in done.stderr


@pytest.mark.parametrize("secret", [f"whsec_{SECRET}", f"{SECRET}\n"])
def test_a_secret_may_be_written_in_other_ways(secret: str) -> None:
    """A `whsec_` before it and a line's end behind it are no part of the secret."""
    with relay() as server:
        assert trigger(server.url, [CHAMPION], secret=secret).returncode == 0
    verified(server.sent[0])


def test_on_databricks_the_secret_comes_from_its_scope(tmp_path: Path) -> None:
    """Where no variable has the secret, `dbutils` gives it, and it is not printed."""
    runtime = tmp_path / "databricks" / "sdk" / "runtime.py"
    runtime.parent.mkdir(parents=True)
    runtime.write_text(DBUTILS, encoding="utf-8")
    as_there: Any = {"secret": None, "flags": ("-S",), "PYTHONPATH": str(tmp_path)}
    with relay() as server:
        done = trigger(server.url, [CHAMPION], "--secret-scope=s", "--secret-key=k", **as_there)
        unknown = trigger(server.url, [CHAMPION], "--secret-scope=s", "--secret-key=other", **as_there)
    assert done.returncode == 0, done.stderr
    verified(server.sent[0])
    assert SECRET not in done.stdout
    assert unknown.returncode == len(server.sent) == 1
    assert unknown.stderr == "The secret s/other can't be read: KeyError 's/other'\n"


def test_elsewhere_a_scope_can_not_be_read() -> None:
    """Where there is no Databricks, a scope is no use, and a sentence says so."""
    done = trigger("http://127.0.0.1:9", [CHAMPION], "--secret-scope=s", "--secret-key=k", secret=None)
    assert done.returncode == 1
    assert done.stderr.startswith("The secret s/k can't be read: ModuleNotFoundError")


def test_an_ignored_event_is_a_success() -> None:
    """Model Relay's reason is in the log, and the task does not fail."""
    with relay(Reply(200, {"ignored": "No route wants it."})) as server:
        done = trigger(server.url, [CHAMPION])
    assert done.returncode == 0
    assert "ignored: No route wants it." in done.stdout


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "Welcome"),
        Reply(200, {}),
        Reply(202, []),
        Reply(204),
        Reply(302, None, {"location": "/elsewhere"}),
    ],
)
def test_something_else_that_answers_is_no_success(reply: Reply) -> None:
    """A friendly answer of another server, or a redirect, must not pass for a stored event."""
    with relay(reply) as server:
        done = trigger(server.url, [CHAMPION])
    assert (done.returncode, len(server.sent)) == (1, 1)
    assert "is not Model Relay" in done.stderr


@pytest.mark.parametrize("end", ["", "/", "/events", "/events/"])
def test_the_url_may_end_in_any_way(end: str) -> None:
    """The stack's output, with a slash or the path behind it, leads to one place."""
    with relay() as server:
        assert trigger(f"{server.url}{end}", [CHAMPION]).returncode == 0
    assert server.sent[0].path == "/events"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "relay.example.com", "https://", ""])
def test_a_url_that_is_none_is_told(url: str) -> None:
    """What nobody can post to is refused before anything is read."""
    done = trigger(url, [CHAMPION])
    assert done.returncode == 2
    assert "is not an https:// address" in done.stderr


@pytest.mark.parametrize("url", ["http://a..b", "http://127.0.0.1:port", "http://no such host"])
def test_a_host_that_can_not_be_is_told(url: str) -> None:
    """What only shows when it is called ends in a sentence too."""
    done = trigger(url, [CHAMPION], "--attempts=1")
    assert done.returncode == 1
    assert "no answer: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_proxy_is_used() -> None:
    """The environment's proxy gets the request, as people behind one need."""
    with relay() as server:
        done = trigger("http://relay.example", [CHAMPION], http_proxy=server.url)
    assert done.returncode == 0, done.stderr
    assert server.sent[0].path == "http://relay.example/events"


def test_names_of_any_script_are_carried() -> None:
    """A name is signed and sent as it is, whatever its letters, and even if it looks like an option."""
    names = ["main.ml.größe", "main.ml.模型", "--url"]
    with relay() as server:
        assert trigger(server.url, [update(name, 1) for name in names]).returncode == 0
        assert deployment(server.url, names[2], "1").returncode == 0
    assert [verified(sent)["data"]["model_name"] for sent in server.sent] == [*names, names[2]]


def test_the_secret_is_no_option() -> None:
    """A secret on the command line is refused, also where it would stand for a longer option's name."""
    with relay() as server:
        done = trigger(server.url, [CHAMPION], "--secret=abc")
    assert (done.returncode, server.sent) == (2, [])


def test_help_is_given() -> None:
    """Each command explains its options."""
    for command in ((), ("trigger",), ("deployment",)):
        assert run(*command, "--help").stdout.startswith("usage: relay_task.py")


def test_time_is_not_wasted() -> None:
    """No pause follows the last attempt."""
    with relay(Reply(503, None, {"retry-after": "30"})) as server:
        begun = time.monotonic()
        trigger(server.url, [CHAMPION], "--attempts=1")
    assert time.monotonic() - begun < 10
