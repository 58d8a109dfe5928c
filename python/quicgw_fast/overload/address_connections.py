"""How many clients of one address may be connected at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.addresses import address_group
from quicgw_fast.overload.spread import Spread
from quicgw_fast.overload.turning_away import come_back
from quicgw_fast.ports import Deflection

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.ports import Arrival, ConnectionRefusal, TurnedAway

PAUSE = 5.0
"""Seconds after which to try again at the earliest: when another client of the address leaves is its own affair."""


class AddressCount:
    """The clients that are connected, by their addresses: an IPv4 address, or a /64 of IPv6."""

    def __init__(self) -> None:
        self._connected: dict[str, int] = {}

    def enter(self, address: str) -> None:
        """One of that address was let in."""
        group = address_group(address)
        self._connected[group] = self._connected.get(group, 0) + 1

    def leave(self, address: str) -> None:
        """One that was let in with that address is gone."""
        group = address_group(address)
        left = self._connected[group] - 1
        if left:
            self._connected[group] = left
        else:
            del self._connected[group]

    def of(self, address: str) -> int:
        """How many there are."""
        return self._connected.get(address_group(address), 0)

    def most(self) -> int:
        """How many there are of the address with most."""
        return max(self._connected.values(), default=0)


class _AddressConnections:
    """0 sets no bound; all are counted nevertheless, so that one can be set at any time."""

    name = "address-connections"
    keys = ("limits.connections_per_address",)

    def __init__(self, bounds: Bounds, count: AddressCount) -> None:
        self._count = count
        self._spread = Spread()
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.connections_per_address

    def __bool__(self) -> bool:
        """Whether a bound is set."""
        return self._most > 0

    def _refusal(self, facts: Arrival) -> ConnectionRefusal | None:
        if self._count.of(facts.address) < self._most:
            return None
        return come_back("too many connections from this address", self._spread.over(PAUSE))


class HandshakeOfAddress(_AddressConnections):
    """Before the handshake; an address that is full has to be proven, so that nobody is turned away in its name."""

    def judge(self, facts: Arrival, /) -> TurnedAway | None:
        """See ``Rule``."""
        refusal = self._refusal(facts)
        return refusal if refusal is None or facts.proven else Deflection.RETRY


class ConnectionOfAddress(_AddressConnections):
    """Behind it: of those that shook hands at the same time only so many are let in."""

    def judge(self, facts: Arrival, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        return self._refusal(facts)

    def level(self, _now: float) -> float:
        """See ``Measured``."""
        return self._count.most()
