"""A limit of refused tokens for each address: against guessing, and never against those who guess nothing.

Under its limit an address has every token checked. Over it, tokens are checked at bounded rates, so that a good one
always gets through, at the latest when its client comes back: one bad client must not lock out the others behind its
address. Openids for which the address was refused lately have a small rate, all others a larger one of their own; and
all addresses over their limit share one rate, as a check costs processor time. The clock is an argument.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.addresses import address_group
from quicgw_fast.backend import TokenBucket
from quicgw_fast.backend.constants import ROUNDING
from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import StartRefusal

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import StartFacts

SUSPECTS: Final = 16
"""Openids remembered per address, those that were refused last."""


class Checks(NamedTuple):
    """How many a second, and how many at once."""

    per_second: float
    burst: int


SUSPECT: Final = Checks(2.0, 5)
"""For openids whose tokens were refused, per address: hardly faster than guessing is worth it."""
OTHERS: Final = Checks(20.0, 10)
"""For all other openids of the same address."""
ALL: Final = Checks(200.0, 200)
"""For all addresses over their limit together: a signature takes up to a quarter of a millisecond."""


class _Offender:
    """What is remembered of one address that had a token refused."""

    __slots__ = ("others", "suspect", "suspects", "times")

    def __init__(self, limit: int) -> None:
        self.times: deque[float] = deque(maxlen=limit)
        # Hashes, as openids are long; which was refused when, the last one at the end.
        self.suspects: dict[int, float] = {}
        self.suspect = TokenBucket(*SUSPECT)
        self.others = TokenBucket(*OTHERS)

    def add(self, openid: str, now: float) -> None:
        self.times.append(now)
        key = hash(openid)
        self.suspects.pop(key, None)
        self.suspects[key] = now
        if len(self.suspects) > SUSPECTS:
            del self.suspects[next(iter(self.suspects))]


class AttemptLimiter:
    """Counts refused tokens per address (an IPv6 one by its /64) within ``window`` seconds.

    Memory is bounded: of more than ``max_addresses`` the one that failed longest ago is forgotten, and what
    lies further back than the window is forgotten anyway.
    """

    def __init__(self, limit: int = 10, window: float = 60.0, max_addresses: int = 10_000) -> None:
        """Raise ValueError unless all three are positive."""
        if limit < 1 or not window > 0.0 or max_addresses < 1:
            raise ValueError(f"limits must be positive, not {limit}, {window}, {max_addresses}")
        self._limit = limit
        self._window = window
        self._max_addresses = max_addresses
        self._all = TokenBucket(*ALL)
        # The address that failed last at the end.
        self._offenders: OrderedDict[str, _Offender] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._offenders)

    def configure(self, limit: int) -> None:
        """Change the limit, also for those who had tokens refused before."""
        self._limit = limit
        for offender in self._offenders.values():
            offender.times = deque(offender.times, maxlen=limit)

    def over(self, address: str, now: float) -> bool:
        """Tell whether ``address`` is over its limit at ``now`` (monotonic seconds)."""
        return self._over(self._offenders.get(address_group(address)), now)

    def admit(self, address: str, openid: str, now: float) -> float:
        """Return 0.0 if a token for ``openid`` may be checked now, which uses up one check where checks are counted.

        Otherwise the seconds after which it may be tried again.
        """
        offender = self._offenders.get(address_group(address))
        if offender is None or not self._over(offender, now):
            return 0.0
        refused_at = offender.suspects.get(hash(openid))
        suspect = refused_at is not None and now - refused_at < self._window
        wait = (offender.suspect if suspect else offender.others).take(now)
        return wait or self._all.take(now)

    def failed(self, address: str, openid: str, now: float) -> None:
        """Count a refused token."""
        self._forget(now)
        group = address_group(address)
        offender = self._offenders.get(group)
        if offender is None:
            offender = self._offenders[group] = _Offender(self._limit)
        offender.add(openid, now)
        self._offenders.move_to_end(group)
        if len(self._offenders) > self._max_addresses:
            self._offenders.popitem(last=False)

    def _over(self, offender: _Offender | None, now: float) -> bool:
        if offender is None or len(offender.times) < self._limit:
            return False
        return offender.times[0] + self._window - now > ROUNDING

    def _forget(self, now: float) -> None:
        while self._offenders:
            group, offender = next(iter(self._offenders.items()))
            if offender.times[-1] + self._window > now:
                return
            del self._offenders[group]


class GuessedTokens:
    """A START from an address over its limit is looked at only as often as the limiter says."""

    name = "guessed-tokens"
    keys = ("limits.auth_failures_per_minute",)

    def __init__(self, limiter: AttemptLimiter) -> None:
        self._limiter = limiter

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._limiter.configure(bounds.limits.auth_failures_per_minute)

    def judge(self, facts: StartFacts, /) -> StartRefusal | None:
        """See ``Rule``."""
        wait = self._limiter.admit(facts.address, facts.openid, facts.now)
        if wait <= 0:
            return None
        return StartRefusal(ErrorCode.RATE_LIMITED, "too many refused tokens", retry_after=wait)
