"""Room in the memory that all sessions share: the largest go first, and a healthy client does not pay for others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.observe import Unit
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.sharing import FREE_TO, Holding, choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend import ByteBudget
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry, Session

DETAIL = "the memory of all sessions is full; only a reset continues"

_log = logging.getLogger("quicgw.session")


class Memory:
    """Makes room by ending what sessions hold; their clients learn it as any overflow and start afresh."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        registry: Registry,
        budget: ByteBudget,
        closing: Closing,
        overflow: Callable[[Session], None],
    ) -> None:
        """``overflow`` marks a session that had to miss something."""
        self._clock = clock
        self._count_memory_victims = metrics.counter(
            "memory_victims", "Sessions that had to give up their memory, and so to miss something"
        )
        metrics.gauge("retained", "What sessions keep of messages for their clients", lambda: budget.used, Unit.BYTES)
        self._registry = registry
        self._budget = budget
        self._closing = closing
        self._overflow = overflow
        self._repeats = RepeatLog(_log)

    def make_room(self, needed: int) -> bool:
        """Try to have room for ``needed`` bytes more; True when some was given back."""
        budget = self._budget
        if needed > budget.limit + budget.limit // 4:  # with the reserve: more than there ever is
            return False
        holdings = [(session, Holding(session.outbox.memory, session.reachable)) for session in self._registry]
        victims = choose(holdings, budget.used + needed - int(budget.limit * FREE_TO))
        freed = sum(session.outbox.memory for session in victims)
        for session in victims:
            # At once: what waits to be delivered would hold the same memory for as long as the close waits for it.
            self._closing.disconnect(session, CloseCode.SLOW_CONSUMER, DETAIL, flush=False)
            self._overflow(session)
        if not victims:
            return False
        self._count_memory_victims.value += len(victims)
        fields = {"sessions": len(victims), "freed": freed, "limit": budget.limit}
        self._repeats.add(logging.WARNING, "session memory full", "", self._clock.now(), fields)
        return True

    def tend(self, now: float) -> None:
        """Forget who ended long ago, and write what the log owes."""
        self._registry.forget(now)
        self._repeats.flush(now)
