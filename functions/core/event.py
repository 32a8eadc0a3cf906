"""The one shape in which an event travels, whoever sent it, and the kinds of event there are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

MODEL_CREATED: Final = "model.created"
VERSION_CREATED: Final = "model_version.created"
STAGE_TRANSITIONED: Final = "model_version.stage_transitioned"
TRANSITION_REQUESTED: Final = "model_version.transition_requested"
ALIAS_SET: Final = "model_version.alias_set"
ALIAS_DELETED: Final = "model_version.alias_deleted"
TAG_SET: Final = "model_version.tag_set"
TAG_DELETED: Final = "model_version.tag_deleted"
COMMENTED: Final = "model_version.commented"

PROMPT_CREATED: Final = "prompt.created"
PROMPT_VERSION_CREATED: Final = "prompt_version.created"
PROMPT_TAG_SET: Final = "prompt.tag_set"
PROMPT_TAG_DELETED: Final = "prompt.tag_deleted"
PROMPT_VERSION_TAG_SET: Final = "prompt_version.tag_set"
PROMPT_VERSION_TAG_DELETED: Final = "prompt_version.tag_deleted"
PROMPT_ALIAS_SET: Final = "prompt_version.alias_set"
PROMPT_ALIAS_DELETED: Final = "prompt_version.alias_deleted"
BUDGET_EXCEEDED: Final = "budget_policy.exceeded"

JOB_STARTED: Final = "job.started"
JOB_SUCCEEDED: Final = "job.succeeded"
JOB_FAILED: Final = "job.failed"
JOB_PREFIX: Final = "job."
"""What a job's kind starts with. Databricks may think of more of them, so they are not listed."""

_JOB_KIND: Final = re.compile(r"job\.[a-z][a-z0-9_]{0,99}")

_MODEL: Final = ("model_name", "workspace_id")
_VERSION: Final = (*_MODEL, "version")
_STAGES: Final = (*_VERSION, "from_stage", "to_stage")
_JOB: Final = ("workspace_id", "job_id", "job_name", "run_id", "parent_run_id", "task_key")

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    MODEL_CREATED: _MODEL,
    VERSION_CREATED: (*_VERSION, "run_id"),
    STAGE_TRANSITIONED: _STAGES,
    TRANSITION_REQUESTED: _STAGES,
    ALIAS_SET: (*_VERSION, "alias"),
    ALIAS_DELETED: (*_VERSION, "alias"),
    TAG_SET: _VERSION,
    TAG_DELETED: _VERSION,
    COMMENTED: _VERSION,
    PROMPT_CREATED: _MODEL,
    PROMPT_VERSION_CREATED: _VERSION,
    PROMPT_TAG_SET: _MODEL,
    PROMPT_TAG_DELETED: _MODEL,
    PROMPT_VERSION_TAG_SET: _VERSION,
    PROMPT_VERSION_TAG_DELETED: _VERSION,
    PROMPT_ALIAS_SET: (*_VERSION, "alias"),
    PROMPT_ALIAS_DELETED: (*_VERSION, "alias"),
    BUDGET_EXCEEDED: ("workspace_id",),
    JOB_STARTED: _JOB,
    JOB_SUCCEEDED: _JOB,
    JOB_FAILED: _JOB,
}
"""Each kind, with the fields that an event of it may have besides those that all have."""


def is_kind(word: str) -> bool:
    """Tell whether a word is a kind of event."""
    return word in KINDS or _JOB_KIND.fullmatch(word) is not None


def fields_of(kind: str) -> tuple[str, ...]:
    """Give the fields that an event of a kind may have besides those that all have."""
    return _JOB if kind.startswith(JOB_PREFIX) else KINDS[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a model, or to a job.

    Attributes:
        source: The sender's name, as in its path (`databricks`).
        kind: What happened, in our words (one of `KINDS`, or `job.*`).
        name: What happened, in the sender's words (`MODEL_VERSION_CREATED`).
        fact: Identity of what happened: equal for two reports of one act, different for two acts.
        occurred_at: When it happened by the sender's clock, ISO 8601 in UTC with milliseconds, so that two of
            them compare as text. Where the sender tells no time, when it came here.
        model_name: The registered model, or the prompt.
        version: The version, digits.
        from_stage: The stage left; `"None"` is the name of a stage.
        to_stage: The stage entered or asked for.
        alias: The alias set or deleted.
        workspace_id: The workspace of a Databricks job, or in which MLflow keeps the model.
        job_id: The job.
        job_name: Its name.
        run_id: The job's run, or its task's; the MLflow run that made a model version.
        parent_run_id: The job's run, where `run_id` is a task's.
        task_key: The task.
        tags: The tags set or deleted. Values are people's prose: never log them.
    """

    source: str
    kind: str
    name: str
    fact: str
    occurred_at: str
    model_name: str | None = None
    version: str | None = None
    from_stage: str | None = None
    to_stage: str | None = None
    alias: str | None = None
    workspace_id: str | None = None
    job_id: str | None = None
    job_name: str | None = None
    run_id: str | None = None
    parent_run_id: str | None = None
    task_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it happened to: a model's name, or `job WORKSPACE JOB`. Events of one subject keep order."""
        return self.model_name or " ".join(
            filter(None, (self.kind.partition(".")[0], self.workspace_id, self.job_id))
        )

    def to_dict(self) -> dict[str, Any]:
        """Give what `from_dict` takes, without the fields that are not set."""
        return {name: value for name in _NAMES if (value := getattr(self, name)) not in (None, {})}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Event:
        """Build an event from `to_dict`'s result.

        Raises:
            TypeError: A field is missing, unknown or of the wrong type.
        """
        event = cls(**fields)
        for name in _NAMES:
            value = getattr(event, name)
            required = name in _REQUIRED
            if name == "tags":
                if not isinstance(value, dict) or not all(isinstance(tag, str) for tag in value.values()):
                    raise TypeError("tags must be an object of strings")
            elif not isinstance(value, str) and (required or value is not None):
                raise TypeError(f"{name} must be a string")
        return event


_NAMES: Final = tuple(each.name for each in fields(Event))
_REQUIRED: Final = frozenset({"source", "kind", "name", "fact", "occurred_at"})


_CANONICAL: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def identify(*parts: object) -> str:
    """Digest what makes a fact the fact it is: 64 hex digits, the same on every machine and day."""
    return hashlib.sha256(_CANONICAL.encode(parts).encode()).hexdigest()
