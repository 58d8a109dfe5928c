"""A TCP connection between two programs that a test can break: without a word, as a network does, or with a reset."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class TcpRelay:
    """Passes bytes between whoever connects to ``address`` and ``target``, both on loopback."""

    def __init__(self, target: str) -> None:
        self.address = ""
        self._target = target.rpartition(":")
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def lose(self) -> None:
        """Pass nothing on any more, in neither direction, and say nothing of it."""
        self._open.clear()

    def restore(self) -> None:
        """End the connections that there were, and pass on again."""
        for writer in self._writers:
            writer.transport.abort()
        self._open.set()

    async def __aenter__(self) -> TcpRelay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._open.set()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        await self._open.wait()
        there, to_there = await asyncio.open_connection(self._target[0], int(self._target[2]))
        self._writers.add(to_there)
        for source, sink in ((reader, to_there), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(4096):
                await self._open.wait()
                sink.write(data)
        sink.transport.abort()
