"""What passes with time: sessions expire, slow and silent clients are closed, old bindings are dropped."""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.flow.absence import Absence
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import SessionConfig
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.conversation import Conversation
    from quicgw_fast.flow.conversations import Conversations
    from quicgw_fast.flow.start_refusals import StartRefusals
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry, Session

LONGEST_PAUSE = 1.0
"""Seconds between two rounds at most; shorter when a configured time is short."""
CROWDED = 0.8
"""Fill of the window above which a client must acknowledge (protocol §5)."""
PAUSES_PER_TIMEOUT = 8
"""Rounds in the shortest of the configured times."""
BEATS_MISSED = 2
"""Heartbeats that a client may miss which keeps to an interval of earlier settings."""
LONGEST_REST = 10.0
"""Seconds in which a session is not looked at, at most, while nothing comes to it: so late is the end of a token
noticed when the system's clock was moved."""
SLICE = 500
"""Sessions that are looked at in one go, for about half a millisecond, before the loop has its turn."""

_log = logging.getLogger("quicgw.housekeeping")


class Housekeeping:
    """Goes round all connections and sessions; one round is plain work in slices."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        registry: Registry,
        conversations: Conversations,
        sender: OrderedSender[Session],
        closing: Closing,
        start_refusals: StartRefusals,
        times: SessionConfig,
        chores: Sequence[Callable[[float], None]],
    ) -> None:
        """``chores`` are called with the time (monotonic) at the end of every round."""
        self._clock = clock
        self._count_housekeeping_failed = metrics.counter(
            "housekeeping_failed", "Steps of the housekeeping that failed, each a bug"
        )
        self._count_slow_senders = metrics.counter(
            "slow_senders", "Connections that were closed because a message came too slowly"
        )
        self._count_binds_expired = metrics.counter("binds_expired", "Bound notifies whose request never came")
        self._count_idle_closed = metrics.counter("idle_closed", "Connections that were closed because no message came")
        self._count_tokens_expired = metrics.counter("tokens_expired", "Connections whose token ended")
        self._count_slow_consumers = metrics.counter(
            "slow_consumers", "Connections that were closed because nothing was acknowledged"
        )
        self._registry = registry
        self._conversations = conversations
        self._sender = sender
        self._closing = closing
        self._start_refusals = start_refusals
        self._chores = chores
        self._repeats = RepeatLog(_log)
        self._absence = Absence(metrics, self._repeats)
        self.reconfigure(times)

    def reconfigure(self, times: SessionConfig) -> None:
        """Go by other times from the next round on, for all sessions and connections that there are."""
        self._times = times
        self._look_at_all = True
        """In the next round, whatever was not due for long: by the new times it may be."""
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
            due = self._clock.now() + self._pause
            await asyncio.sleep(self._pause)
            now, wall = self._clock.now(), self._clock.wall()
            if self._absence.ended(due, now, wall):
                continue  # what came meanwhile is read first
            try:
                for _ in self.slices(now, wall):
                    await asyncio.sleep(0)
            except Exception:  # a bug: without housekeeping nothing would ever end
                _log.exception("housekeeping failed", extra={"effect": "the next round tries again"})

    def round(self, now: float, wall: float) -> None:
        """Do everything that is due at ``now`` (monotonic) and ``wall`` seconds."""
        for _ in self.slices(now, wall):
            pass

    def slices(self, now: float, wall: float) -> Iterator[None]:
        """Do a round; after each step others may have their turn. Nobody waits behind one that fails."""
        for conversation in list(self._conversations.watched):
            try:
                self._check_conversation(conversation, now)
            except Exception as error:
                self._failed("conversation", conversation.link.peer, {"peer": conversation.link.peer}, error, now)
        look_at_all, self._look_at_all = self._look_at_all, False
        for number, session in enumerate(self._registry, 1):
            # To look at a session takes a microsecond, as most of what it is made of is in no cache of the processor.
            if look_at_all or session.look_at <= now:
                try:
                    self._check_session(session, now, wall)
                    session.look_at = now + self._undisturbed(session, now, wall)
                except Exception as error:
                    self._failed("session", session.id, session.ids, error, now)
            if number % SLICE == 0:
                yield
        self._repeats.flush(now)
        for number, chore in enumerate(self._chores):
            try:
                chore(now)
            except Exception as error:
                name = getattr(chore, "__qualname__", str(number))
                self._failed("chore", name, {"chore": name}, error, now)
        yield

    def _undisturbed(self, session: Session, now: float, wall: float) -> float:
        """Seconds in which nothing becomes due about a session to which nothing comes."""
        outbox = session.outbox
        if not session.attached or outbox.bound or outbox.releasing or outbox.fill > CROWDED:
            return 0.0
        expires_at = math.inf if session.expires_at is None else session.expires_at
        return min(LONGEST_REST, session.last_activity + self._patience(session) - now, expires_at - wall)

    def _patience(self, session: Session) -> float:
        """Seconds without any message in which a client is not closed: never fewer than it was told to let pass."""
        times = self._times
        if session.told_interval <= times.told_interval:
            return times.timeout
        return max(times.timeout, BEATS_MISSED * session.told_interval)  # before other settings came

    def _failed(self, kind: str, name: str, fields: dict[str, str], error: Exception, now: float) -> None:
        """Tell what failed about one session or conversation, surely a bug; the round goes on."""
        self._count_housekeeping_failed.value += 1
        trace = "".join(traceback.format_exception(error))
        told = {**fields, "exception": trace}
        self._repeats.add(logging.ERROR, "housekeeping step failed", f"{kind} {name}", now, told)

    def _check_conversation(self, conversation: Conversation, now: float) -> None:
        longest = self._times.start_timeout
        if conversation.over:
            return
        awaits_start = conversation.session is None and not conversation.carrier.held
        back_for = now - self._absence.back_since
        if awaits_start and min(now - conversation.born, back_for) > longest:
            late = RequestError(ErrorCode.BAD_REQUEST, "START is missing", f"it must come within {longest:g} s")
            self._start_refusals.refuse(conversation, 0, late)
        elif back_for > self._times.frame_timeout and (slow := conversation.carrier.slow_for(now)):
            self._count_slow_senders.value += 1
            conversation.close(CloseCode.SLOW_CONSUMER, slow)

    def _check_session(self, session: Session, now: float, wall: float) -> None:
        times = self._times
        if session.state is SessionState.CLOSED:
            return  # it ended since the round began
        if session.outbox.bound:
            self._count_binds_expired.value += session.outbox.expire(now)
            self._closing.binds_expired(session)
        if session.groups:
            self._registry.groups.tidy(session, now)
        self._sender.acknowledged(session)  # in case that room was missing that others have given back since
        if not session.attached:
            self._closing.expire(session)
            return
        back_for, patience = now - self._absence.back_since, self._patience(session)
        if min(now - session.last_activity, back_for) > patience:
            self._count_idle_closed.value += 1
            self._closing.disconnect(session, CloseCode.IDLE, f"no message for {patience:g} s")
        elif session.expires_at is not None and wall >= session.expires_at:
            self._count_tokens_expired.value += 1
            self._closing.disconnect(session, CloseCode.TOKEN_EXPIRED, "renew the token and reconnect")
        elif session.outbox.fill <= CROWDED:
            session.crowded_since = None
        elif min(session.crowded_for(now), back_for) > times.slow_consumer_after:
            self._count_slow_consumers.value += 1
            self._closing.disconnect(session, CloseCode.SLOW_CONSUMER, "read and acknowledge what was sent")
