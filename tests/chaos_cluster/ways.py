"""The ways between nodes and to their directory: TCP relays that can be cut for one of those who come that way."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    WhoHasPort = Callable[[int], str]

ANYBODY = ""
"""Who comes a way, where nobody could be found who does."""


@dataclass(eq=False, slots=True)
class _Line:
    """One connection that goes through."""

    who: str
    may_pass: asyncio.Event
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Way:
    """The way to one port of loopback, at which nodes come that ``who_has`` tells apart by their own ports."""

    def __init__(self, port: int, who_has: WhoHasPort) -> None:
        self.address = ""
        self._port = port
        self._who_has = who_has
        self._cut: set[str] = set()
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    def cut(self, who: str) -> None:
        """Pass nothing on of somebody, in neither direction, and say nothing of it."""
        self._cut.add(who)
        for line in self._of(who):
            line.may_pass.clear()

    def mend(self, who: str, *, late: bool) -> None:
        """Pass on again; with ``late`` also what was held meanwhile, else those connections end."""
        self._cut.discard(who)
        for line in self._of(who):
            if not late:
                line.abort()
            line.may_pass.set()

    async def __aenter__(self) -> Way:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for line in self._lines:
            line.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _of(self, who: str) -> list[_Line]:
        return [line for line in self._lines if line.who == who]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(self._who_has(writer.get_extra_info("peername")[1]), asyncio.Event(), [writer])
        if line.who not in self._cut:
            line.may_pass.set()
        self._lines.add(line)
        task = asyncio.create_task(self._serve(line, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await line.may_pass.wait()
            with contextlib.suppress(OSError):  # who is dead takes nobody in
                there, to_there = await asyncio.open_connection("127.0.0.1", self._port)
                line.writers.append(to_there)
                await asyncio.gather(_pass_on(line, reader, to_there), _pass_on(line, there, writer))
        finally:
            line.abort()
            self._lines.discard(line)


async def _pass_on(line: _Line, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            await line.may_pass.wait()
            sink.write(data)
    line.abort()


def who_has_port(port: int, pids: dict[int, str]) -> str:
    """Whose socket a local TCP port of loopback is; ``pids`` are the processes that it may be, by name."""
    local = f"0100007F:{port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    sockets = {f"socket:[{words[9]}]" for words in lines if words[1] == local}
    for pid, name in pids.items():
        with contextlib.suppress(FileNotFoundError):  # it has ended
            if any(_target(descriptor) in sockets for descriptor in Path(f"/proc/{pid}/fd").iterdir()):
                return name
    return ANYBODY


def _target(descriptor: Path) -> str:
    """What a descriptor is; empty for one that is closed by now."""
    with contextlib.suppress(FileNotFoundError):
        return str(descriptor.readlink())
    return ""
