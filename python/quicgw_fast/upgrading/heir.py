"""The successor's part: it serves as soon as it listens, and takes what its predecessor has until that is gone.

Whatever ended the predecessor ends its end of the line. Sessions that were still there are lost then, as with any
process that dies, and their clients are told so; requests that it was working on are answered 500.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast.cluster.peering import NodeAccess, NodeServer
from quicgw_fast.upgrading.line import UpgradeLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.cluster.peering.server import GatewayDesk
    from quicgw_fast.upgrading.estate import Estate
    from quicgw_fast.upgrading.inheriting import Inheriting
    from quicgw_fast.upgrading.neighbours import Neighbours

_log = logging.getLogger("quicgw.upgrade")


class Heir:
    """From ``start`` until the predecessor has ended."""

    def __init__(
        self,
        estate: Estate,
        neighbours: Neighbours,
        inheriting: Inheriting,
        *,
        lost: Callable[[str], None],
        owns: Callable[[], None],
    ) -> None:
        """``lost`` is told the name of the predecessor when it has ended; ``owns`` when it has no session any more."""
        self._estate = estate
        self._neighbours = neighbours
        self._inheriting = inheriting
        self._lost = lost
        self._owns = owns
        self._line: UpgradeLine | None = None
        self._server: NodeServer | None = None
        self._hearing: asyncio.Task[None] | None = None

    @property
    def predecessor(self) -> str:
        """Its name; empty once it has ended."""
        return self._estate.predecessor if self._line is not None else ""

    @property
    def folder(self) -> Path:
        """Where both are reached."""
        return Path(self._estate.folder)

    async def start(self, name: str, desk: GatewayDesk) -> None:
        """Be reached by the predecessor under that name, and reach it."""
        # A copy: what else goes wrong at the start is said over the descriptor, when all of this is closed.
        self._line = await UpgradeLine.open(socket.fromfd(self._estate.line, socket.AF_UNIX, socket.SOCK_STREAM))
        self._server = await NodeServer.start_on(self.folder / name, desk, NodeAccess())
        self._neighbours.before = self._estate.predecessor
        self._hearing = asyncio.create_task(self._hear(self._line), name="predecessor")

    def ready(self) -> None:
        """Tell the predecessor that everything listens."""
        if self._line is not None:
            self._line.say(ready=True)

    def leave(self) -> None:
        """Have the predecessor, if it is there, stop as well."""
        if self._line is not None:
            self._line.say(leaving=True)

    async def stop(self) -> None:
        """Take nothing any more."""
        if self._hearing is None:
            return
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        await self._gone()

    async def _hear(self, line: UpgradeLine) -> None:
        while (said := await line.hear()) is not None:
            if "take" in said:
                self._inheriting.take_all(said["take"])
            if "done" in said:
                self._neighbours.before = ""
                self._owns()
        if self._neighbours.before:
            _log.error("predecessor ended early", extra={"effect": "the sessions that it still had are lost"})
            self._neighbours.before = ""
            self._owns()
        self._lost(self._estate.predecessor)
        await self._gone()
        _log.info("predecessor ended")

    async def _gone(self) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        await line.close()
        self._inheriting.stop()
        if self._server is not None:
            await self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
