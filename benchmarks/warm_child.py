"""Measures warm requests inside a bundle. `benchmarks.warm` runs this file; it imports nothing of the rest.

It reads an event on its input, and writes JSON as the last line of its error output: `whole` and `own`, each
request's processor time in microseconds, and `memory`, the peak in MB.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import botocore.client
import botocore.httpsession
from botocore.awsrequest import AWSResponse

_WARM_UP: Final = 50
_SECRET: Final = "a made-up webhook secret"  # noqa: S105 - as in benchmarks.samples
_CONTEXT: Final = SimpleNamespace(
    function_name="ingest",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:ingest",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 29_000,
)


class Stopwatch:
    """Keeps how much of the processor's time calls took, in microseconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def measure(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function."""
        started = time.process_time_ns()
        try:
            return function(*arguments)
        finally:
            self.times.append((time.process_time_ns() - started) / 1000)


def _send(_self: object, request: Any) -> AWSResponse:
    """Answer in the place of AWS."""
    asked = json.loads(request.body)
    if "MessageBody" in asked:
        digest = hashlib.md5(asked["MessageBody"].encode(), usedforsecurity=False).hexdigest()
        status, content = 200, {"MessageId": "m", "MD5OfMessageBody": digest, "SequenceNumber": "1"}
    elif asked["VersionStage"] == "AWSCURRENT":
        status, content = 200, {"SecretString": _SECRET}
    else:
        status, content = 400, {"__type": "ResourceNotFoundException"}
    body = json.dumps(content).encode()
    raw = SimpleNamespace(stream=lambda **_: iter([body]), headers={})
    headers: Any = {"Content-Type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, status, headers, raw)


def main(requests: int) -> None:
    """Measure."""
    event = json.load(sys.stdin)
    whole, parts = Stopwatch(), Stopwatch()
    client: Any = botocore.client.BaseClient
    session: Any = botocore.httpsession.URLLib3Session
    call = client._make_api_call  # noqa: SLF001 - what each method of a client calls
    session.send = _send
    client._make_api_call = lambda *asked: parts.measure(call, *asked)  # noqa: SLF001 - see above
    from functions.ingest.handler import handler  # noqa: PLC0415 - its clients are made as it is loaded

    own: list[float] = []
    for _ in range(_WARM_UP + requests):
        parts.times.clear()
        answer = whole.measure(handler, event, _CONTEXT)
        own.append(whole.times[-1] - sum(parts.times))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    told = {
        "whole": whole.times[_WARM_UP:],
        "own": own[_WARM_UP:],
        "memory": memory,
        "status": answer["statusCode"],
    }
    sys.stderr.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
