"""Where so much noise comes from that looking at more is not worth the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.overload.address_rates import AddressRates
from quicgw_fast.ports import Deflection

if TYPE_CHECKING:
    from quicgw_fast.ports import Arrival

NOISE: Final = (20.0, 200)
"""First packets a second, and at once, that may not be genuine, per address."""


class Noise:
    """Who comes from a noisy address has to prove itself, unread: decrypting a packet costs more than a Retry."""

    name = "noise"

    def __init__(self, rate: tuple[float, int] = NOISE) -> None:
        self._heard = AddressRates(*rate)

    def heard(self, address: str, now: float, /) -> None:
        """Note a first packet that was not genuine."""
        self._heard.take(address, now)

    def judge(self, facts: Arrival, /) -> Deflection | None:
        """See ``Rule``."""
        return Deflection.RETRY if not facts.proven and self._heard.over(facts.address, facts.now) else None
