"""MLflow's own client, run by MLflow's own Python: calls come in and answers go out, each a line of JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

TOLD = ("version", "webhook_id", "response_status", "response_body", "error_message")
"""What is told of an object that a call gives, where it has it."""


def events() -> list[str]:
    """Name all events that this MLflow has webhooks for."""
    actions = import_module("mlflow.entities.webhook").VALID_ENTITY_ACTIONS
    return sorted(f"{entity.value}.{action.value}" for entity in actions for action in actions[entity])


def answer(client: Any, call: str, arguments: dict[str, Any]) -> Any:
    """Make a call of MLflow's client and tell what came of it."""
    if call == "events":
        return events()
    made = getattr(client, call)(**arguments)
    return {name: getattr(made, name) for name in TOLD if hasattr(made, name)}


def main() -> None:
    """Answer calls."""
    client = import_module("mlflow").MlflowClient()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(client, **json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
