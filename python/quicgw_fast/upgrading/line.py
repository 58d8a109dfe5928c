"""What a process and its successor say to each other about the upgrade itself, one JSON object a line.

The successor says ``ready`` once it listens, or ``refused`` and why it cannot start; ``leaving`` when it was told to
stop. The predecessor says ``take`` and which openids it still has, whose clients do not come by themselves, and
``done`` when it has none. The end of the line tells each that the other one has ended, whatever it was that ended it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Any, Final

LONGEST: Final = 1 << 20
"""Bytes of a line: openids are short, and few are named at once."""


class UpgradeLine:
    """One end; made by ``open``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> UpgradeLine:
        """Take one end of a pair of Unix stream sockets."""
        return cls(*await asyncio.open_connection(sock=sock, limit=LONGEST))

    async def hear(self) -> dict[str, Any] | None:
        """Wait for what the other one says next; None when it has ended."""
        try:
            said = await self._reader.readline()
        except ConnectionError:
            return None
        if not said.endswith(b"\n"):  # it ended in the middle of a word
            return None
        heard: dict[str, Any] = json.loads(said)
        return heard

    def say(self, **what: object) -> None:
        """Say something; whether it arrives, ``hear`` tells."""
        self._writer.write(_line(what))

    async def close(self) -> None:
        """End it: the other one takes this process for gone, if it had no other copy."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):  # the other one was first
            await self._writer.wait_closed()


def refuse(line: int, why: str) -> None:
    """Say over a descriptor that there will be no successor; for a process that has no loop yet, or no more."""
    with socket.socket(fileno=line) as sock:
        sock.settimeout(1.0)
        sock.sendall(_line({"refused": why}))


def _line(what: object) -> bytes:
    return json.dumps(what).encode() + b"\n"
