"""Who is told by webhooks: an HTTP server in a thread, which may be slow, down, or of another opinion."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

LOOPBACK = "127.0.0.1"


class HookReceiver:
    """Keeps what it took, in its order."""

    def __init__(self, port: int = 0) -> None:
        self.answers: list[int] = []
        """Statuses of the next answers; 200 after them."""
        self.batches: list[dict[str, Any]] = []
        """Those that it answered 200."""
        self.tries: list[tuple[bytes, dict[str, str]]] = []
        """Body and headers of all that came, names in lower case."""
        self.open = threading.Event()
        """While it is not set, nothing is answered."""
        self.open.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hook?of=test"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for batch in self.batches for event in batch["events"]]

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.tries.append((body, {name.lower(): value for name, value in handler.headers.items()}))
        self.open.wait()
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.batches.append(json.loads(body))
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        except OSError:
            pass  # the gateway waits no more

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
