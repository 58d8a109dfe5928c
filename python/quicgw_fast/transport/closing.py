"""The closing or draining period behind the end of a connection (RFC 9000 §10.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quicgw_fast.clock import Timer
    from quicgw_fast.transport.endpoint import Endpoint

COPIES = 4
"""How often the close is repeated unasked: a silent peer would not provoke a copy when the first was lost."""


class ClosingPeriod:
    """Owns the connection ids of a connection that has ended until late packets have died out.

    When closing, it sends the close again for the 1st, 2nd, 4th, 8th … packet that still arrives
    (RFC 9000 §10.2.1). Without datagrams it is the draining period, and silent (§10.2.2).
    """

    newcomer = False
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
        self._until = endpoint.now() + lasting
        self._on_done = on_done
        for cid in self._cids:
            endpoint.receivers[cid] = self
        endpoint.periods.add(self)
        self._timer: Timer | None = None
        self._arm()

    def datagram(self, _data: bytes, _address: Any, _now: float, /) -> None:
        """Answer a late packet with the close, less and less often."""
        self._heard += 1
        if self._heard & (self._heard - 1) == 0:
            self._send()

    def shorten(self, lasting: float) -> None:
        """End in ``lasting`` seconds at the latest."""
        self._until = min(self._until, self._endpoint.now() + lasting)
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
        endpoint.periods.discard(self)
        self._on_done()

    def _arm(self) -> None:
        now = self._endpoint.now()
        at = self._until
        if self._copies:
            at = min(at, now + self._interval)
        self._timer = self._endpoint.call_later(max(0.0, at - now), self._on_timer)

    def _on_timer(self) -> None:
        if self._copies:
            self._copies -= 1
            self._send()
        if self._endpoint.now() >= self._until:
            self.finish()
        else:
            self._arm()

    def _send(self) -> None:
        for data, address in self._datagrams:
            self._endpoint.send(data, address)
