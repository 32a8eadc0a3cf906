"""The errors of AWS's services as botocore's clients raise them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class ConditionalCheckFailedException(ClientError):
    """A condition does not hold."""


class TransactionCanceledException(ClientError):
    """A part of a transaction was refused; `CancellationReasons` tells which."""


class TransactionConflictException(ClientError):
    """A transaction is under way on the item."""


class ResourceNotFoundException(ClientError):
    """There is no such table or secret, or no such version of it."""


class DynamoDBExceptions:
    """What `client.exceptions` holds for DynamoDB."""

    ConditionalCheckFailedException = ConditionalCheckFailedException
    TransactionCanceledException = TransactionCanceledException
    TransactionConflictException = TransactionConflictException
    ResourceNotFoundException = ResourceNotFoundException


class SecretsExceptions:
    """What `client.exceptions` holds for Secrets Manager."""

    ResourceNotFoundException = ResourceNotFoundException


def refusal(code: str, message: str, operation: str, status: int = 400, **more: Any) -> ClientError:
    """Make the error of a refused call; the class is the code's own where the functions catch it by name."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "simulated", "RetryAttempts": 0},
        **more,
    }
    made: type[ClientError] = getattr(DynamoDBExceptions, code, ClientError)
    return made(response, operation)
