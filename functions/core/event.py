"""The one shape in which a model event travels, whoever sent it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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

KINDS: Final = frozenset(
    {
        MODEL_CREATED,
        VERSION_CREATED,
        STAGE_TRANSITIONED,
        TRANSITION_REQUESTED,
        ALIAS_SET,
        ALIAS_DELETED,
        TAG_SET,
        TAG_DELETED,
        COMMENTED,
    }
)
"""The kinds of event about models. Jobs bring their own, `job.*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a model.

    Attributes:
        source: The sender's name, as in its path (`databricks`).
        kind: What happened, in our words (one of `KINDS`, or `job.*`).
        name: What happened, in the sender's words (`MODEL_VERSION_CREATED`).
        fact: Identity of what happened: equal for two reports of one act, different for two acts.
        model_name: The registered model.
        version: The model version, digits.
        from_stage: The stage left; `"None"` is the name of a stage.
        to_stage: The stage entered or asked for.
        alias: The alias set or deleted.
        occurred_at: When it happened by the sender's clock, ISO 8601 in UTC.
        tags: The tags set or deleted. Values are people's prose: never log them.
    """

    source: str
    kind: str
    name: str
    fact: str
    model_name: str
    occurred_at: str
    version: str | None = None
    from_stage: str | None = None
    to_stage: str | None = None
    alias: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give what `from_dict` takes, without the fields that are not set."""
        return {key: value for key, value in asdict(self).items() if value not in (None, {})}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Event:
        """Build an event from `to_dict`'s result.

        Raises:
            TypeError: A field is missing, unknown or of the wrong type.
        """
        event = cls(**fields)
        for name, value in asdict(event).items():
            required = name in {"source", "kind", "name", "fact", "model_name", "occurred_at"}
            if name == "tags":
                if not isinstance(value, dict) or not all(isinstance(tag, str) for tag in value.values()):
                    raise TypeError("tags must be an object of strings")
            elif not isinstance(value, str) and (required or value is not None):
                raise TypeError(f"{name} must be a string")
        return event


def identify(*parts: object) -> str:
    """Digest what makes a fact the fact it is: 64 hex digits, the same on every machine and day."""
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
