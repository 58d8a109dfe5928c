"""What passes with time: sessions expire, slow and silent clients are closed, old bindings are dropped."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING

from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.ending import disconnect, end_session
from quicgw_fast.repeats import RepeatLog
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

_log = logging.getLogger("quicgw.upkeep")


class Upkeep:
    """Goes round all connections and sessions; one round is plain work without waiting."""

    def __init__(self, parts: Parts, starting: Starting) -> None:
        self._parts = parts
        self._starting = starting
        self._repeats = RepeatLog(_log)
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
        while True:
            await asyncio.sleep(self._pause)
            try:
                self.round(self._parts.clock(), self._parts.wall())
            except Exception:  # a bug: without upkeep nothing would ever end
                _log.exception("upkeep failed; the next round tries again")

    def round(self, now: float, wall: float) -> None:
        """Do everything that is due at ``now`` (monotonic) and ``wall`` seconds; nobody waits behind one that fails."""
        for conversation in list(self._parts.conversations):
            try:
                self._check_conversation(conversation, now)
            except Exception as error:
                self._failed("conversation", conversation.link.peer, error, now)
        for session in self._parts.registry:
            try:
                self._check_session(session, now, wall)
            except Exception as error:
                self._failed("session", session.id, error, now)
        for session in self._parts.registry.expired(now, self._parts.config.session.resume_window):
            try:
                self._expire(session)
            except Exception as error:
                self._failed("session", session.id, error, now)
        self._parts.offline.tend(now)
        self._parts.memory.tend(now)
        self._repeats.flush(now)

    def _expire(self, session: Session) -> None:
        self._parts.counters.add("sessions_expired")
        end_session(self._parts, session, Event.EXPIRED, CloseCode.IDLE, "resume window passed")

    def _failed(self, kind: str, name: str, error: Exception, now: float) -> None:
        """Tell what failed about one session or conversation, surely a bug; the round goes on."""
        self._parts.counters.add("upkeep_failed")
        trace = "".join(traceback.format_exception(error))
        self._repeats.add(logging.ERROR, f"upkeep of a {kind} failed", name, now, {kind: name, "exception": trace})

    def _check_conversation(self, conversation: Conversation, now: float) -> None:
        times = self._parts.config.session
        if conversation.session is None and not conversation.held and now - conversation.born > times.start_timeout:
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
