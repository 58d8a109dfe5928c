"""A real HTTP server with the admin pages of a gateway that are about sessions, as docs/reference/admin.md has them."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 2
"""Sessions that one answer has at most."""


def a_session(number: int, **other: Any) -> dict[str, Any]:
    """One of many."""
    return {
        "id": f"s{number}",
        "openid": f"user-{number}",
        "gid": None,
        "zone": None,
        "state": "NORMAL",
        "attached": True,
        "address": f"127.0.0.1:{number}",
        "transport": "aioquic",
        "since": 1_000.0,
        "last_activity": 1_000.5,
        "window_messages": number,
        "window_bytes": number * 1000,
        "in_flight": 0,
        **other,
    }


class Pages(BaseHTTPRequestHandler):
    """Answers from ``server.sessions``."""

    server: StandIn

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.server.asked.append(query)
        if url.path == "/sessions":
            self._say(200, self._list(query))
            return
        name = url.path.removeprefix("/sessions/")
        for session in self.server.sessions:
            if session["id"] == name:
                self._say(200, {"version": 1, "at": time.time(), **session, "events": self.server.events})
                return
        self._say(
            404, {"error": {"code": "NOT_FOUND", "message": "there is no such session", "hint": "look at /sessions"}}
        )

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        found = [one for one in self.server.sessions if query.get("openid", one["openid"]) == one["openid"]]
        start = int(query.get("cursor", "0"))
        end = start + min(PAGE, int(query["limit"]))
        return {
            "version": 1,
            "at": time.time(),
            "sessions": found[start:end],
            "next": str(end) if end < len(found) else None,
            "total": len(found),
            "unreached_nodes": self.server.unreached,
        }

    def _say(self, status: int, fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class StandIn(HTTPServer):
    """The server, with what it tells."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pages)
        self.sessions: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.unreached: list[str] = []

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Serve while the block runs."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
