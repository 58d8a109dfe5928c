"""The last thing that is done for a process that is short of memory: the largest sessions lose their connections.

They stay and can be resumed: what is given back is what their connections hold, and what they do not send meanwhile. So
a few go in each round, and the next measurement shows whether that was enough.
"""

from __future__ import annotations

import heapq
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.overload import LargeSessionFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Close, Gate
    from quicgw_fast.session import Registry, Session

SHARE: Final = 50
"""In a round one of so many attached sessions is closed, and one at least."""

_log = logging.getLogger("quicgw.session")


class LargeSessions:
    """Asks the rules, in each round, whether the sessions that hold most may stay connected."""

    def __init__(
        self,
        metrics: Metrics,
        registry: Registry,
        closing: Closing,
        gate: Gate[LargeSessionFacts, Close],
        wanted: Callable[[], bool],
    ) -> None:
        """``wanted`` tells whether the rules are to be asked: to find the largest takes a look at all sessions."""
        self._count_closed = metrics.counter(
            "large_sessions_closed", "Connections of sessions that held most when memory was short"
        )
        self._registry = registry
        self._closing = closing
        self._gate = gate
        self._wanted = wanted
        self._repeats = RepeatLog(_log)

    def tend(self, now: float) -> None:
        """Do a round, with monotonic seconds."""
        self._repeats.flush(now)
        for session in self._largest() if self._wanted() else ():
            refusal = self._gate.judge(LargeSessionFacts(now))
            if refusal is not None:
                self._closing.disconnect(session, refusal.code, refusal.detail, flush=False)
                self._count_closed.value += 1
                fields = {**session.ids, "held": _held(session)}
                self._repeats.add(logging.WARNING, "large session closed", "", now, fields)

    def _largest(self) -> list[Session]:
        attached = [session for session in self._registry if session.attached]
        return heapq.nlargest(-(-len(attached) // SHARE), attached, key=_held)


def _held(session: Session) -> int:
    """Bytes that a session takes: what it is owed, what it asked for, and what its connection has not delivered."""
    pending = 0 if session.link is None else session.link.pending
    return session.outbox.memory + session.request_bytes + pending
