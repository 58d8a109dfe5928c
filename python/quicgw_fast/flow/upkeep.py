"""What passes with time: sessions expire, slow and silent clients are closed, old bindings are dropped."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.ending import disconnect, end_session
from quicgw_fast.session import Event
from quicgw_fast.types import CloseCode

if TYPE_CHECKING:
    from quicgw_fast.flow.conversation import Conversation
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.flow.starting import Starting
    from quicgw_fast.session import Session

LONGEST_PAUSE = 1.0
"""Seconds between two rounds at most; shorter when a configured time is short."""
CROWDED = 0.8
"""Fill of the window above which a client must acknowledge (contract §5)."""
PAUSES_PER_TIMEOUT = 8
"""Rounds in the shortest of the configured times."""
STORE_ROUND = 60.0
"""Seconds between two clean-ups of the offline store."""

_log = logging.getLogger("quicgw.upkeep")


class Upkeep:
    """Goes round all connections and sessions; one round is plain work without waiting."""

    def __init__(self, parts: Parts, starting: Starting) -> None:
        self._parts = parts
        self._starting = starting
        times = parts.config.session
        shortest = min(
            times.timeout,
            times.resume_window,
            times.start_timeout,
            times.frame_timeout,
            times.slow_consumer_after,
            times.bind_timeout,
        )
        self._pause = min(LONGEST_PAUSE, shortest / PAUSES_PER_TIMEOUT)

    async def run(self) -> None:
        """Go round for ever; cancel to stop."""
        swept = self._parts.clock()
        while True:
            await asyncio.sleep(self._pause)
            now = self._parts.clock()
            try:
                self.round(now, self._parts.wall())
                if self._parts.store is not None and now - swept >= STORE_ROUND:
                    swept = now
                    await self._parts.store.sweep(self._parts.wall())
            except Exception:  # a full disk, or a bug: without upkeep nothing would ever end
                _log.exception("upkeep failed; the next round tries again")

    def round(self, now: float, wall: float) -> None:
        """Do everything that is due at ``now`` (monotonic) and ``wall`` seconds."""
        for conversation in list(self._parts.conversations):
            self._check_conversation(conversation, now)
        for session in self._parts.registry:
            self._check_session(session, now, wall)
        self._parts.memory.tend(now)
        for session in self._parts.registry.expired(now, self._parts.config.session.resume_window):
            self._parts.counters.add("sessions_expired")
            end_session(self._parts, session, Event.EXPIRED, CloseCode.IDLE, "resume window passed")

    def _check_conversation(self, conversation: Conversation, now: float) -> None:
        times = self._parts.config.session
        if conversation.session is None and now - conversation.born > times.start_timeout:
            late = RequestError(400, "START is missing", f"it must come within {times.start_timeout:g} s")
            self._starting.refuse(conversation, 0, late, CloseCode.PROTOCOL_ERROR)
        elif conversation.partial_since is not None and now - conversation.partial_since > times.frame_timeout:
            conversation.fail(
                ProtocolError(400, "message incomplete", f"it must be whole within {times.frame_timeout:g} s")
            )

    def _check_session(self, session: Session, now: float, wall: float) -> None:
        times, counters = self._parts.config.session, self._parts.counters
        if session.outbox.bound:
            counters.add("binds_expired", session.outbox.expire(now))
        self._parts.sender.acknowledged(session)  # in case that room was missing that others have given back since
        if not session.attached:
            return
        if now - session.last_activity > times.timeout:
            counters.add("idle_closed")
            disconnect(self._parts, session, CloseCode.IDLE, f"no message for {times.timeout:g} s")
        elif session.expires_at is not None and wall >= session.expires_at:
            counters.add("tokens_expired")
            disconnect(self._parts, session, CloseCode.TOKEN_EXPIRED, "renew the token and reconnect")
        elif session.outbox.fill <= CROWDED:
            session.crowded_since = None
        elif session.crowded_since is None:
            session.crowded_since = now
        elif now - session.crowded_since > times.slow_consumer_after:
            counters.add("slow_consumers")
            disconnect(self._parts, session, CloseCode.SLOW_CONSUMER, "acknowledge what was received")
