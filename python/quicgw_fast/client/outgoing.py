"""Calls on their way up: in the order of submission, as fast as the connection and the gateway's limits allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from quicgw_fast.client.calls import Calls, ClientCall
    from quicgw_fast.client.link import ClientLink
    from quicgw_fast.client.pacer import Pacer
    from quicgw_fast.client.session import ClientSession


class Outgoing:
    """Sends what waits in ``calls``.

    Whoever finds that nothing can go out now sees to it that it is tried again: the connection was asked and promises
    ``writable``, a timer is set, or a reply must come first, and that ends in ``flush``.
    """

    def __init__(
        self, session: ClientSession[ClientCall], calls: Calls, pacer: Pacer, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._session = session
        self._calls = calls
        self._pacer = pacer
        self._loop = loop
        self._link: ClientLink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = False
        """Something waits that flush() could not send, and flush() will be called again."""

    def open(self, link: ClientLink) -> None:
        """Calls may go out on ``link`` from now on; those that waited go first."""
        self._link = link
        self.flush()

    def close(self) -> None:
        """Nothing goes out until open(); what is submitted waits."""
        self._link = None
        self._disarm()

    def submit(self, call: ClientCall) -> None:
        """Send ``call`` behind all others, now or when that is possible."""
        self._calls.wait(call)
        if not self._blocked:
            self.flush()

    def send_ahead(self, link: ClientLink, call: ClientCall) -> None:
        """Send ``call`` on ``link`` whatever waits; the rate counts it."""
        self._pacer.take(0, 0, self._loop.time())
        frame = self._calls.encode_new(call)
        if frame:
            link.send(frame)

    def flush(self) -> None:
        """Send what can be sent."""
        self._disarm()
        link = self._link
        if link is None:
            self._blocked = False
            return
        while self._calls.waiting:
            self._blocked = True
            if not link.ready():
                return
            wait = self._send_some(link)
            if wait:
                if wait < math.inf:
                    self._timer = self._loop.call_later(wait, self.flush)
                return
        self._blocked = False

    def _send_some(self, link: ClientLink) -> float:
        """Send until the connection has enough; returns the seconds until the gateway may have more, 0: now."""
        now, room, frames, wait = self._loop.time(), link.room, [], 0.0
        while room > 0 and (call := self._calls.first_waiting()) is not None:
            wait = self._pacer.take(len(self._session.in_flight), self._session.bytes_in_flight + call.size, now)
            if wait:
                break
            self._calls.drop_first()
            frames.append(self._calls.encode_new(call))
            room -= len(frames[-1])
        link.send(b"".join(frames))
        return wait

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
