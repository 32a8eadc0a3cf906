"""The embedded AWS: MiniStack, started by us on a free port of this machine alone.

In a strict run it evaluates every policy and answers over TLS alone, as AWS does.
"""

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
from modelrelay.local import certificate
from modelrelay.local.certificate import Certificate

REGION: Final = "us-east-1"
_START_SECONDS: Final = 60.0


class Emulator:
    """A running embedded AWS; everything that it writes goes into `folder`.

    Args:
        folder: Its working folder.
        strict: Whether it evaluates policies, by whoever calls, and demands TLS.

    Attributes:
        url: Where it answers.
        ca_bundle: What its clients trust, in a strict run: a PEM file in `folder`.
        environment: What makes an AWS client (boto3, the CDK CLI) talk to it and to nobody else. The
            functions that it runs inherit the same.
    """

    def __init__(self, folder: Path, *, strict: bool = False) -> None:
        port = free_port()
        shown = certificate.make(folder) if strict else None
        self.url = f"{'https' if strict else 'http'}://127.0.0.1:{port}"
        self.ca_bundle = shown.bundle if shown else None
        self.environment = _client_environment(self.url, self.ca_bundle)
        self._clients: dict[str, Any] = {}
        self._child = Child(
            [sys.executable, "-m", "ministack"],
            cwd=folder,
            environment={**self.environment, **_server_environment(port, folder, shown)},
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
        """Give the boto3 client that talks to it, whatever this shell's own AWS settings are.

        It is the account's root: it may do everything, in a strict run too. Making one takes longer than most
        calls, so there is one for each service; threads may share it.
        """
        if service not in self._clients:
            self._clients[service] = self._make_client(service)
        return self._clients[service]

    def _make_client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator takes any
            verify=str(self.ca_bundle) if self.ca_bundle else None,
        )

    def stop(self) -> None:
        """End it and the functions that it runs."""
        self._child.stop()

    def _answers(self) -> bool:
        try:
            with urllib3.PoolManager(ca_certs=self.ca_bundle and str(self.ca_bundle)) as pool:
                health = pool.request("GET", f"{self.url}/_ministack/health", timeout=2.0, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return health.status == 200  # noqa: PLR2004 - the HTTP status


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _client_environment(url: str, ca_bundle: Path | None) -> dict[str, str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    # The CDK CLI reads the first of them for the SDK, and Node the second for what the CLI uploads by itself.
    trusted = dict.fromkeys(("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(ca_bundle)) if ca_bundle else {}
    return (
        ours
        | trusted
        | {
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
    )


def _server_environment(port: int, folder: Path, shown: Certificate | None) -> dict[str, str]:
    tls = {"MINISTACK_SSL_CERT": str(shown.bundle), "MINISTACK_SSL_KEY": str(shown.key)} if shown else {}
    return tls | {
        # Whatever this shell says of them.
        "AUTH": "true" if shown else "false",
        "USE_SSL": "1" if shown else "0",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # It would open an MQTT and an SFTP port besides.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
        "S3_DATA_DIR": str(folder / "s3"),
    }
