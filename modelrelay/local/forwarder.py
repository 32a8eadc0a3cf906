"""A plain `http://127.0.0.1:…` address for the emulator's HTTP API.

The emulator knows an API by the host name `{id}.execute-api.localhost`, which not every client resolves.
Here every byte goes through as it came, but for two header lines: `Host`, which names the API, and
`Connection: close`, so that a connection carries one request and needs no parsing after its head.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

_MAX_HEAD: Final = 65_536
_HEAD_SECONDS: Final = 30
_GOODBYE_SECONDS: Final = 1
"""How long TLS waits for the other side's goodbye; nothing follows it that anybody would miss."""
_ACCEPTING_TURNS: Final = 10
"""Turns of the loop after which a connection that came just now is known; closing earlier would leak it."""

_OWN_LINES: Final = re.compile(rb"^(?:host|connection|keep-alive|proxy-connection)\s*:", re.IGNORECASE)


class Forwarder:
    """Forwards connections to an API until it is closed.

    Args:
        api_url: The API's address, as the stack's outputs give it.
        port: Where to listen on 127.0.0.1; 0 takes a free port.
        ca_bundle: What to trust, where the API's address is `https://…`: a PEM file.

    Attributes:
        url: The plain address.
    """

    def __init__(self, api_url: str, port: int = 0, ca_bundle: Path | None = None) -> None:
        parts = urlsplit(api_url)
        self._host = parts.netloc.encode()
        self._upstream: dict[str, Any] = {"host": "127.0.0.1", "port": parts.port or 80}
        if ca_bundle:
            self._upstream |= {
                "ssl": ssl.create_default_context(cafile=str(ca_bundle)),
                "server_hostname": parts.hostname,
                "ssl_shutdown_timeout": _GOODBYE_SECONDS,
            }
        # asyncio itself lets go of a connection's task when its client goes away.
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forwarder", daemon=True)
        self._thread.start()
        try:
            self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", port, limit=_MAX_HEAD))
        except OSError:
            self._end_loop()
            raise
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Stop listening, cut what is open, and leave no thread behind."""
        self._call(self._shut())
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _shut(self) -> None:
        for _ in range(_ACCEPTING_TURNS):
            await asyncio.sleep(0)
        self._server.close()
        for connection in self._connections.values():
            connection.cancel()
        await asyncio.gather(*self._connections.values(), return_exceptions=True)
        for answer in list(self._connections):
            await _close(answer)

    def _accept(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        self._connections[answer] = asyncio.ensure_future(self._serve(client, answer))

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        # Somebody may go away, or send no HTTP: then the connection ends.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._forward(client, answer)
        await _close(answer)
        del self._connections[answer]

    async def _forward(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await client.readuntil(b"\r\n\r\n")
        api, request = await asyncio.open_connection(**self._upstream)
        request.write(self._rewritten(head))
        upload = asyncio.create_task(_pump(client, request))
        try:
            await _pump(api, answer)
        finally:
            upload.cancel()
            await _close(request)

    def _rewritten(self, head: bytes) -> bytes:
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [line for line in lines if not _OWN_LINES.match(line)]
        return b"\r\n".join([first, b"Host: " + self._host, *kept, b"Connection: close", b"", b""])


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()


async def _close(connection: asyncio.StreamWriter) -> None:
    connection.close()
    with contextlib.suppress(OSError):
        await connection.wait_closed()
