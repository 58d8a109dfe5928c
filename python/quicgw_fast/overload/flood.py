"""How many messages of one connection are looked at. The clock is an argument."""

from __future__ import annotations

from typing import Final

from quicgw_fast.rates import TokenBucket

PATIENCE: Final = 4.0
"""Times the rate of requests that is answered 429 before the connection is closed: 429 is meant to be heard."""
GRACE: Final = 1000
"""Requests over the burst that are answered 429 in any case: what an honest program sends without listening."""


class FloodGuard:
    """Bounds every kind of message of a connection; each method is False once its sender is beyond all patience.

    An acknowledgement that acknowledges something costs nothing: its number is bounded by the messages sent down.
    """

    __slots__ = ("_control", "_control_rate", "_request_rate", "_requests")

    def __init__(self, control_rate: tuple[float, int], request_rate: tuple[float, int]) -> None:
        """Rates per second and bursts, of control messages and of requests (the rate whose excess is answered 429)."""
        self._control_rate = control_rate
        self._request_rate = request_rate
        # Made when needed: most connections send one kind at most.
        self._control: TokenBucket | None = None
        self._requests: TokenBucket | None = None

    def control(self, now: float) -> bool:
        """Count a heartbeat, an acknowledgement of nothing new, or a message that was refused."""
        if self._control is None:
            self._control = TokenBucket(*self._control_rate)
        return self._control.take(now) == 0.0

    def request(self, now: float) -> bool:
        """Count a BUSINESS message, whatever its answer will be."""
        if self._requests is None:
            rate, burst = self._request_rate
            self._requests = TokenBucket(PATIENCE * rate, int(PATIENCE * burst) + GRACE)
        return self._requests.take(now) == 0.0
