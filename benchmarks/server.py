"""An HTTP server on 127.0.0.1 for processes that are ended in the middle of what they do."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class Quiet(ThreadingHTTPServer):
    """Says nothing of connections that break: the one who measures breaks them."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what is no broken connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
