"""The embedded AWS: MiniStack, started by us on a free port of this machine alone."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

import boto3
import urllib3

from modelrelay.child import Child
from modelrelay.errors import CommandError

REGION: Final = "us-east-1"
_START_SECONDS: Final = 60.0


class Emulator:
    """A running embedded AWS; everything that it writes goes into `folder`.

    Attributes:
        url: Where it answers.
        environment: What makes an AWS client (boto3, the CDK CLI) talk to it and to nobody else.
    """

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = _client_environment(self.url)
        self._child = Child(
            [sys.executable, "-m", "ministack"],
            cwd=folder,
            environment={**self.environment, **_server_environment(port, folder)},
            log=folder / "aws.log",
        )

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            CommandError: It ended, or does not answer for a minute.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._child.exit_code is not None or time.monotonic() > deadline:
                raise CommandError(f"The embedded AWS did not start:\n{self._child.tail()}")
            time.sleep(0.1)

    def client(self, service: Any) -> Any:
        """Make a boto3 client that talks to it, whatever this shell's own AWS settings are."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator takes any
        )

    def stop(self) -> None:
        """End it and the functions that it runs."""
        self._child.stop()

    def _answers(self) -> bool:
        try:
            health = urllib3.request("GET", f"{self.url}/_ministack/health", timeout=2.0, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return health.status == 200  # noqa: PLR2004 - the HTTP status


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _client_environment(url: str) -> dict[str, str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return ours | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A proxy of the machine's must not be asked for what is on this machine.
        "NO_PROXY": "127.0.0.1,localhost,.localhost",
        "no_proxy": "127.0.0.1,localhost,.localhost",
    }


def _server_environment(port: int, folder: Path) -> dict[str, str]:
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # It would open an MQTT and an SFTP port besides.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
        "S3_DATA_DIR": str(folder / "s3"),
    }
