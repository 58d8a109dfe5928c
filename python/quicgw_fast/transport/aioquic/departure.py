"""The way of one connection out of its endpoint: its last words, and who waits for its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quicgw_fast.transport.closing import Farewell

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.transport.aioquic.connection import Owner
    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.routes import Routes

REASON_LIMIT = 256
"""Bytes of a reason phrase at most: the frame has to fit into a packet, in a handshake beside two others."""


class Departure:
    """The way of one connection out of its endpoint.

    Left: QUIC is done with, the connection's ids belong to a farewell. Gone: that one is over too.
    """

    __slots__ = ("_core", "_endpoint", "_on_gone", "_owner", "_routes", "_waiters", "gone", "left", "words")

    def __init__(
        self, endpoint: Endpoint, owner: Owner, core: GatewayQuic, routes: Routes, on_gone: Callable[[], None]
    ) -> None:
        self._endpoint = endpoint
        self._owner = owner
        self._core = core
        self._routes = routes
        self._on_gone = on_gone
        self._waiters: list[asyncio.Future[None]] = []
        self.left = False
        self.gone = False
        self.words: tuple[int, str] | None = None
        """The code and reason of a close that has not been said yet."""

    def say_goodbye(self) -> None:
        """Have QUIC close, with the code and reason that wait to be said."""
        if self.words is not None:
            (code, reason), self.words = self.words, None
            phrase = reason.encode()[:REASON_LIMIT].decode(errors="ignore")
            self._core.close(error_code=int(code), reason_phrase=phrase)

    def last_words(self) -> list[tuple[bytes, Any]]:
        """Make the closing packets now, whatever state the connection is in."""
        try:
            self.say_goodbye()
            return self._core.datagrams_to_send(self._endpoint.clock()) if self._core.can_farewell() else []
        except Exception as error:  # the state is beyond repair: leave without a word
            self._endpoint.report("a connection could not be closed properly", error=error)
            return []

    def leave(self, datagrams: list[tuple[bytes, Any]]) -> None:
        """Send the close, if there is one, and pass the connection ids on to a farewell."""
        if self.left:
            return
        endpoint = self._endpoint
        for data, address in datagrams:
            endpoint.send(data, address)
        self.left = True
        ptos = self._owner.closing_ptos if datagrams else self._owner.draining_ptos
        lasting = min(ptos * self._core.probe_timeout(), self._owner.longest_farewell)
        Farewell(endpoint, self._routes.hand_over(), datagrams, lasting=lasting, on_done=self._disappear)

    def release(self) -> None:
        """Drop everything at once."""
        self._routes.drop_all()
        if not self.left:
            self.left = True
            self._disappear()

    async def wait(self) -> None:
        """Wait until nothing of the connection is left."""
        if not self.gone:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _disappear(self) -> None:
        self.gone = True
        self._on_gone()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
