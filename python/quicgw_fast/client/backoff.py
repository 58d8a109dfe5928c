"""When to try again: full-jitter exponential backoff (the delay is uniform between 0 and a growing bound)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.client.options import Reconnect

_MAX_DOUBLINGS = 32


class Backoff:
    """Counts the attempts since the last good connection and gives the delay before the next one."""

    def __init__(self, rule: Reconnect, rng: random.Random | None = None) -> None:
        self._rule = rule
        self._random = rng or random.Random()  # jitter, no secret
        self.attempts = 0

    def reset(self) -> None:
        """The connection proved good: the next loss starts from the shortest delay again."""
        self.attempts = 0

    @property
    def exhausted(self) -> bool:
        """No further attempt is allowed."""
        return self._rule.max_attempts is not None and self.attempts >= self._rule.max_attempts

    def next_delay(self, at_least: float = 0.0) -> float:
        """Count one attempt; seconds to wait before it, never less than ``at_least`` (the gateway's wish)."""
        bound = min(self._rule.cap, self._rule.base * 2 ** min(self.attempts, _MAX_DOUBLINGS))
        self.attempts += 1
        return at_least + self._random.uniform(0.0, bound)
