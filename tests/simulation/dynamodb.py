"""DynamoDB's client, as the functions call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.notes import shown
from tests.simulation.refusals import DynamoDBExceptions, refusal
from tests.simulation.tables import Refused, Tables, Write, check
from tests.simulation.values import Invalid, Unsupported
from tests.simulation.wire import Effect, Note, Wire


class DynamoDBClient:
    """What the functions call, in botocore's way."""

    exceptions = DynamoDBExceptions

    def __init__(self, service: Tables, wire: Wire, defect: Callable[[str], None]) -> None:
        self._service = service
        self._wire = wire
        self._defect = defect

    def get_item(self, **parameters: Any) -> Any:
        """Read an item."""

        def effect() -> tuple[Any, Note]:
            item = self._service.get(parameters)
            return ({"Item": item}, lambda: shown(item)) if item else ({}, "nothing there")

        return self._call("get_item", _key_of(parameters), effect)

    def update_item(self, **parameters: Any) -> Any:
        """Change an item, under a condition."""
        return self._write("update_item", "Update", parameters)

    def put_item(self, **parameters: Any) -> Any:
        """Put an item, under a condition."""
        return self._write("put_item", "Put", parameters)

    def delete_item(self, **parameters: Any) -> Any:
        """Delete an item, under a condition."""
        return self._write("delete_item", "Delete", parameters)

    def query(self, **parameters: Any) -> Any:
        """Read a page of an index."""

        def effect() -> tuple[Any, Note]:
            answer = self._service.query(parameters)
            return answer, f"{answer['Count']} items"

        return self._call("query", str(parameters.get("IndexName")), effect)

    def transact_write_items(self, **parameters: Any) -> Any:
        """Do several writes, or none."""
        check("TransactWrite", parameters)
        steps = [next(iter(each.items())) for each in parameters["TransactItems"]]

        def effect() -> tuple[Any, Note]:
            writes, reasons = [], []
            for kind, step in steps:
                try:
                    writes.append(self._service.write(kind, step))
                    reasons.append({"Code": "None"})
                except Refused as refused:
                    reasons.append(_reason(refused, step))
            if len(writes) < len(steps):
                codes = ", ".join(reason["Code"] for reason in reasons)
                message = (
                    f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
                )
                code = "TransactionCanceledException"
                raise refusal(code, message, "TransactWriteItems", CancellationReasons=reasons)
            self._service.commit(*writes)
            return {}, lambda: "; ".join(each.note() for each in writes)

        return self._call("transact_write_items", " + ".join(_key_of(step) for _, step in steps), effect)

    def _write(self, operation: str, kind: str, parameters: Mapping[str, Any]) -> Any:
        def effect() -> tuple[Any, Note]:
            try:
                write = self._service.write(kind, parameters)
            except Refused as refused:
                raise _failed(refused, parameters, operation) from None
            self._service.commit(write)
            return _returned(parameters, write), write.note

        return self._call(operation, _key_of(parameters), effect)

    def _call(self, operation: str, key: str, effect: Effect) -> Any:
        def checked() -> tuple[Any, Note]:
            try:
                return effect()
            except (Invalid, Unsupported) as error:
                # Botocore would raise it, and the functions would take it for an outage.
                self._defect(f"{operation} {key}: {error}")
                raise refusal("ValidationException", str(error), operation) from error

        return self._wire.call(operation, key, checked)


def _returned(parameters: Mapping[str, Any], write: Write) -> dict[str, Any]:
    match parameters.get("ReturnValues", "NONE"):
        case "NONE":
            return {}
        case "ALL_NEW":
            return {"Attributes": write.new}
        case "ALL_OLD":
            return {"Attributes": write.old} if write.old else {}
        case other:
            raise Unsupported(f"ReturnValues {other}")


def _failed(refused: Refused, parameters: Mapping[str, Any], operation: str) -> ClientError:
    told = parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and refused.item
    more: dict[str, Any] = {"Item": refused.item} if told else {}
    message = "The conditional request failed"
    return refusal("ConditionalCheckFailedException", message, operation, **more)


def _reason(refused: Refused, step: Mapping[str, Any]) -> dict[str, Any]:
    reason: dict[str, Any] = {
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
    }
    if step.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and refused.item:
        reason["Item"] = refused.item
    return reason


def _key_of(parameters: Mapping[str, Any]) -> str:
    return str((parameters.get("Key") or parameters["Item"])["id"]["S"])[:21]
