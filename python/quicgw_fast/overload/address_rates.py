"""A rate for each client address."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from quicgw_fast.addresses import address_group
from quicgw_fast.backend import Rate, TokenBucket

REMEMBERED_ADDRESSES: Final = 8192


class AddressRates:
    """One bucket per client address, the least recently seen forgotten beyond a bound.

    Forgetting refills a bucket, so the bound limits memory, not an attacker with many addresses; those are
    what the half-open limit and Retry are for.
    """

    def __init__(self, rate: float, burst: int, remembered: int = REMEMBERED_ADDRESSES) -> None:
        self.rate = Rate(rate, burst)
        """Of each address; it can be changed."""
        self._remembered = remembered
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, now: float) -> bool:
        """Count one event of the address; False when it is over its rate."""
        key = address_group(address)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._remembered:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = self.rate.bucket()
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now) == 0.0

    def over(self, address: str, now: float) -> bool:
        """Tell whether the address has used up its rate; counts nothing."""
        bucket = self._buckets.get(address_group(address)) if self._buckets else None
        return bucket is not None and bucket.wait(now) > 0.0
