"""One POST, done by a thread of its own: looking up a name may take as long as it likes, and the loop goes on.

The thread is a daemon, as nobody can end a look-up: a gateway that stops does not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


class PostFailed(Exception):
    """There is no answer; the message says why."""


class Poster:
    """Posts to one URL, one body after the other, each over a connection of its own; redirects are not followed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._context: ssl.SSLContext | None = None
        self._before: asyncio.Future[int] | None = None
        """What the last thread comes to, which may still be looking up a name after its time."""

    async def post(self, body: bytes, headers: Mapping[str, str], timeout: float) -> int:
        """Return the status of the answer, whose body nobody reads; PostFailed when none came in so many seconds."""
        if self._before is not None:
            await asyncio.wait([self._before])
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[int] = loop.create_future()
        answered.add_done_callback(_is_looked_at)
        self._before = answered
        sockets: list[socket.socket] = []

        def work() -> None:
            status, error = 0, None
            try:
                status = self._post(body, headers, timeout, sockets)
            except (OSError, http.client.HTTPException, ValueError) as caught:
                error = PostFailed(f"{type(caught).__name__}: {caught}")
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, answered, status, error)

        threading.Thread(target=work, name="webhook", daemon=True).start()
        done, _ = await asyncio.wait([answered], timeout=timeout)
        if not done:
            for each in sockets:  # one that sends a byte now and then would hold the thread
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            raise PostFailed(f"no answer within {timeout:g} s")
        return answered.result()

    def _post(self, body: bytes, headers: Mapping[str, str], timeout: float, sockets: list[socket.socket]) -> int:
        connection = self._connection(timeout)
        try:
            connection.connect()
            sockets.append(connection.sock)
            connection.request("POST", self._path, body, {**headers, "Connection": "close"})
            return connection.getresponse().status
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        if self._context is None:
            self._context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)


def _settle(answered: asyncio.Future[int], status: int, error: PostFailed | None) -> None:
    if answered.done():
        return
    if error is None:
        answered.set_result(status)
    else:
        answered.set_exception(error)


def _is_looked_at(answered: asyncio.Future[int]) -> None:
    """Have asyncio not complain of an error that came after its time."""
    if not answered.cancelled():
        answered.exception()
