"""Stand-ins for AWS and GitHub on 127.0.0.1 that answer at once and count what they are asked.

They check nothing and keep nothing: what is measured is the function's own work.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Self

from benchmarks.server import Quiet

NOT_FOUND: Final = {"__type": "ResourceNotFoundException", "message": "There is no such version."}
_GITHUB: Final = "GitHub"


class StandIn:
    """Answers the calls of the functions.

    Args:
        secret: The value of every secret's current version; there is no previous one.

    Attributes:
        calls: How often each operation was called (`GetSecretValue`; `GitHub` for GitHub's).
    """

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.calls: Counter[str] = Counter()
        self._answers: Mapping[str, Callable[[dict[str, Any]], tuple[int, Any]]] = {
            "GetSecretValue": self._secret,
            "SendMessage": _sent,
            "Query": lambda _: (200, {"Items": [], "Count": 0, "ScannedCount": 0}),
        }
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content = stand_in.answer(self.headers.get("X-Amz-Target", ""), self.path, body)
                text = json.dumps(content).encode()
                self.send_response_only(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST  # noqa: N815 - what http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it answers: what `AWS_ENDPOINT_URL` holds, and the base of GitHub's API."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target: str, path: str, body: bytes) -> tuple[int, Any]:
        """Give the status and the content for a request; count it."""
        operation = target.partition(".")[2]
        self.calls[operation or _GITHUB] += 1
        if not operation:
            return _github(path)
        answer = self._answers.get(operation)
        return answer(json.loads(body)) if answer else (200, {})

    def _secret(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked.get("VersionStage") == "AWSPREVIOUS":
            return 400, NOT_FOUND
        return 200, {"Name": asked["SecretId"], "SecretString": self.secret, "VersionId": "1" * 32}


def _sent(asked: dict[str, Any]) -> tuple[int, Any]:
    digest = hashlib.md5(asked["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return 200, {"MessageId": "m", "MD5OfMessageBody": digest, "SequenceNumber": "1"}


def _github(path: str) -> tuple[int, Any]:
    if path.endswith("/access_tokens"):
        return 201, {"token": "made-up", "expires_at": "2099-01-01T00:00:00Z"}
    page = "https://github.example/acme/models/actions/runs/7"
    return 200, {"workflow_run_id": 7, "run_url": page, "html_url": page}
