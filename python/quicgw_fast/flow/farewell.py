"""What clients are told that have to leave because the gateway stops: when to come back, and where (protocol §6)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from quicgw_fast.config import DrainConfig

RETURNS_PER_SECOND = 200
"""Clients that come back in a second, at most, where the time allows it: their handshakes and logins cost the next
gateway a share of its time, and not all of it."""
LEAST_SPREAD = 2.0
"""Seconds over which even few clients come back: a gateway that is started again is not there earlier."""
_GOLDEN: Final = (5**0.5 - 1) / 2


class Farewell:
    """Words for a close that sends clients away."""

    def __init__(self, drain: DrainConfig, longest: float) -> None:
        """``longest`` are the seconds that the whole drain may take: nobody is told to stay away for longer."""
        self.succeeded = False
        """Whether another process takes over where this one listens: its clients come back at once, and there."""
        self.reconfigure(drain, longest)
        self._at = random.random()
        """Where the sequence is; it begins anywhere, so that gateways that stop together do not say the same."""

    def reconfigure(self, drain: DrainConfig, longest: float) -> None:
        """Go by other settings."""
        self._drain = drain
        self._longest = longest
        self.spread_over(0)

    def spread_over(self, clients: int) -> None:
        """Spread the times over what ``clients`` need that leave together."""
        wanted = max(LEAST_SPREAD, clients / RETURNS_PER_SECOND) if self._drain.spread is None else self._drain.spread
        self._spread = min(wanted, self._longest)

    def detail(self, max_client_seq: int | None = None) -> str:
        """Return the next client's detail of the close phrase; its last accepted request tells which were not.

        Where another process takes over they are none: who sends them away does so at its pace.
        The times are a Weyl sequence: of as many as there are, they lie evenly, in no order that clients have.
        """
        accepted = f", max-client-seq {max_client_seq}" if max_client_seq is not None else ""
        if self.succeeded:
            return f"another process takes over, reconnect-after-ms 0{accepted}"
        self._at = (self._at + _GOLDEN) % 1.0
        after = round(self._at * self._spread * 1000)
        return f"the gateway stops, reconnect-after-ms {after}{accepted}{self._where}"

    def to_newcomer(self) -> str:
        """Return the detail for who comes when nobody is taken in any more."""
        return self.detail() if self.succeeded else f"no new connections{self._where}"

    @property
    def _where(self) -> str:
        return f", reconnect-to {self._drain.reconnect_to}" if self._drain.reconnect_to is not None else ""
