"""What is registered, under which addresses, and until when.

A registration is of what the service wrote, which may be a name: it holds the addresses that the name meant when it was
made or renewed. One with a lease ends when that passes; registering again is renewing. An address is an instance as
long as one registration holds it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class RegistrationKey(NamedTuple):
    """Of what a registration is."""

    service: str
    written: str
    """The address in one spelling."""


@dataclass(slots=True)
class _Lease:
    addresses: frozenset[str]
    until: float
    """Monotonic seconds."""


class Leases:
    """All registrations that hold."""

    def __init__(self) -> None:
        self._leases: dict[RegistrationKey, _Lease] = {}

    def addresses(self, key: RegistrationKey) -> frozenset[str]:
        """What a registration holds; nothing for one that is not there."""
        lease = self._leases.get(key)
        return frozenset() if lease is None else lease.addresses

    def renew(self, key: RegistrationKey, addresses: Collection[str], until: float) -> frozenset[str]:
        """Make or renew a registration; return the addresses that no registration of the service holds any more."""
        before = self.addresses(key)
        self._leases[key] = _Lease(frozenset(addresses), until)
        return self._unheld(key.service, before)

    def end(self, key: RegistrationKey) -> frozenset[str]:
        """End a registration, if it is there; return the addresses that no other one of the service holds."""
        lease = self._leases.pop(key, None)
        return frozenset() if lease is None else self._unheld(key.service, lease.addresses)

    def keys(self) -> list[RegistrationKey]:
        """Those that hold."""
        return list(self._leases)

    def expired(self, now: float) -> list[RegistrationKey]:
        """Those whose lease has passed."""
        return [key for key, lease in self._leases.items() if lease.until <= now]

    def left(self, address: str, now: float) -> float | None:
        """Seconds after which an address leaves its first service, None for one that does not by itself."""
        until: dict[str, float] = {}
        for key, lease in self._leases.items():
            if address in lease.addresses:
                until[key.service] = max(until.get(key.service, 0.0), lease.until)
        first = min(until.values(), default=math.inf)
        return None if first == math.inf else max(0.0, first - now)

    def keep(self, held: Callable[[str, str], bool]) -> None:
        """Forget those of which no address is an instance any more; ``held`` is asked with service and address."""
        for key, lease in list(self._leases.items()):
            if not any(held(key.service, address) for address in lease.addresses):
                del self._leases[key]

    def held(self, service: str) -> frozenset[str]:
        """All addresses that registrations of a service hold."""
        return frozenset().union(*(lease.addresses for key, lease in self._leases.items() if key.service == service))

    def _unheld(self, service: str, addresses: frozenset[str]) -> frozenset[str]:
        return addresses - self.held(service)
