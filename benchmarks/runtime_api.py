"""A Lambda Runtime API on 127.0.0.1: hands one event to one function and takes the answer.

Source: "Using the Lambda runtime API for custom runtimes", AWS Lambda Developer Guide.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Self

from benchmarks.server import Quiet

_NEXT: Final = "/2018-06-01/runtime/invocation/next"
_ARN: Final = "arn:aws:lambda:eu-west-1:000000000000:function:benchmark"
_TIMEOUT_MS: Final = 60_000
REQUEST_ID: Final = "00000000-0000-4000-8000-000000000000"


class RuntimeApi:
    """Serves one function's life; times are read from the monotonic clock as each request arrives.

    Args:
        event: What the function is invoked with.

    Attributes:
        asked_at: When the function asked for its first event: its start is done.
        answered_at: When it had posted its first answer.
        answer: The answer, decoded.
    """

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = json.dumps(event).encode()
        self.asked_at = 0.0
        self.answered_at = 0.0
        self.answer: Any = None
        self.failure = ""
        self.done = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.path == _NEXT and not api.asked_at:
                    api.asked_at = time.perf_counter()
                    self._say(200, api._event)
                else:  # The second time, a function waits for ever; it is ended from outside.
                    api.done.wait()

            def do_POST(self) -> None:
                moment = time.perf_counter()
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.endswith("/response"):
                    api.answered_at, api.answer = moment, json.loads(body)
                else:
                    api.failure = body.decode(errors="replace")
                self._say(202, b"")
                api.done.set()

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Lambda-Runtime-Aws-Request-Id", REQUEST_ID)
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", _ARN)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + _TIMEOUT_MS))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self) -> str:
        """What `AWS_LAMBDA_RUNTIME_API` holds."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
