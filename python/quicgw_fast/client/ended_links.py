"""Connections that have ended, as long as something is left of them: their last bytes may still be on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.client.link import ClientLink


class EndedLinks:
    """Those of one client, until their sockets are closed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left: dict[ClientLink, asyncio.Task[None]] = {}

    def add(self, link: ClientLink) -> None:
        """Let ``link`` go in the background."""
        task = self._loop.create_task(_gone(link), name="quicgw client connection closing")
        self._left[link] = task
        task.add_done_callback(lambda _: self._left.pop(link, None))

    async def wait(self, timeout: float) -> None:
        """Wait until nothing is left of them, at most ``timeout`` seconds."""
        if self._left:
            await asyncio.wait(list(self._left.values()), timeout=timeout)

    def abandon(self) -> None:
        """Leave nothing behind, now: what has not been acknowledged is not waited for."""
        for link in list(self._left):
            link.abandon()


async def _gone(link: ClientLink) -> None:
    try:
        await link.wait_gone()
    except asyncio.CancelledError:  # its loop ends
        link.abandon()
        raise
