"""A stand-in for SQS and Secrets Manager: real HTTP, so that the functions' own clients are tested too."""

import json
import socketserver
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

_MANY = 1_000_000


@dataclass
class Failure:
    """Calls of an operation that fail: the first `after` of them pass, then `times` don't."""

    operation: str
    code: str
    after: int
    times: int
    status: int

    def strikes(self, operation: str) -> bool:
        """Count a call, and tell whether it fails."""
        if operation != self.operation:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


class Aws:
    """Answers until it is closed, and remembers each call as (operation, parameters)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self._failures: list[Failure] = []
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def keep_secret(self, secret_id: str, value: str | bytes, stage: str = "AWSCURRENT") -> None:
        """Fill in one version of a secret."""
        kept = {"SecretString": value} if isinstance(value, str) else {"SecretBinary": ""}
        self._secrets[secret_id, stage] = kept

    def fail(
        self,
        operation: str,
        code: str = "AccessDenied",
        *,
        after: int = 0,
        times: int = _MANY,
        status: int = 400,
    ) -> None:
        """Let calls fail; with a 4xx status no client tries again by itself."""
        self._failures.append(Failure(operation, code, after, times, status))

    def mend(self) -> None:
        """Let nothing fail any more."""
        self._failures.clear()

    def parameters(self, operation: str) -> list[dict[str, Any]]:
        """Give the parameters of each call of an operation, oldest first."""
        return [parameters for name, parameters in self.calls if name == operation]

    def answer(self, operation: str, parameters: dict[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Answer one call."""
        self.calls.append((operation, parameters))
        failure = next((each for each in self._failures if each.strikes(operation)), None)
        if failure:
            return failure.status, {"__type": failure.code, "message": "It failed."}
        match operation:
            case "GetSecretValue":
                kept = self._secrets.get((parameters["SecretId"], parameters["VersionStage"]))
                if kept is None:
                    return 400, {"__type": "ResourceNotFoundException", "message": "No such version."}
                return 200, {"Name": parameters["SecretId"], **kept}
            case "SendMessage":
                return 200, {"MessageId": f"m-{len(self.calls)}", "MD5OfMessageBody": ""}
            case "ChangeMessageVisibility":
                return 200, {}
        raise NotImplementedError(operation)


class _Server(socketserver.TCPServer):
    """One connection after the other, each for one call."""

    request_queue_size = 64


def _handler_of(aws: Aws) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["x-amz-target"].rpartition(".")[2]
            body = self.rfile.read(int(self.headers["content-length"]))
            status, content = aws.answer(operation, json.loads(body))
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Stay quiet: the calls are kept as data."""

    return Handler
