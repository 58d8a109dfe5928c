"""How many handshakes a second may come from one address."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from quicgw_fast.overload.address_rates import AddressRates
from quicgw_fast.ports import Deflection

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.ports import Arrival

BURST: Final = 10
"""Seconds of the rate that may come at once: many clients behind one address come back together."""


class HandshakeRate:
    """Over it, an address has to prove itself; one that has done so gets nothing for a while.

    A forged source address must not use up the rate of the client that really has it: addresses that proved themselves
    are counted apart.
    """

    name = "handshake-rate"
    keys = ("limits.handshakes_per_second",)

    def __init__(self, bounds: Bounds) -> None:
        """For each IPv4 address, and for each /64 of IPv6."""
        rate = self._of(bounds)
        self._claimed = AddressRates(*rate)
        self._proven = AddressRates(*rate)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        for rates in (self._claimed, self._proven):
            rates.rate.configure(*self._of(bounds))

    def _of(self, bounds: Bounds) -> tuple[float, int]:
        per_second = bounds.limits.handshakes_per_second
        return per_second, math.ceil(per_second * BURST)

    def judge(self, facts: Arrival, /) -> Deflection | None:
        """See ``Rule``."""
        if facts.proven:
            return None if self._proven.take(facts.address, facts.now) else Deflection.DROP
        return None if self._claimed.take(facts.address, facts.now) else Deflection.RETRY
