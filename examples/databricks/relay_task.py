"""Tells Model Relay what happened to models in Unity Catalog: one task of a Databricks job.

Models in Unity Catalog have no webhooks. What there is: jobs that a model update trigger starts (`trigger`),
and deployment jobs (`deployment`); see databricks.yml beside this file for both. Copy this file anywhere: it
needs Python 3.10 or newer and nothing that Python does not bring along.

A task that is tried again, or whose job run is repaired, sends the same ids again, so nothing starts twice.
"""

# ruff: noqa: INP001, T201, UP017, S310
# This is a file to copy, not a package; a task's output is its log; Python 3.10 has no datetime.UTC; and the
# URL's scheme is checked where the URL is read.

import argparse
import base64
import hashlib
import hmac
import http.client
import importlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

SECRET_VARIABLE = "RELAY_SECRET"  # noqa: S105 - a name
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0  # A cluster that waits costs money; the task's own retry comes later for free.
TIMEOUT_SECONDS = 30.0

HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: " The secret is not the one that Model Relay checks with (the secret that the "
    "stack's output EventsSecretName names), or this machine's clock is more than five minutes off.",
    HTTPStatus.FORBIDDEN: " Is this cluster's address among relay.ingest.allowed_cidrs?",
    HTTPStatus.NOT_FOUND: ' Is --url the stack\'s output IngestUrl, and "events" among relay.ingest.senders?',
}


class Failed(Exception):
    """The task can't do its work. The text is for the person who reads the run's log."""


class Refused(Failed):
    """Model Relay does not take this one event. It would take others."""


@dataclass(frozen=True)
class Fact:
    """What happened to a model, as Model Relay calls it.

    Attributes:
        kind: One of Model Relay's kinds of event.
        model_name: The three-level name.
        version: Digits.
        alias: For `model_version.alias_set`.
        to_stage: For `model_version.stage_transitioned`.
        nth: Tells equal updates of one batch apart: an alias that went from 3 to 4 and back to 3 was set
            three times, and the last time counts.
    """

    kind: str
    model_name: str
    version: str = ""
    alias: str = ""
    to_stage: str = ""
    nth: int = 1

    @property
    def data(self) -> dict[str, str]:
        """The event's `data`: what is known and nothing else."""
        fields = {"model_name": self.model_name, "version": self.version}
        fields |= {"alias": self.alias, "to_stage": self.to_stage}
        return {name: value for name, value in fields.items() if value}

    def id(self, run_id: str) -> str:
        """Give the id: the same for each try of one job run, another for another run or another fact."""
        text = json.dumps([run_id, *astuple(self)])
        return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.data.items())])


@dataclass(frozen=True)
class Answer:
    """What an attempt came to. Without a status nobody answered, and `text` says why."""

    status: int
    text: str
    retry_after: str = ""

    @property
    def may_change(self) -> bool:
        """Tell whether the same request may fare better later."""
        return not self.status or self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= 500  # noqa: PLR2004 - HTTP

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object that was answered, or an empty one."""
        try:
            content = json.loads(self.text)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def wanted_pause(self) -> float:
        """How many seconds the server asks to wait: it may say so in seconds or as a date."""
        try:
            return float(self.retry_after)
        except ValueError:
            pass
        try:
            return parsedate_to_datetime(self.retry_after).timestamp() - time.time()
        except (TypeError, ValueError):
            return 0.0

    def __str__(self) -> str:
        said = self.content.get("error") or " ".join(self.text.split())[:200]
        return f"{self.status} {said}" if self.status else said


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an answer. urllib would go there with GET and without the event."""

    def redirect_request(self, *_args: Any) -> None:
        """Go nowhere."""


class Relay:
    """Model Relay's address and the key to sign with.

    Proxies are found where Python looks for them: HTTPS_PROXY and its like.
    """

    def __init__(self, url: str, key: bytes, attempts: int, pause: float) -> None:
        self.url = f"{url.rstrip('/').removesuffix('/events')}/events"
        self._key = key
        self._attempts = attempts
        self._pause = pause
        self._opener = urllib.request.build_opener(NoRedirects)

    def send(self, message_id: str, body: bytes) -> str:
        """Send an event, again and again where that may help, and give what became of it.

        Raises:
            Refused: This event is not taken.
            Failed: Nothing can be sent: not now, or not with this address or secret.
        """
        answer = self._persist(message_id, body)
        if answer.status == HTTPStatus.ACCEPTED and "deliveries" in answer.content:
            return f"stored, {json.dumps(answer.content['deliveries'])}"
        if answer.status == HTTPStatus.OK and "ignored" in answer.content:
            return f"ignored: {answer.content['ignored']}"
        if answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
            raise Refused(f"Model Relay refuses it: {answer}")
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise Failed(f"What answers at {self.url} is not Model Relay ({answer}). Is --url right?")
        raise Failed(f"{self.url} refuses to be called like this: {answer}{HINTS.get(answer.status, '')}")

    def _persist(self, message_id: str, body: bytes) -> Answer:
        for attempt in range(1, self._attempts + 1):
            answer = self._attempt(message_id, body)
            if not answer.may_change:
                return answer
            if attempt < self._attempts:
                pause = max(self._pause * 2 ** (attempt - 1), answer.wanted_pause)
                pause = min(pause, LONGEST_PAUSE_SECONDS)
                print(f"Attempt {attempt} failed ({answer}); the next is in {pause:.0f} s.", flush=True)
                time.sleep(pause)
        raise Failed(
            f"Gave up after {self._attempts} attempts at {self.url}; the last one: {answer}. Nothing is lost "
            "yet: run the task again or repair the run. What was stored already is not started twice."
        )

    def _attempt(self, message_id: str, body: bytes) -> Answer:
        headers = sign(self._key, message_id, int(time.time()), body)
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return Answer(response.status, response.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            return refusal(error)
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
        ) as error:  # ValueError: a host's name that is none
            reason = getattr(error, "reason", error)
            return Answer(0, f"no answer: {reason or type(error).__name__}")


def refusal(error: urllib.error.HTTPError) -> Answer:
    """Read an answer that urllib takes for an error."""
    try:
        text = error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        text = ""
    return Answer(error.code, text or error.reason, error.headers.get("Retry-After") or "")


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the headers of the Standard Webhooks scheme (standardwebhooks.com, "Signature scheme")."""
    content = b".".join([message_id.encode(), str(timestamp).encode(), body])
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "model-relay-task",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def read_batch(text: str) -> tuple[list[Fact], list[str]]:
    """Read what `{{job.trigger.model.updates}}` gives: the facts, and what is wrong with the other updates.

    Raises:
        Failed: It is no such list.
    """
    try:
        updates = json.loads(filled("--updates", text).strip() or "[]")
    except ValueError:
        raise Failed(f"--updates is not JSON: {text[:100]!r}.") from None
    if not isinstance(updates, list):
        raise Failed(f"--updates is not a list: {text[:100]!r}.")
    facts, problems = [], []
    seen: Counter[Fact] = Counter()
    for update in updates:
        try:
            fact = read_update(update)
        except Failed as problem:
            problems.append(f"{problem} {json.dumps(update)[:200]}")
            continue
        seen[fact] += 1
        facts.append(replace(fact, nth=seen[fact]))
    return facts, problems


def read_update(update: Any) -> Fact:
    """Read one update: `full_name` is always there, `version` and `alias_name` where they apply.

    Source: docs.databricks.com/aws/en/jobs/model-update-triggers.

    Raises:
        Failed: It can't be understood.
    """
    if not isinstance(update, dict):
        raise Failed("This update is not an object:")
    name, alias = update.get("full_name"), update.get("alias_name") or ""
    if not isinstance(name, str) or not name or not isinstance(alias, str):
        raise Failed("This update has no full_name, or names that are no texts:")
    version = read_version(update.get("version"))
    if alias and not version:
        raise Failed("This update sets an alias of no version:")
    if alias:
        return Fact("model_version.alias_set", name, version, alias)
    return Fact("model_version.created" if version else "model.created", name, version)


def read_version(version: Any) -> str:
    """Give a version as digits, or an empty text where there is none.

    Raises:
        Failed: It is something else.
    """
    if version is None or version == "":
        return ""
    digits = str(version)
    if not (digits.isascii() and digits.isdigit()):
        raise Failed("The version is not a whole number:")
    return digits


def read_deployment(arguments: argparse.Namespace) -> Fact:
    """Read what a deployment job is told: its job parameters `model_name` and `model_version`.

    Source: docs.databricks.com/aws/en/mlflow/deployment-job.

    Raises:
        Failed: One of them is missing; so it is where a person starts the job and names no model.
    """
    name = filled("--model-name", arguments.model_name)
    version = read_version(filled("--model-version", arguments.model_version))
    if not name or not version:
        raise Failed("--model-name or --model-version is empty. Was the job started by hand, without them?")
    if arguments.alias:
        return Fact("model_version.alias_set", name, version, arguments.alias)
    return Fact("model_version.stage_transitioned", name, version, to_stage=arguments.to_stage)


def filled(name: str, value: str) -> str:
    """Give a value, unless Databricks left its `{{reference}}` as it is.

    A run id that is always the same would make every later event look like one that was told before.

    Raises:
        Failed: It did.
    """
    if "{{" in value:
        raise Failed(f"{name} is {value}: Databricks put nothing in its place.")
    return value


def moment(started_at: str) -> str:
    """Give the time of the event in UTC: when the job run started, so that a retry says the same, or now.

    `{{job.start_time.iso_datetime}}` is in UTC, whether or not it says so.
    """
    try:
        when = datetime.fromisoformat(started_at.strip().replace("Z", "+00:00"))  # noqa: FURB162 - for 3.10
    except ValueError:
        when = datetime.now(timezone.utc)
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return when.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_key(arguments: argparse.Namespace) -> bytes:
    """Find the secret and decode it. Its text is never printed, nor taken from the command line.

    Raises:
        Failed: There is none, or it is not base64.
    """
    secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret and arguments.secret_scope and arguments.secret_key:
        secret = from_scope(arguments.secret_scope, arguments.secret_key)
    if not secret.strip():
        raise Failed(f"There is no secret. Set {SECRET_VARIABLE}, or name --secret-scope and --secret-key.")
    try:
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise Failed(
            "The secret is not base64, as the secret that EventsSecretName names is. Was it cut off?"
        )
    return key


def from_scope(scope: str, name: str) -> str:
    """Read a secret from a Databricks secret scope, where this runs on Databricks.

    Raises:
        Failed: It can't be read.
    """
    try:
        dbutils = importlib.import_module("databricks.sdk.runtime").dbutils
        return str(dbutils.secrets.get(scope=scope, key=name))
    except Exception as error:  # noqa: BLE001 - each kind of cluster has errors of its own
        why = next(iter(str(error).splitlines()), "")[:200]
        raise Failed(f"The secret {scope}/{name} can't be read: {type(error).__name__} {why}") from None


def send_all(facts: Sequence[Fact], relay: Relay, run_id: str, occurred_at: str, problems: list[str]) -> None:
    """Send the facts in their order, and add what goes wrong to the problems.

    A refused event does not hold up the others. Anything else that fails ends it: what is left must not
    overtake what could not be sent.
    """
    for sent, fact in enumerate(facts):
        body = json.dumps({"type": fact.kind, "timestamp": occurred_at, "data": fact.data}).encode()
        try:
            print(f"{fact}: {relay.send(fact.id(run_id), body)}", flush=True)
        except Refused as refused:
            problems.append(f"{fact}: {refused}")
        except Failed as failed:
            problems.append(f"{len(facts) - sent} of {len(facts)}, from {fact} on: {failed}")
            return


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--url", required=True, type=url, help="the stack's output IngestUrl")
    common.add_argument("--run-id", required=True, help="{{job.run_id}}: what the events' ids are made from")
    common.add_argument("--started-at", default="", help="{{job.start_time.iso_datetime}}; default: now")
    common.add_argument("--secret-scope", default="", help=f"where to look without {SECRET_VARIABLE}")
    common.add_argument("--secret-key", default="", help="the secret's name in that scope")
    common.add_argument("--attempts", type=int, default=ATTEMPTS, help="for each event (%(default)s)")
    common.add_argument(
        "--pause", type=float, default=FIRST_PAUSE_SECONDS, help="the first, in s; it doubles"
    )
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    trigger = commands.add_parser("trigger", parents=[common], help="in a job with a model update trigger")
    trigger.add_argument("--updates", required=True, help="{{job.trigger.model.updates}}")
    deployment = commands.add_parser("deployment", parents=[common], help="in a deployment job")
    deployment.add_argument("--model-name", required=True, help="{{job.parameters.model_name}}")
    deployment.add_argument("--model-version", required=True, help="{{job.parameters.model_version}}")
    deployment.add_argument("--to-stage", default="Production", help="tell of this stage (%(default)s)")
    deployment.add_argument("--alias", default="", help="tell of this alias instead of a stage")
    return parser.parse_args()


def url(text: str) -> str:
    """Check that a URL is one to post to."""
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not an https:// address")
    return text


def run(arguments: argparse.Namespace) -> None:
    """Do the task.

    Raises:
        Failed: Something was not sent.
    """
    facts, problems = (
        read_batch(arguments.updates)
        if arguments.command == "trigger"
        else ([read_deployment(arguments)], [])
    )
    run_id = filled("--run-id", arguments.run_id)
    if not run_id:
        raise Failed("--run-id is empty: the events would have no ids that hold over retries.")
    if facts:
        relay = Relay(arguments.url, read_key(arguments), max(arguments.attempts, 1), arguments.pause)
        send_all(facts, relay, run_id, moment(arguments.started_at), problems)
    if problems:
        raise Failed("Not sent:\n" + "\n".join(f"  {problem}" for problem in problems))
    if not facts:
        print("There were no updates, so there was nothing to send.")


def main() -> None:
    """Run as a command. Success just ends: on Databricks, `sys.exit(0)` can count as a failure."""
    try:
        run(parse_arguments())
    except Failed as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
