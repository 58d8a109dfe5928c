"""The offline store that all nodes share, as one of them has it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.address import DirectoryAddress
from quicgw_fast.cluster.keys import Keys
from quicgw_fast.cluster.link import DirectoryLink
from quicgw_fast.cluster.offline_store import DirectoryStore
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.cluster.store_scripts import OF_STORE
from quicgw_fast.observe import Metrics

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.config import Config

ANSWER_WITHIN: Final = 1.0
"""Seconds in which the directory has to answer; a login waits no longer for what is stored."""

_log = logging.getLogger("quicgw.cluster")


class SharedStore:
    """The store, and who tells other nodes of what was put for an openid that had just come to them."""

    def __init__(self, config: Config, node: str, clock: Clock, client: NodeClient) -> None:
        assert config.cluster.url is not None
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()
        link = DirectoryLink(
            DirectoryAddress(config.cluster.url),
            clock,
            Metrics(),  # what fails counts as failures of the store
            answer_within=ANSWER_WITHIN,
            changed=lambda: None,
            scripts=OF_STORE,
            use="offline store",
        )
        self.messages = DirectoryStore(link, Keys(config.cluster.name), node, config.offline, self._tell)

    async def stop(self, within: float) -> None:
        """Tell whom there is to tell, in so many seconds, and nobody any more.

        The store itself is closed by who puts into it to the last.
        """
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _tell(self, node: str, openid: str) -> None:
        task = asyncio.create_task(self._told(node, openid), name="stored-elsewhere")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, node: str, openid: str) -> None:
        try:
            await self._client.stored(node, openid)
        except PeerUnreachable as error:  # it comes with the next login
            _log.warning("node not told of a stored message", extra={"node": node, "reason": str(error)})


def shared_store(config: Config, node: str, clock: Clock, client: NodeClient) -> SharedStore | None:
    """Make it; None where the offline store is another one, or none. Nothing is connected yet."""
    return SharedStore(config, node, clock, client) if config.offline.store == "directory" else None
