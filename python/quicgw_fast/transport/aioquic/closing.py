"""The end of a connection: its last words, and the closing or draining period of RFC 9000 §10.2 behind them."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quicgw_fast.transport.aioquic.owner import Owner
    from quicgw_fast.transport.aioquic.private import GatewayQuic
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.routes import Routes

REASON_LIMIT = 256
"""Bytes of a reason phrase at most: the frame has to fit into a packet, in a handshake beside two others."""

COPIES = 4
"""How often the close is repeated unasked: a silent peer would not provoke a copy when the first was lost."""


class ClosingPeriod:
    """Owns the connection ids of an ended connection until late packets have died out.

    When closing, it sends the close again for the 1st, 2nd, 4th, 8th … packet that still arrives
    (RFC 9000 §10.2.1). When draining (no datagrams given) it is silent (§10.2.2).
    """

    __slots__ = (
        "_cids", "_copies", "_datagrams", "_endpoint", "_heard", "_interval", "_on_done", "_timer", "_until"
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        cids: Iterable[bytes],
        datagrams: Sequence[tuple[bytes, Any]],
        *,
        lasting: float,
        on_done: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._cids = tuple(cids)
        self._datagrams = datagrams
        self._heard = 0
        self._copies = COPIES if datagrams else 0
        self._interval = lasting / (COPIES + 1)
        self._until = endpoint.loop.time() + lasting
        self._on_done = on_done
        for cid in self._cids:
            endpoint.receivers[cid] = self
        endpoint.closing_periods.add(self)
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def datagram(self, _data: bytes, _address: Any, _now: float, /) -> None:
        """Answer a late packet with the close, less and less often."""
        self._heard += 1
        if self._heard & (self._heard - 1) == 0:
            self._send()

    def shorten(self, lasting: float) -> None:
        """End in ``lasting`` seconds at the latest."""
        self._until = min(self._until, self._endpoint.loop.time() + lasting)
        if self._timer is not None:
            self._timer.cancel()
            self._arm()

    def finish(self) -> None:
        """Give the connection ids back at once."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        endpoint = self._endpoint
        for cid in self._cids:
            if endpoint.receivers.get(cid) is self:
                del endpoint.receivers[cid]
        endpoint.closing_periods.discard(self)
        self._on_done()

    def _arm(self) -> None:
        loop = self._endpoint.loop
        at = self._until
        if self._copies:
            at = min(at, loop.time() + self._interval)
        self._timer = loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        if self._copies:
            self._copies -= 1
            self._send()
        if self._endpoint.loop.time() >= self._until:
            self.finish()
        else:
            self._arm()

    def _send(self) -> None:
        for data, address in self._datagrams:
            self._endpoint.send(data, address)


class Teardown:
    """The way of one connection out of its endpoint.

    Left: QUIC is done with, the connection's ids belong to a closing period. Gone: that one is over too.
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

    def say_close(self) -> None:
        """Have QUIC close, with the code and reason that wait to be said."""
        if self.words is not None:
            (code, reason), self.words = self.words, None
            phrase = reason.encode()[:REASON_LIMIT].decode(errors="ignore")
            self._core.close(error_code=int(code), reason_phrase=phrase)

    def closing_datagrams(self) -> list[tuple[bytes, Any]]:
        """Make the closing packets now, whatever state the connection is in."""
        try:
            self.say_close()
            return self._core.datagrams_to_send(monotonic()) if self._core.can_say_close() else []
        except Exception as error:  # the state is beyond repair: leave without a word
            self._endpoint.report("a connection could not be closed properly", error=error)
            return []

    def leave(self, datagrams: list[tuple[bytes, Any]]) -> None:
        """Send the close, if there is one, and pass the connection ids on to a closing period."""
        if self.left:
            return
        endpoint = self._endpoint
        for data, address in datagrams:
            endpoint.send(data, address)
        self.left = True
        ptos = self._owner.closing_ptos if datagrams else self._owner.draining_ptos
        lasting = min(ptos * self._core.probe_timeout(), self._owner.longest_closing)
        ClosingPeriod(endpoint, self._routes.hand_over(), datagrams, lasting=lasting, on_done=self._disappear)

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
