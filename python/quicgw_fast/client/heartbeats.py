"""The heartbeats of one connection, and the fresh tokens that travel in them (header ``auth-token``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.client.errors import QuicgwClientError
from quicgw_fast.client.liveness import Liveness, Pulse
from quicgw_fast.client.wire import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicgw_fast.client.errors import ReplyError
    from quicgw_fast.client.messages import ClientStats


class LinkLost(QuicgwClientError):
    """The connection ended before the answer to a token refresh."""


class Heartbeats:
    """Sends a heartbeat every ``interval`` seconds, with ``send``, which takes headers and returns its msg_id.

    ``silent`` is called with the seconds of a silence that is too long.
    """

    def __init__(
        self,
        interval: float,
        max_missed: int,
        stats: ClientStats,
        *,
        send: Callable[[Mapping[str, str] | None], int],
        silent: Callable[[float], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._liveness = Liveness(interval, max_missed, self._loop.time())
        self._longest_silence = interval * max_missed
        self._stats = stats
        self._send = send
        self._silent = silent
        self._last = (0, 0.0)
        """The msg_id of the last regular heartbeat, and when it was sent."""
        self._refreshes: dict[int, asyncio.Future[dict[str, str]]] = {}
        """Tokens without an answer, by the msg_id of their heartbeats."""
        self._ended = False
        self._timer = self._loop.call_at(self._liveness.wake_at, self._pulse)

    def heard(self, now: float) -> None:
        """Something came from the gateway: it lives."""
        self._liveness.sign(now)

    def answered(self, msg_id: int, headers: dict[str, str], now: float) -> None:
        """A HEARTBEAT_RESP came."""
        last, sent_at = self._last
        if msg_id == last:
            self._stats.last_rtt = now - sent_at
        refresh = self._refreshes.pop(msg_id, None)
        if refresh is not None and not refresh.done():
            refresh.set_result(headers)

    def refresh(self, token: str) -> asyncio.Future[dict[str, str]]:
        """Send a heartbeat with a new token; the result is the headers of its answer.

        It raises ReplyError when the token was refused, and LinkLost when the connection ended first.
        """
        result: asyncio.Future[dict[str, str]] = self._loop.create_future()
        if self._ended:  # its owner learns that in the loop's next turn
            result.set_exception(LinkLost())
            return result
        self._refreshes[self._beat({TOKEN_HEADER: token})] = result
        return result

    def refused(self, msg_id: int, error: ReplyError) -> bool:
        """Take an error that answers a refresh; False when it answers none."""
        refresh = self._refreshes.pop(msg_id, None)
        if refresh is None:
            return False
        if not refresh.done():
            refresh.set_exception(error)
        return True

    def end(self) -> None:
        """The connection has ended."""
        self._ended = True
        self._timer.cancel()
        for refresh in self._refreshes.values():
            if not refresh.done():
                refresh.set_exception(LinkLost())
        self._refreshes.clear()

    def _pulse(self) -> None:
        now = self._loop.time()
        pulse = self._liveness.poll(now)
        if pulse is Pulse.DEAD:
            self._silent(self._longest_silence)
            return
        if pulse is Pulse.SEND:
            self._last = (self._beat(None), now)
        self._timer = self._loop.call_at(self._liveness.wake_at, self._pulse)

    def _beat(self, headers: Mapping[str, str] | None) -> int:
        self._stats.heartbeats += 1
        return self._send(headers)
