"""The last leg of a stop: the clients get what was accepted for them, and are sent elsewhere (protocol §6)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.flow.closing import disconnect

if TYPE_CHECKING:
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.session import Session

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


async def hand_out(parts: Parts, until: float) -> None:
    """Close each attached client as soon as it has everything; return when none is left, about ``until`` at the latest.

    A client has everything when its outbox was handed over and QUIC acknowledged every byte. Who makes no progress for
    ``session.slow_consumer_after`` is given up. What clients may not have is counted, and said in one line.
    """
    patience = parts.config.session.slow_consumer_after
    now = parts.clock()
    until = max(until, now + LAST_MOMENT)
    waiting = [_Waiting(s, s.link.progress, now) for s in parts.registry if s.link is not None]
    given_up: list[Session] = []
    while waiting:
        left = []
        for number, one in enumerate(waiting, 1):
            if one.has_everything():
                disconnect(parts, one.session, CloseCode.DRAINING, DETAIL)
            elif now >= until or one.stands_still_for(now) >= patience:
                given_up.append(one.session)
            else:
                left.append(one)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        waiting = left
        if waiting:
            await asyncio.sleep(LOOK_EVERY)
            now = parts.clock()
    _give_up(parts, given_up)


def _give_up(parts: Parts, sessions: list[Session]) -> None:
    if not sessions:
        return
    messages = sum(session.outbox.last_seq - session.outbox.acked_seq for session in sessions)
    parts.counters.add("drain_undelivered", messages)
    _log.warning("drain incomplete", extra={"clients": len(sessions), "messages": messages})
    for session in sessions:
        disconnect(parts, session, CloseCode.DRAINING, DETAIL, flush=False)
