"""The last leg of a stop: the clients get what was accepted for them, and are sent elsewhere (protocol §6)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry, Session

DETAIL = "the gateway stops"
LOOK_EVERY = 0.02
"""Seconds between two looks at the clients that have not got everything yet."""
LAST_MOMENT = 0.25
"""Seconds that an answer has to arrive which was given when the time was nearly over, or over."""
SLICE = 200
"""Clients that are closed in one go, before the loop has its turn."""

_log = logging.getLogger("quicgw.gateway")


@dataclass(slots=True)
class _Waiting:
    session: Session
    progress: int
    """Bytes that the client's QUIC had acknowledged at ``since``, when it last moved."""
    since: float

    def has_everything(self) -> bool:
        link = self.session.link
        return link is None or link.closed or (self.session.cursor >= self.session.outbox.last_seq and not link.pending)

    def stands_still_for(self, now: float) -> float:
        link = self.session.link
        if link is not None and link.progress != self.progress:
            self.progress, self.since = link.progress, now
        return now - self.since


@dataclass(slots=True)
class DrainState:
    """Whether the gateway stops: then nothing is begun any more, and what was begun is ended."""

    active: bool = False


class HandOut:
    """Gets to the clients of a gateway that stops what was accepted for them."""

    def __init__(
        self, clock: Clock, metrics: Metrics, registry: Registry, closing: Closing, *, stall_timeout: float
    ) -> None:
        """``stall_timeout`` are the seconds after which a client that makes no progress is given up."""
        self._clock = clock
        self._count_drain_undelivered = metrics.counter(
            "drain_undelivered", "Messages that clients may not have when the gateway stops"
        )
        self._registry = registry
        self._closing = closing
        self.stall_timeout = stall_timeout

    async def run(self, until: float) -> None:
        """Close each attached client as soon as it has everything; return when none is left, about ``until`` at latest.

        A client has everything when its outbox was handed over and QUIC acknowledged every byte. What clients may not
        have is counted, and said in one line.
        """
        now = self._clock.now()
        until = max(until, now + LAST_MOMENT)
        waiting = [_Waiting(s, s.link.progress, now) for s in self._registry if s.link is not None]
        given_up: list[Session] = []
        while waiting:
            left = []
            for number, one in enumerate(waiting, 1):
                if one.has_everything():
                    self._closing.disconnect(one.session, CloseCode.DRAINING, DETAIL)
                elif now >= until or one.stands_still_for(now) >= self.stall_timeout:
                    given_up.append(one.session)
                else:
                    left.append(one)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
            waiting = left
            if waiting:
                await asyncio.sleep(LOOK_EVERY)
                now = self._clock.now()
        self._give_up(given_up)

    def _give_up(self, sessions: list[Session]) -> None:
        if not sessions:
            return
        messages = sum(session.outbox.last_seq - session.outbox.acked_seq for session in sessions)
        self._count_drain_undelivered.value += messages
        _log.warning("drain incomplete", extra={"clients": len(sessions), "messages": messages})
        for session in sessions:
            self._closing.disconnect(session, CloseCode.DRAINING, DETAIL, flush=False)
